"""A GGUF file's header, walked within the file before a library makes room for what it says.

The header states counts, lengths and sizes of what follows. Each is compared here with what
is left of the file: a string cannot be longer, a list cannot have more entries, a tensor not
more values than the file has bits. The format: https://github.com/ggml-org/ggml/blob/master/
docs/gguf.md.
"""

from __future__ import annotations

import mmap
import re
import struct
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.text import plain
from harness.errors import UserError

# Types of values by number: struct's letter.
_PLAIN = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _LIST = 8, 9
_DEEPEST = 4  # lists within lists
# Keys that a model is built by.
_SIZE = re.compile(
    r"\.(block_count|embedding_length|feed_forward_length|vocab_size|expert_count|"
    r"attention\.(head_count|head_count_kv|key_length|value_length))$"
)
_MAY_BE_NONE = ("expert_count", "head_count_kv", "feed_forward_length")


def check_gguf(path: Path) -> None:
    """Refuse a header that states more than the file holds, or a model of no width.

    Raises:
        UserError: names the file and what of it is wrong.
    """
    try:
        if not path.is_file():
            raise ValueError("no ordinary file")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _Header(data).check()
    # What a walk over bytes meets where they are torn or mean something else.
    except (ValueError, struct.error, IndexError, OSError) as error:
        raise UserError(
            f"{plain(path)}: found {plain(error):.200}; expected a whole GGUF file of a model that "
            "transformers reads. Fetch the file again, or name another."
        ) from error


class _Header:
    """Walks from value to value; no more is kept than sizes."""

    def __init__(self, data: Any) -> None:
        self._data, self._place, self._order = data, 0, "<"
        self._widths: set[int] = set()

    def check(self) -> None:
        if self._data[:4] != b"GGUF":
            raise ValueError(f"{bytes(self._data[:4])!r} where the GGUF magic is")
        self._place = 4
        if self._data[4:6] == b"\0\0":
            self._order = ">"
        version = self._one("I")
        if version not in (2, 3):
            raise ValueError(f"GGUF of v{version}")
        tensors, keys = self._one("Q"), self._one("Q")
        if tensors > limits.GGUF_TENSORS or keys > limits.GGUF_KEYS:
            raise ValueError(f"{tensors} tensors and {keys} keys")
        sizes: dict[str, int] = {}
        for _ in range(keys):
            name = self._text()
            value = self._value(self._one("I"), 0)
            found = _SIZE.search(name)
            if found and value is not None:
                sizes[found[1]] = value
        for _ in range(tensors):
            self._tensor()
        self._check_sizes(sizes, tensors)

    def _check_sizes(self, sizes: dict[str, int], tensors: int) -> None:
        for name, value in sizes.items():
            least = 0 if name in _MAY_BE_NONE else 1
            most = min(tensors, limits.LAYERS) if name == "block_count" else 8 * len(self._data)
            if not least <= value <= most:
                raise ValueError(f"{name} {value}, of {least} to {most} that this file can hold")
        width = sizes.get("embedding_length")
        if width is not None and self._widths and width not in self._widths:
            raise ValueError(f"embedding_length {width}, which no tensor has")

    def _tensor(self) -> None:
        name = self._text()
        number = self._one("I")
        if not 0 < number <= limits.GGUF_DIMENSIONS:
            raise ValueError(f"a tensor '{name:.80}' of {number} dimensions")
        values = 1
        for _ in range(number):
            size = self._one("Q")
            self._widths.add(size)
            values *= size
        if not 0 < values <= 8 * len(self._data):
            raise ValueError(f"a tensor '{name:.80}' of {values} values")
        self._skip(4)
        if self._one("Q") > len(self._data):
            raise ValueError(f"a tensor '{name:.80}' that begins behind the file's end")

    def _value(self, kind: int, depth: int) -> int | None:
        """Walk over a value; that of a whole number, else None."""
        if kind in _PLAIN:
            value = self._one(_PLAIN[kind])
            return value if type(value) is int else None
        if kind == _STRING:
            self._skip(self._one("Q"))
        elif kind == _LIST and depth < _DEEPEST:
            inner, number = self._one("I"), self._one("Q")
            if inner in _PLAIN:
                self._skip(number * struct.calcsize(f"<{_PLAIN[inner]}"))
            elif number > len(self._data) - self._place:
                raise ValueError(f"a list of {number} entries")
            else:
                for _ in range(number):
                    self._value(inner, depth + 1)
        else:
            raise ValueError(f"a value of kind {kind}, {depth} lists deep")
        return None

    def _one(self, letter: str) -> Any:
        (value,) = struct.unpack_from(f"{self._order}{letter}", self._data, self._place)
        self._skip(struct.calcsize(f"<{letter}"))
        return value

    def _text(self) -> str:
        length = self._one("Q")
        begin = self._place
        self._skip(length)
        return bytes(self._data[begin : self._place]).decode("utf-8")

    def _skip(self, size: int) -> None:
        self._place += size
        if self._place > min(len(self._data), limits.GGUF_HEADER):
            raise ValueError(f"a header longer than the {len(self._data):,} bytes of the file")
