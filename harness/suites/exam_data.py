"""Where lm-eval's own tasks find their data: a local folder, the hub's cache, or the hub.

lm-eval names a data set of the hub and leaves the rest to `datasets`, which
without a network reads only what it once prepared itself, and tries for minutes
first. Here a folder of a local mirror comes first; a hub that does not answer is
asked once, and then a snapshot in its own cache serves. So these tasks run
wherever their files are, and what is missing is told at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import UserError

_PATIENCE = 5.0  # seconds for the hub's first answer


class MissingData(UserError):
    """One task whose data set cannot be had; several of one set are told in one line."""

    def __init__(self, task: str, dataset: str, part: str, reason: str) -> None:
        self.task, self.dataset, self.part, self.reason = task, dataset, part, reason
        super().__init__(_told([task], dataset, part, reason))


def told_together(missing: Iterable[MissingData]) -> list[str]:
    """One line for each data set and reason, whichever tasks and parts want it."""
    groups: dict[tuple[str, str], list[MissingData]] = {}
    for one in missing:
        groups.setdefault((one.dataset, one.reason), []).append(one)
    return [
        str(group[0])
        if len(group) == 1
        else _told([one.task for one in group], dataset, "", reason)
        for (dataset, reason), group in groups.items()
    ]


def _told(tasks: list[str], dataset: str, part: str, reason: str) -> str:
    few = ", ".join(f"'{task}'" for task in tasks[:4])
    more = f" and {len(tasks) - 4} more" if len(tasks) > 4 else ""
    who = f"task {few} is" if len(tasks) == 1 else f"tasks {few}{more} are"
    wanted = f"'{dataset}'" + (f" (part '{part}')" if part else "")
    return (
        f"{who} lm-eval's own and {'its' if len(tasks) == 1 else 'their'} data set {wanted} cannot "
        f"be read{reason}. Run it once where there is a network; or put a copy of the data set "
        f"into the folder {dataset} of a local mirror ('hf download {dataset} --repo-type dataset "
        f"--local-dir DIR/{dataset}') and name the mirror with --data DIR or BENCH_DATA."
    )


def load_own(
    manager: Any,
    name: str,
    yaml: Path,
    data: Path | None,
    keys: Mapping[str, Any] | None = None,
) -> Any:
    """Build a task of lm-eval's own.

    Args:
        manager: lm-eval's TaskManager.
        name: what its results stand under; another than the file's where `keys` win over it.
        keys: what a group says of its member.
        yaml: the task's file, which names its data set.
        data: folder of a local mirror, or None for BENCH_DATA.
    Raises:
        MissingData: its data cannot be had; the message says what is missing and where to put it.
    """
    from lm_eval.tasks._yaml_loader import load_yaml

    config = load_yaml(yaml)
    if keys:
        config |= {**keys, "task": name}
    path, part = config.get("dataset_path", ""), config.get("dataset_name")
    folder = mirrored(path, data) if path else None
    away = path and folder is None and _hub_is_away()
    if away:
        folder = cached(path)
    spec = {**config, "dataset_path": str(folder)} if folder else config if keys else name
    try:
        with _offline(bool(away)):
            return manager.load(spec)["tasks"][name]
    except (OSError, ValueError, RuntimeError) as error:
        if away and folder is None:
            raise MissingData(name, path, part or "", f" ({away}, and it is not here)") from error
        where = f" in {folder}" if folder else ""
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise MissingData(name, path, part or "", f"{where}: {reason}") from error


def mirrored(dataset: str, data: Path | None) -> Path | None:
    """The folder `DIR/OWNER/NAME` of the mirror, if it is there."""
    mirror = data or os.environ.get("BENCH_DATA")
    folder = Path(mirror).expanduser() / dataset if mirror else None
    return folder if folder and folder.is_dir() else None


def cached(dataset: str) -> Path | None:
    """The data set's snapshot in the hub's own cache, if it is there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(dataset, repo_type="dataset", local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):  # the latter: a loader's own name or path
        return None


def _hub_is_away() -> str:
    """Why the hub is not to be asked, or "" where it answers."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    return "" if _answers(constants.ENDPOINT) else f"no answer from {constants.ENDPOINT}"


@cache
def _answers(address: str) -> bool:
    """Whether anything answers there at all; asked once a process."""
    import requests

    try:
        requests.head(address, timeout=_PATIENCE)
    except requests.RequestException:
        return False
    return True


@contextmanager
def _offline(wanted: bool) -> Iterator[None]:
    """Let `datasets` and the hub's client read what they have, and ask nobody."""
    if not wanted:
        yield
        return
    from datasets import config
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, config.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, config.HF_HUB_OFFLINE = before
