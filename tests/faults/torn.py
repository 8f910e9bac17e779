"""Power fails: each file of stored calls cut at every byte it has."""

from __future__ import annotations

import json

from harness.store import ResponseStore
from tests.faults.job import Workspace
from tests.faults.kills import Undisturbed


def torn_stores(work: Workspace, whole: Undisturbed) -> list[str]:
    """Open what the undisturbed job stored, cut at any byte; no call but the torn one is lost."""
    spaces = sorted((work.folder / "undisturbed" / "responses").iterdir())
    tried, faults = 0, list[str]()
    for folder in spaces:
        space = json.loads((folder / "space.json").read_text())
        for segment in sorted(folder.glob("*.jsonl")):
            content, place = segment.read_bytes(), work.folder / "torn"
            copy = ResponseStore.folder_of(place, space) / segment.name
            ResponseStore(place, space)
            for length in range(len(content) + 1):
                copy.write_bytes(content[:length])
                expected = _keys(content[: content.rfind(b"\n", 0, length) + 1])
                store = ResponseStore(place, space)
                tried += 1
                if len(store) != len(expected) or any(store.get(key) is None for key in expected):
                    faults.append(f"{segment.name} cut at byte {length}: whole calls were lost")
            copy.unlink()
    print(f"stored calls cut at each of {tried} bytes: {len(faults)} lost a whole call", flush=True)
    return faults


def _keys(lines: bytes) -> set[str]:
    return {key for line in lines.splitlines() for key, _ in json.loads(line[9:])["call"]}
