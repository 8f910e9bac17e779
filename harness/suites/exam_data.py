"""Where lm-eval's own tasks find their data: a local folder, the hub's cache, or the hub.

lm-eval names a data set of the hub and leaves the rest to `datasets`, which
without a network reads only what it once prepared itself. Here a folder of a
local mirror comes first, and offline a snapshot in the hub's own cache, so that
these tasks run wherever their files are.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from harness.errors import UserError


def load_own(manager: Any, name: str, yaml: Path, data: Path | None) -> Any:
    """Build a task of lm-eval's own.

    Args:
        manager: lm-eval's TaskManager.
        yaml: the task's file, which names its data set.
        data: folder of a local mirror, or None for BENCH_DATA.
    Raises:
        UserError: its data cannot be had; the message says what is missing and where to put it.
    """
    from lm_eval.tasks._yaml_loader import load_yaml

    config = load_yaml(yaml)
    path, part = config.get("dataset_path", ""), config.get("dataset_name")
    folder = local_copy(path, data) if path else None
    spec = {**config, "dataset_path": str(folder)} if folder else name
    try:
        return manager.load(spec)["tasks"][name]
    except (OSError, ValueError, RuntimeError) as error:
        where = f" in {folder}" if folder else ""
        wanted = f"'{path}'" + (f" (part '{part}')" if part else "")
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(
            f"task '{name}' is lm-eval's own and its data set {wanted} cannot be read{where}: "
            f"{reason}. Run it once where there is a network; or put a copy of the data set "
            f"into the folder {path} of a local mirror ('hf download {path} --repo-type dataset "
            f"--local-dir DIR/{path}') and name the mirror with --data DIR or BENCH_DATA."
        ) from error


def local_copy(dataset: str, data: Path | None) -> Path | None:
    """The folder `DIR/OWNER/NAME` of the mirror; offline, else the snapshot in the hub's cache."""
    mirror = data or os.environ.get("BENCH_DATA")
    if mirror and (folder := Path(mirror).expanduser() / dataset).is_dir():
        return folder
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    if not constants.HF_HUB_OFFLINE:
        return None
    try:
        return Path(snapshot_download(dataset, repo_type="dataset", local_files_only=True))
    except LocalEntryNotFoundError:
        return None
