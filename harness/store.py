"""Every response on disk as soon as it exists.

A store holds the responses of one *space*: one model, one adapter, one engine
with its numerics. The key inside a space is the digest of the exact request,
so a look-up can only find an answer to the very same question put to the very
same weights.

On disk a space is a folder of append-only segments, one per writing process, so
that several processes write without a lock. A line is one model call: a CRC-32
and JSON: "call", a list of (key, response), and "by", what answered beside the space:
versions of packages and the engine's path (lines of earlier versions are the list
alone). A line that was torn by a crash fails its CRC and is skipped; it costs that
call and nothing else.

In memory is only where each answer lies, some 100 bytes whatever its length: a run of
millions of answers holds those of one job at a time.
"""

from __future__ import annotations

import json
import os
import secrets
import zlib
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.doors.files import parse_json
from harness.engines.base import GenerateRequest, ScoreRequest
from harness.errors import UserError
from harness.files import digest, write_json
from harness.types import Response

_Place = tuple[Path, int]
# What answered, as the JSON text of a stored line; "" where a line does not say.
By = str
_DEFAULTS = {field.name: field.default for field in fields(Response)}


def request_key(request: ScoreRequest | GenerateRequest) -> str:
    """32 hex digits for the exact tokens and decoding of a request."""
    if isinstance(request, ScoreRequest):
        head: tuple[Any, ...] = ("score",)
        parts: tuple[tuple[int, ...], ...] = (request.context, request.continuation)
    else:
        decoding = request.decoding
        head = ("generate", decoding.max_tokens, list(decoding.stop))
        if decoding.temperature > 0:
            # Greedy answers do not depend on the sampling settings.
            head += (decoding.temperature, decoding.top_p, decoding.seed)
        if special := decoding.special:
            head += (sorted(special.items()),)
        parts = (request.prompt,)
    hasher = sha256(json.dumps(head).encode())
    for part in parts:
        hasher.update(b"|%d|" % len(part))
        hasher.update(array("q", part).tobytes())
    return hasher.hexdigest()[:32]


class ResponseStore:
    """The responses of one space: look up by key, append a call at a time.

    Args:
        root: folder of all spaces (`bench-out/responses`).
        space: what an answer depends on besides the request: model digest,
            adapter digest, engine and numerics. Any JSON value.
        kept: told of each call when it is on disk: the space's folder and the call's line.
    """

    def __init__(
        self,
        root: Path,
        space: Mapping[str, Any],
        kept: Callable[[Path, bytes], None] | None = None,
    ) -> None:
        self.folder = self.folder_of(root, space)
        self._kept = kept
        self.skipped_lines = 0
        # Hash of a key -> segment and offset of its call; the line says the key itself.
        self._places: dict[int, _Place] = {}
        self._read_to: dict[Path, int] = {}
        self._segment: Path | None = None
        description = self.folder / "space.json"
        try:
            if not description.exists():
                write_json(description, dict(space))
            self.refresh()
        except OSError as error:
            raise _store_error(self.folder, error) from error

    @staticmethod
    def folder_of(root: Path, space: Mapping[str, Any]) -> Path:
        """Where a space's responses lie, whether there are any or not."""
        return root / digest(space)[:20]

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: str) -> Response | None:
        """The stored response, or None if this request was never answered."""
        found = self.find((key,)).get(key)
        return found[0] if found else None

    def find(self, keys: Iterable[str]) -> dict[str, tuple[Response, By]]:
        """The stored responses of those requests that were answered, and what answered.

        Each call is read once.

        Raises:
            UserError: a segment cannot be read any more.
        """
        wanted: dict[_Place, set[str]] = defaultdict(set)
        for key in keys:
            if (place := self._places.get(hash(key))) is not None:
                wanted[place].add(key)
        found: dict[str, tuple[Response, By]] = {}
        segments: dict[Path, list[int]] = defaultdict(list)
        for segment, offset in sorted(wanted):
            segments[segment].append(offset)
        for segment, offsets in segments.items():
            try:
                with segment.open("rb") as file:
                    for offset in offsets:
                        file.seek(offset)
                        asked = wanted[segment, offset]
                        by, call = _parse(file.readline()) or ("", ())
                        found.update((key, (said, by)) for key, said in call if key in asked)
            except OSError as error:
                raise UserError(
                    f"{segment}: cannot read stored responses ({error.strerror}). Make the file "
                    "readable, then run the same command; it goes on."
                ) from error
        return found

    def put(self, call: Sequence[tuple[str, Response]], by: By = "") -> None:
        """Append one finished model call and fsync it.

        Failed calls (status "error") are kept out: the next run asks again. A refusal is
        an answer, and kept.

        Raises:
            UserError: the disk is full or the folder cannot be written.
        """
        kept = [(key, response) for key, response in call if response.status != "error"]
        if not kept:
            return
        answers = json.dumps([[key, _slim(response)] for key, response in kept])
        payload = (f'{{"by": {by}, "call": {answers}}}' if by else answers).encode()
        line = b"%08x %s\n" % (zlib.crc32(payload), payload)
        if self._segment is None:
            self._segment = self.folder / f"{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        start = self._read_to.get(self._segment, 0)
        try:
            # Answers may quote what is private: this user's alone. Never through a link.
            flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            handle = os.open(self._segment, flags, 0o600)
            try:
                # Always after the last whole line: a failed write leaves no gap.
                os.ftruncate(handle, start)
                os.lseek(handle, start, os.SEEK_SET)
                written = 0
                while written < len(line):
                    written += os.write(handle, line[written:])
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise _store_error(self._segment, error) from error
        self._read_to[self._segment] = start + len(line)
        self._note((self._segment, start), kept)
        if self._kept is not None:
            self._kept(self.folder, line)

    def refresh(self) -> None:
        """Read what this and other processes appended since the last look."""
        for segment in sorted(self.folder.glob("*.jsonl")):
            if segment != self._segment:
                self._read(segment)

    def _read(self, segment: Path) -> None:
        start = self._read_to.get(segment, 0)
        with segment.open("rb") as file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # being written now, or torn by a crash: look again next time
                call = _parse(line)
                if call is None:
                    self.skipped_lines += 1
                else:
                    self._note((segment, start), call[1])
                start += len(line)
        self._read_to[segment] = start

    def _note(self, place: _Place, call: Sequence[tuple[str, Response]]) -> None:
        self._places.update((hash(key), place) for key, _ in call)


def _slim(response: Response) -> dict[str, Any]:
    return {key: value for key, value in asdict(response).items() if value != _DEFAULTS[key]}


def _parse(line: bytes) -> tuple[By, list[tuple[str, Response]]] | None:
    """What answered and one stored call, or None if the line is damaged."""
    try:
        checksum, payload = line[:8], line[9:-1]
        if int(checksum, 16) != zlib.crc32(payload):
            return None
        held = parse_json(payload)
        by = ""
        if isinstance(held, dict):
            by, held = json.dumps(held["by"], sort_keys=True), held["call"]
        return by, [(key, Response(**value)) for key, value in held]
    except (ValueError, TypeError, KeyError):
        return None


def _store_error(path: Path, error: OSError) -> UserError:
    return UserError(
        f"{path}: cannot keep responses ({error.strerror}). Everything stored so far is safe: "
        "free space or choose another folder with --out, then run the same command; it goes on."
    )
