"""Why a task cannot be built, told by file, line and key as far as that can be found."""

from __future__ import annotations

import csv
import glob
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.files import parse_json, read_bytes
from harness.doors.paths import inside
from harness.doors.text import plain
from harness.errors import UserError
from harness.suites.reading import Reading, read_task

_MOST = 5  # faults told of one file
_UNKNOWN = (
    "lm-eval knows no metric {} (of the hub's package 'evaluate' none is fetched); expected one "
    "of its own with its aggregation, or a function of the suite."
)
_SPLITS = ("training_split", "validation_split", "test_split", "fewshot_split")


def where(name: str, yaml: Path | None, reading: Reading | None, error: Exception) -> str:
    """A message of what a task's own key says, with its file and, where it shows, the key."""
    config = reading.config if reading is not None else read_task(yaml, None).config if yaml else {}
    said = str(error)
    keys = [key for key, value in config.items() if isinstance(value, str) and repr(value) in said]
    place = f"{plain(yaml)}: " + "".join(f"{plain(key)}: " for key in keys[:1])
    return f"{place}task '{name}': {said}"


def why_not(name: str, yaml: Path | None, reading: Reading | None, error: Exception) -> list[str]:
    """The messages for a task that lm-eval could not build."""
    config = reading.config if reading is not None else read_task(yaml, None).config if yaml else {}
    rows = list(faulty_rows(config))
    if rows:
        return [f"task '{name}': {one}" for one in rows]
    said = " ".join(str(error).split())[:300]
    if isinstance(error, KeyError) and (key := _split(config, error)):
        return [
            f"{plain(yaml)}: {key}: found {plain(repr(config[key]))}, which is no split of the "
            f"task's rows. Correct it, or name the file in dataset_kwargs.data_files."
        ]
    if isinstance(error, KeyError) and error.args == (None,) and (one := _metric(config)):
        return [f"{plain(yaml)}: metric_list: {_UNKNOWN.format(plain(repr(one)))}"]
    return [
        f"{plain(yaml)}: task '{name}' cannot be built ({type(error).__name__}: {plain(said)}). "
        "Correct its keys as lm-eval's task guide has them; docs/suites.md shows a suite."
    ]


def _split(config: Mapping[str, Any], error: KeyError) -> str:
    return next((key for key in _SPLITS if config.get(key) and config[key] in error.args), "")


def _metric(config: Mapping[str, Any]) -> str:
    """The first metric that lm-eval has no aggregation of."""
    from lm_eval.api.registry import get_metric_aggregation

    entries = config.get("metric_list") or ()
    names = [e.get("metric") for e in entries if isinstance(e, Mapping) and "aggregation" not in e]
    texts = [one for one in names if isinstance(one, str)]
    return next((one for one in texts if get_metric_aggregation(one) is None), "")


def check(name: str, task: Any) -> None:
    """What lm-eval would end with, or pass over, when every answer is there.

    Raises:
        UserError: the first such key.
    """
    config = task.config
    repeats, own = config.repeats, config.process_results is not None
    unknown = [key for key, function in task._metric_fn_list.items() if function is None]
    without = [key for key, function in task.aggregation().items() if function is None]
    told = ""
    if getattr(task, "MULTIMODAL", False):
        told = "doc_to_image, doc_to_audio: bench asks models in text alone; expected none of them."
    elif not isinstance(repeats, int) or repeats < 1:
        told = f"repeats: found {repeats!r:.60}; expected a whole number of 1 or more."
    elif unknown and not own:
        told = f"metric_list: {_UNKNOWN.format(plain(repr(unknown[0])))}"
    elif without:
        told = (
            f"metric_list: the aggregation of {plain(repr(without[0]))} is none that lm-eval has; "
            "expected mean, median, nanmean, ..., or a function of the suite."
        )
    elif not own and not task._metric_fn_list:
        told = "metric_list: found none; expected one metric or more, or process_results."
    elif config.filter_list is not None and not config.filter_list:
        told = "filter_list: found none, so nothing would be scored; expected one, or no such key."
    if told:
        raise UserError(f"task '{name}': {told} Correct it in the task's YAML.")


def faulty_rows(config: Mapping[str, Any], root: Path | None = None) -> Iterator[str]:
    """Lines of a task's own files of rows that its reader cannot take; the first few of each.

    Args:
        root: the folder of a suite that is not trusted: no file outside of it is read.
    """
    loader = config.get("dataset_path")
    kwargs = config.get("dataset_kwargs")
    if loader not in ("json", "csv") or not isinstance(kwargs, Mapping):
        return
    folder = Path(str(kwargs.get("data_dir") or "."))
    for pattern in _files(kwargs.get("data_files")):
        paths = sorted(glob.glob(str(folder / pattern), recursive=True))
        if not paths:
            yield f"{plain(folder / pattern)}: no such file; dataset_kwargs.data_files names it."
        for path in paths:
            if root is not None and not _is_inside(root, Path(path)):
                continue
            found = _json_faults(Path(path)) if loader == "json" else _csv_faults(Path(path))
            for number, fault in zip(range(_MOST), found, strict=False):
                del number
                yield fault


def _is_inside(root: Path, path: Path) -> bool:
    try:
        return inside(root, path).is_file()
    except UserError:
        return False


def _files(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _files(part)


def _json_faults(path: Path) -> Iterator[str]:
    try:
        text = read_bytes(path, limits.ITEMS_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        yield f"{plain(path)}: byte {error.start} is no UTF-8. Write the file again as UTF-8."
        return
    except UserError as error:
        yield str(error)
        return
    except OSError as error:
        yield f"{plain(path)}: cannot be read ({error.strerror})."
        return
    if text.lstrip().startswith("["):
        try:
            parse_json(text)
        except ValueError as error:
            yield f"{plain(path)}:{_place(error)}. Expected a list of rows, or a row a line."
        return
    keys: dict[str, type] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            column = getattr(error, "colno", 1)
            yield (
                f"{plain(path)}:{number}:{column}: found {plain(line.strip()[:60])!r}, which is no "
                f"JSON ({getattr(error, 'msg', error)}); expected a row a line. Mend that line."
            )
            continue
        if not isinstance(row, dict):
            yield f"{plain(path)}:{number}: found {type(row).__name__}; expected a row of keys."
            continue
        for key, value in row.items():
            if value is None:
                continue
            kind = float if isinstance(value, int) and not isinstance(value, bool) else type(value)
            if keys.setdefault(key, kind) is not kind:
                yield (
                    f"{plain(path)}:{number}: '{plain(key)}': found {type(value).__name__}, rows "
                    f"before have {keys[key].__name__}; expected one kind of value in a column."
                )


def _place(error: ValueError) -> str:
    line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
    return f"{line}:{column}: no JSON ({getattr(error, 'msg', error)})"


def _csv_faults(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            for row in reader:
                if row and len(row) != len(header):
                    yield (
                        f"{plain(path)}:{reader.line_num}: found {len(row)} values, the header "
                        f"has {len(header)}; expected one for each column."
                    )
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        yield f"{plain(path)}: cannot be read as CSV ({plain(str(error)[:120])})."
