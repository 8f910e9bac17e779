"""The one place where a file of a corpus is opened: plain or packed, counted, bounded.

A packed file may come from anywhere. What it may unpack to is bounded by its own
size, and a line by what a text may be, so that a small file cannot fill the memory.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from harness.doors import limits
from harness.doors.packed import most_of
from harness.errors import MissingExtra, UserError

PACKED = (".gz", ".zst", ".bz2", ".xz")
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # what such a text begins with
_MAGIC = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", ".bz2": b"BZh", ".xz": b"\xfd7zXZ\x00"}

_ZSTD_INPUT = 1 << 10  # bytes

Advance = Callable[[int], None]


def silent(_: int) -> None:
    """For who does not ask how far the reading is."""


def kind_of(path: Path) -> str:
    """The ending that tells what a file holds, in small letters, without that of its packing."""
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return Path(name).suffix


def is_packed(path: Path) -> bool:
    """Whether a file's name says that it is packed."""
    return path.suffix.lower() in PACKED


@contextmanager
def open_input(path: Path, advance: Advance = silent) -> Iterator[IO[bytes]]:
    """A file's content as bytes, unpacked if its name says so.

    Args:
        advance: told the bytes read of the file as it lies on the disk.

    Raises:
        UserError: not what its name says, cut short, or it unpacks beyond measure.
    """
    packing = path.suffix.lower() if is_packed(path) else ""
    with path.open("rb") as raw:
        if packing and not raw.read(8).startswith(_MAGIC[packing]):
            name = {".gz": "gzip", ".zst": "zstd"}.get(packing, packing[1:])
            raise UserError(
                f"{path}: not {name}, although its name ends in {packing}. Fetch it again, or "
                f"take the {packing} off the name of a file that is not compressed."
            )
        raw.seek(0)
        counted = io.BufferedReader(_Counted(raw, advance), 1 << 20)
        try:
            if not packing:
                yield cast("IO[bytes]", counted)
                return
            plain = _Bounded(_unpacked(packing, counted), most_of(path), path)
            yield cast("IO[bytes]", io.BufferedReader(plain, 1 << 20))
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise UserError(
                f"{path}: broken compressed data ({error}; a download cut short?). Fetch it again."
            ) from None


def read_whole(
    path: Path, advance: Advance = silent, unpacked: int = limits.UNPACKED_WHOLE
) -> bytes:
    """The content at once, for formats that cannot be streamed.

    Args:
        unpacked: bytes that a packed file may hold.
    Raises:
        UserError: as `open_input`, or more than `unpacked`, of a plain file
            `limits.PLAIN_WHOLE`.
    """
    packed = is_packed(path)
    most, held = unpacked if packed else limits.PLAIN_WHOLE, io.BytesIO()
    with open_input(path, advance) as file:
        while content := file.read(1 << 20):
            held.write(content)  # grows in place: joined blocks would be held twice
            if held.tell() > most:
                found = "unpacks to more" if packed else "more"
                way = "Unpack it, if you trust it, and convert it" if packed else "Convert it"
                raise UserError(
                    f"{path}: {found} than {most >> 20:,} MiB, and its format can only be read "
                    f"whole. {way} to JSON lines (.jsonl)."
                )
    return held.getvalue()


def lines(path: Path, advance: Advance = silent) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line) of a file of lines, a byte order mark left out.

    Raises:
        UserError: as `open_input`, UTF-16, or a line beyond `limits.LINE_BYTES`.
    """
    with open_input(path, advance) as file:
        if file.peek(2)[:2] in UTF_16:  # type: ignore[attr-defined]
            raise UserError(f"{path}: UTF-16 text; expected UTF-8. Save it as UTF-8.")
        number = 0
        while line := file.readline(limits.LINE_BYTES + 1):
            number += 1
            if len(line) > limits.LINE_BYTES:
                raise UserError(
                    f"{path}:{number}: a line of more than {limits.LINE_BYTES >> 20} MiB; expected "
                    f"a document a line."
                )
            yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def _unpacked(packing: str, file: Any) -> Any:
    if packing == ".gz":
        return gzip.GzipFile(fileobj=file)
    if packing == ".bz2":
        return bz2.BZ2File(file)
    if packing == ".xz":
        return lzma.LZMAFile(file)
    try:
        import zstandard
    except ImportError as error:
        raise MissingExtra("zstandard", "corpus", "Reading .zst") from error
    return _Zstd(file, zstandard.ZstdDecompressor())


class _Zstd:
    """Frames one after the other; unlike zstandard's own reader it tells where one is cut short.

    Args:
        maker: a `ZstdDecompressor`.
    """

    def __init__(self, file: Any, maker: Any) -> None:
        self._file, self._maker = file, maker
        self._frame: Any = None
        self._packed, self._plain = b"", memoryview(b"")

    def read(self, size: int) -> bytes:
        import zstandard

        while not self._plain:
            # What a little input holds is unpacked at once: up to 32 MiB of a kibibyte.
            self._packed = self._packed or self._file.read(_ZSTD_INPUT)
            if not self._packed:
                if self._frame is not None:
                    raise EOFError("it ends within a frame")
                return b""
            if self._frame is None:
                self._frame = self._maker.decompressobj()
            try:
                self._plain = memoryview(self._frame.decompress(self._packed))
            except zstandard.ZstdError as error:
                raise EOFError(str(error)) from None
            self._packed = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
        found, self._plain = self._plain[:size], self._plain[size:]
        return bytes(found)


class _Counted(io.RawIOBase):
    def __init__(self, file: IO[bytes], advance: Advance) -> None:
        self._file, self._advance = file, advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        self._advance(len(content))
        return len(content)


class _Bounded(io.RawIOBase):
    """At most `limit` bytes of a packed file's content."""

    def __init__(self, file: Any, limit: int, path: Path) -> None:
        self._file, self._left, self._path = file, limit, path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        self._left -= len(content)
        if self._left < 0:
            raise UserError(
                f"{self._path}: unpacks to more than {limits.EXPANSION} times its size, which no "
                f"text does: it is refused. Unpack it by hand if you know what it holds."
            )
        return len(content)
