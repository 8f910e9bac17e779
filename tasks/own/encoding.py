"""Bytes of a text file -> its text, by the mark it begins with, as UTF-8, or by its letters."""

from __future__ import annotations

import codecs
from pathlib import Path

from harness.errors import UserError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What spreadsheets write where they do not write UTF-8: Western Europe first, which is also
# the likeliest where a few letters fit several.
_LIKELY = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "mac_roman", "cp932", "gb18030",
           "big5", "cp949"]  # fmt: skip


def decoded(path: Path, content: bytes, encoding: str = "") -> tuple[str, tuple[str, ...]]:
    """The text, and what the user should be told of how it was read.

    Args:
        encoding: a codec's name; "" finds it out.
    Raises:
        UserError: the text is not of this encoding, or of none that is known.
    """
    if encoding:
        try:
            return content.decode(encoding).removeprefix("\ufeff"), ()
        except LookupError:
            raise UserError(
                f"unknown encoding {encoding!r}. Expected one such as utf-8, utf-16 or cp1252."
            ) from None
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            raise UserError(
                f"{path}:{line}: not {encoding} ({error.reason} in byte {error.start}). Name the "
                "right one with --encoding."
            ) from None
    for mark, name in _MARKS:
        if content.startswith(mark):
            return _strictly(path, content, name), ()
    if name := _utf16_unmarked(content):
        return _strictly(path, content, name), (f"read as {name}",)
    try:
        return content.decode("utf-8"), ()
    except UnicodeDecodeError as error:
        return _by_letters(path, content, error.start)


def _strictly(path: Path, content: bytes, name: str) -> str:
    try:
        return content.decode(name)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: begins as {name} and is not ({error.reason} in byte {error.start}). Save it "
            "again, as UTF-8."
        ) from None


def _utf16_unmarked(content: bytes) -> str:
    """Text of one script in UTF-16 has zeros at every other place; in UTF-8 a zero is a slip."""
    start = content[:2000]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if 4 * max(even, odd) < len(start) // 2:
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _by_letters(path: Path, content: bytes, at: int) -> tuple[str, tuple[str, ...]]:
    """An 8-bit or East Asian text, by which letters it would hold."""
    from charset_normalizer import from_bytes

    text = content.decode("utf-8", "surrogateescape")
    odd = sum("\udc80" <= letter <= "\udcff" for letter in text)
    if sum(not letter.isascii() for letter in text) > 2 * odd:
        number = content[:at].count(b"\n") + 1
        raise UserError(
            f"{path}:{number}: UTF-8 but for {odd} bytes, the first is byte {at}. Mend them, or "
            "name another encoding with --encoding."
        )
    found = from_bytes(content, cp_isolation=_LIKELY, preemptive_behaviour=False)
    best = found.best()
    if best is None:
        raise UserError(
            f"{path}: not UTF-8 (byte {at}), and of no encoding that is known. Save it as UTF-8, "
            "or name its encoding with --encoding."
        )
    # Among those that read it equally well, the likeliest.
    equal = [
        one.encoding for one in found if one.chaos <= best.chaos and one.coherence >= best.coherence
    ]
    name = min(equal or [best.encoding], key=_LIKELY.index)
    text = content.decode(name)
    line = next(one for one in text.splitlines() if not one.isascii())
    place = next(n for n, c in enumerate(line) if not c.isascii())
    seen = line[max(0, place - 20) : place + 20].strip()
    return text, (f"not UTF-8, read as {name}: '{seen}'. Name another with --encoding",)
