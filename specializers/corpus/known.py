"""Which corpora this machine has met, by content: where each lay when it was last read.

An artifact names its corpus by digest. Moved or copied, it is found again here;
another corpus at the old place is not taken for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.doors.files import parse_json
from harness.files import cache_folder, write_json

_MOST_PLACES = 20


def remember(digest: str, passages: Path) -> None:
    """Keep where a corpus lies; called wherever its digest was taken."""
    path, place = _entry(digest), str(passages.absolute())
    places = _places(path)
    if not places or places[0] != place:
        kept = [place, *(other for other in places if other != place)]
        write_json(path, {"digest": digest, "places": kept[:_MOST_PLACES]})


def places_of(digest: str) -> Iterator[Path]:
    """Where a corpus of that content has been, the latest first, if something is there still."""
    yield from (Path(place) for place in _places(_entry(digest)) if Path(place).is_file())


def known_corpora() -> Iterator[tuple[str, list[Path]]]:
    """(digest, where it has been) of every corpus met on this machine."""
    folder = cache_folder() / "corpora"
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        yield path.stem, [Path(place) for place in _places(path)]


def forget(digest: str) -> None:
    """Where a corpus has been is not known any more."""
    _entry(digest).unlink(missing_ok=True)


def _entry(digest: str) -> Path:
    return cache_folder() / "corpora" / f"{digest}.json"


def _places(path: Path) -> list[str]:
    try:
        return [str(place) for place in parse_json(path.read_bytes())["places"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
