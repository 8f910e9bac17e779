"""What a record says of its model and task, and which records belong together.

Records from before a fact was kept lack it. They are of unknown identity there: read as they
were, and told from none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Manifest = Mapping[str, Any]
# The parts of a task's identity -> how a difference in one is told.
_PARTS = {
    "yaml": "its YAML",
    "code": "its code",
    "rows": "its test rows",
    "examples": "the rows that few-shot examples come from",
}


def is_base_of(base: Manifest, other: Manifest) -> bool:
    """Whether `base` is the model that `other` was made of: its very weights, whatever its name."""
    return (
        bool(other["specializer"])
        and not base["specializer"]
        and bool(base["model_digest"])
        and base["model_digest"] == other["model_digest"]
    )


def task_of(manifest: Manifest) -> str:
    """The digest of the task as it was asked; "" where the record does not say."""
    return str((manifest.get("task_identity") or {}).get("digest", ""))


def explained_of(manifest: Manifest) -> dict[str, str]:
    """What an explanation of a record is of: weights, artifact, and the task's content."""
    return {
        "weights": str(manifest["model_digest"]),
        "artifact": str(manifest["artifact"]),
        "task": task_of(manifest),
    }


def task_differences(one: Manifest, other: Manifest) -> list[str]:
    """In what two records' tasks differ, in words; [] where they agree or one does not say."""
    mine, its = (manifest.get("task_identity") or {} for manifest in (one, other))
    if not mine or not its or mine.get("digest") == its.get("digest"):
        return []
    return [told for part, told in _PARTS.items() if mine.get(part) != its.get(part)]


def cell_name(task: str, shots: int, draw: int, wording: int = 0) -> str:
    """The folder of a record inside its model's."""
    return f"{task}@{shots}.{draw}" + (f"~w{wording}" if wording else "")


def model_folder(model: str) -> str:
    """The name of the folder of a model's records.

    A floor's name has a colon, which Windows takes in no file name; a model's has none, and no @.
    """
    return model.replace(":", "@")


def misplaced(manifest: Manifest, model: str, cell: str) -> str:
    """ "" if a record belongs where it lies, else where it does.

    Beside a run of the same name with other settings lies one in a folder with more
    behind its name (`harness.record.place_of`).

    Args:
        model, cell: the names of its two folders.
    """
    task, shots, draw = (manifest.get(key) for key in ("task", "shots", "draw"))
    own = cell_name(task, shots, draw, manifest.get("wording", 0))  # type: ignore[arg-type]
    place = f"{model_folder(str(manifest.get('model')))}/{own}"
    # Records of floors lay under their own names.
    lies = f"{model_folder(model)}/{cell}"
    behind = lies[len(place) :]
    fits = lies.startswith(place) and not behind[:1].isdigit() and not behind.startswith("~w")
    return "" if fits else place
