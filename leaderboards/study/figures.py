"""The boards' plots as files of their own: an SVG that an image in Markdown can show.

A page's plot takes style and legend from its page; here both are inside.
"""

from __future__ import annotations

import re

from markupsafe import Markup

_WIDTH, _EDGE, _LINE = 760, 16, 20  # pixels
_STYLE = """
svg{--paper:#fff;--ink:#1b1f24;--quiet:#545d68;--line:#dce1e7;--mark:#0b5cad;--band:#a9c8ea;
--good:#116339;--bad:#a5262d;--c0:#0b5cad;--c1:#b4530a;--c2:#116339;--c3:#8a3ab9;--c4:#a5262d;
--c5:#46657d}
@media (prefers-color-scheme:dark){svg{--paper:#11151a;--ink:#e4e8ed;--quiet:#a3adb8;--line:#2d343d;
--mark:#7cb8f5;--band:#315a8a;--good:#6bd09b;--bad:#ff9492;--c0:#7cb8f5;--c1:#f0a35e;--c2:#6bd09b;
--c3:#cf9df2;--c4:#ff9492;--c5:#a5bfd3}}
text{font:12px system-ui,sans-serif;fill:var(--ink)}.number,.axis{fill:var(--quiet)}
.end{text-anchor:end}.middle{text-anchor:middle}line{stroke-width:1}.grid{stroke:var(--line)}
.zero{stroke:var(--quiet)}.total{stroke:var(--ink);stroke-width:2}
.span{stroke:var(--band);stroke-width:7;stroke-linecap:round}
.dot{stroke:var(--mark);stroke-width:2;fill:var(--paper)}.dot.sure{fill:var(--mark)}
.dot.sure.up{fill:var(--good);stroke:var(--good)}.dot.sure.down{fill:var(--bad);stroke:var(--bad)}
rect.part0{fill:var(--c1)}rect.part1{fill:var(--c0)}.paper{fill:var(--paper)}
.curve{stroke-width:2;stroke-linecap:round}.whisker{opacity:.45;stroke-width:5}
.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}
.c4{stroke:var(--c4)}.c5{stroke:var(--c5)}
""".strip()
_SVG = re.compile(r'<svg (role="img"[^>]*?) width="100%" height="(\d+)">(.*?)</svg>', re.S)
_LEGEND = re.compile(r'<i class="swatch (\w+)"></i>(.*?)</li>')


def picture(figure: Markup) -> str:
    """A figure of `leaderboards.pages.plots` as a whole SVG file."""
    found = _SVG.search(figure)
    assert found is not None  # plots.py draws every figure so
    described, height, body = found.group(1), int(found.group(2)), found.group(3)
    legend = _LEGEND.findall(figure)
    whole = height + 2 * _EDGE + _LINE * len(legend)
    entries = []
    for number, (kind, name) in enumerate(legend):
        y = height + 2 * _EDGE + _LINE * number
        entries.append(
            f'<rect x="{_EDGE}" y="{y - 8}" width="11" height="8" class="{kind}" '
            f'stroke-width="2"/><text x="{_EDGE + 18}" y="{y}">{name}</text>'
        )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {described} width="{_WIDTH}" '
            f'height="{whole}" viewBox="0 0 {_WIDTH} {whole}">',
            f"<style>{_STYLE}</style>",
            '<rect class="paper" width="100%" height="100%"/>',
            f'<svg x="{_EDGE}" y="{_EDGE}" width="{_WIDTH - 2 * _EDGE}" height="{height}">',
            body.replace("><", ">\n<"),
            "</svg>",
            *entries,
            "</svg>\n",
        ]
    )
