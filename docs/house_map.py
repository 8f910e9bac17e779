"""Write docs/map.svg, the house drawn from its imports, and docs/files.md, a phrase for each file.

    make docs

Packages are bands, a band's rows are the floors of its import contract (pyproject.toml), boxes are
rooms and files. An arrow between two bands carries the number of modules that import downwards;
imports that run up would be drawn in red, and there must be none (tests/test_house.py).
"""

from __future__ import annotations

import ast
import html
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("bench", "leaderboards", "specializers", "tasks", "harness")
BANDS = (("bench",), ("leaderboards",), ("specializers", "tasks"), ("harness",))
WIDTH, ROW, BOX, GAP, CHAR = 1180, 34, 24, 8, 7.4

Box = tuple[float, float, float, float]  # left, top, width, height


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports() -> Counter[tuple[str, str]]:
    """(package, package) -> how many modules of the first import the second, types apart or not."""
    found: Counter[tuple[str, str]] = Counter()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = _parsed(path)
            targets = set()
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    targets.add(node.module.partition(".")[0])
                elif isinstance(node, ast.Import):
                    targets |= {alias.name.partition(".")[0] for alias in node.names}
            found.update((package, target) for target in targets & set(PACKAGES) - {package})
    return found


def upward() -> list[tuple[str, str]]:
    """Pairs of packages between which an import runs up, or sideways."""
    level = {package: number for number, band in enumerate(BANDS) for package in band}
    return sorted(pair for pair in imports() if level[pair[0]] >= level[pair[1]])


def floors(package: str) -> list[list[str]]:
    """A package's rooms and files, row by row: its contract's layers, and what none names below."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = [c["layers"] for c in contracts if c.get("containers") == [package]]
    rows = [[name.strip() for name in row.split("|")] for row in (layers[0] if layers else [])]
    there = {
        path.stem if path.is_file() else path.name
        for path in (ROOT / package).iterdir()
        if (path.suffix == ".py" and path.stem[:2] != "__") or (path / "__init__.py").is_file()
    }
    named = {name for row in rows for name in row}
    rest = sorted(there - named)
    return [*([name for name in row if name in there] for row in rows), *([rest] if rest else [])]


def says(path: Path) -> str:
    """The first sentence of a module's docstring, on one line."""
    text = ast.get_docstring(_parsed(path)) or ""
    first = " ".join(text.split("\n\n")[0].split())
    head, stop, _ = first.partition(". ")
    return (head + "." if stop else first) or "(empty)"


def drawn() -> str:
    """The map as SVG."""
    bands: list[str] = []
    rooms: list[str] = []
    arrows: list[str] = []
    taken: list[float] = []
    top, boxes = 20.0, dict[str, Box]()
    for band in BANDS:
        width = (WIDTH - 40 - 20 * (len(band) - 1)) / len(band)
        tallest = 0.0
        for column, package in enumerate(band):
            left = 20 + column * (width + 20)
            inner, height = _rows(floors(package), left + 12, top + 34, width - 24)
            boxes[package] = (left, top, width, height + 46)
            tallest = max(tallest, height + 46)
            bands.append(
                f'<rect x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" '
                f'height="{height + 46:.0f}" rx="8" class="band"/>'
                f'<text x="{left + 12:.0f}" y="{top + 22:.0f}" class="name">{package}/</text>'
            )
            rooms += inner
        top += tallest + 46
    against = upward()
    for (a, b), count in sorted(imports().items()):
        x = _free(boxes[a], boxes[b], taken)
        arrows.append(_arrow(boxes[a], boxes[b], x, count, (a, b) in against))
    style = (
        "text{font:12px system-ui,sans-serif;fill:#1f2933}.name{font-weight:600;font-size:14px}"
        ".band{fill:#f5f7fa;stroke:#9aa5b1}.room{fill:#dceefb;stroke:#4098d7}"
        ".file{fill:#fff;stroke:#cbd2d9}.down{stroke:#627d98}.up{stroke:#cf1124}"
        ".count{font-size:11px;fill:#486581}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top - 26:.0f}" role="img" '
        f'aria-label="Packages, rooms and files, and how many modules import downwards">'
        f'<style>{style}</style><defs><marker id="tip" markerWidth="8" markerHeight="8" '
        f'refX="7" refY="4" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#627d98"/></marker>'
        f"</defs>{''.join(bands + arrows + rooms)}</svg>\n"
    )


def _rows(rows: list[list[str]], left: float, top: float, width: float) -> tuple[list[str], float]:
    parts, y = [], top
    for row in rows:
        x = left
        for name in row:
            box = len(name) * CHAR + 16
            if x + box > left + width:
                x, y = left, y + ROW - 4
            room = any((ROOT / package / name).is_dir() for package in PACKAGES)
            kind = "room" if room else "file"
            parts.append(
                f'<rect x="{x:.0f}" y="{y:.0f}" width="{box:.0f}" height="{BOX}" rx="4" '
                f'class="{kind}"/><text x="{x + 8:.0f}" y="{y + 16:.0f}">{html.escape(name)}</text>'
            )
            x += box + GAP
        y += ROW
    return parts, y - top


def _arrow(a: Box, b: Box, x: float, count: int, up: bool) -> str:
    """From the lower edge of one band to the upper edge of another, past those between."""
    y1, y2 = a[1] + a[3], b[1]
    kind = "up" if up else "down"
    return (
        f'<line x1="{x:.0f}" y1="{y1:.0f}" x2="{x:.0f}" y2="{y2 - 2:.0f}" class="{kind}" '
        f'stroke-width="1.5" stroke-opacity="0.7" marker-end="url(#tip)"/>'
        f'<text x="{x + 5:.0f}" y="{y2 - 10:.0f}" class="count">{count}</text>'
    )


def _free(a: Box, b: Box, taken: list[float]) -> float:
    """A column that both bands reach and no arrow has; from the right, where boxes are few."""
    right = min(a[0] + a[2], b[0] + b[2]) - 20
    while any(abs(right - other) < 34 for other in taken):
        right -= 34
    taken.append(right)
    return right


def listed() -> str:
    """docs/files.md: every file of the packages with its first sentence."""
    lines = [
        "# Every file",
        "",
        "Written by `make docs` from the first sentence of each file's docstring. "
        "[architecture.md](architecture.md) has the rooms and the rules.",
    ]
    for package in PACKAGES:
        folders = sorted({path.parent for path in (ROOT / package).rglob("*.py")})
        for folder in folders:
            place = folder.relative_to(ROOT).as_posix()
            files = sorted(folder.glob("*.py"))
            lines += ["", f"## {place}/", ""]
            init = folder / "__init__.py"
            if init.is_file() and says(init) != "(empty)":
                lines += [says(init), ""]
            lines += [f"- `{path.name}`: {says(path)}" for path in files if path != init]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (ROOT / "docs" / "map.svg").write_text(drawn(), encoding="utf-8")
    (ROOT / "docs" / "files.md").write_text(listed(), encoding="utf-8")
