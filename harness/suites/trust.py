"""What a suite would execute, found without executing it.

lm-eval imports what a YAML names after `!function`, with Python files beside the
YAML first; it looks for the code of metrics that it does not know in the current
folder and on the hub. A suite that somebody installed as a package is code they
chose; a folder may be anybody's. So the task that lm-eval would build is judged
key by key against what is known to be data, and all else is told by file, key and
name. What was judged is then what is built: lm-eval does not read the files again.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from harness.doors.files import are_rows
from harness.doors.paths import inside
from harness.doors.text import plain
from harness.errors import UserError, UserErrors
from harness.suites.columns import column_kinds
from harness.suites.reading import Function, Reading

# Loaders of `datasets` that read a file's rows and nothing else; "pandas" unpickles.
_PLAIN_LOADERS = frozenset({"arrow", "csv", "json", "parquet", "text"})
# Keys of lm-eval's tasks that hold words, numbers, templates or our functions, whatever they say.
_DATA_KEYS = frozenset({
    "task", "task_alias", "tag", "group", "task_list", "training_split", "validation_split",
    "test_split", "fewshot_split", "process_docs", "doc_to_text", "doc_to_target", "doc_to_choice",
    "doc_to_image", "doc_to_audio", "description", "target_delimiter", "fewshot_delimiter",
    "num_fewshot", "output_type", "generation_kwargs", "repeats", "should_decontaminate",
    "doc_to_decontamination_query", "gen_prefix", "unsafe_code", "custom_dataset",
    "dataset_path", "dataset_name",  # judged with the rows
})  # fmt: skip
_FILTERS = frozenset({
    "regex", "regex_pos", "remove_whitespace", "multi_choice_regex", "take_first", "take_first_k",
    "majority_vote", "lowercase", "uppercase", "map", "format_span",
})  # fmt: skip
_SAMPLERS = frozenset({"default", "first_n"})
_FEWSHOT_KEYS = frozenset({
    "sampler", "split", "process_docs", "fewshot_indices", "samples", "doc_to_text",
    "doc_to_choice", "doc_to_target", "gen_prefix", "fewshot_delimiter", "target_delimiter",
})  # fmt: skip
# What `datasets` hands to a reader of rows. Not: other folders to write to, credentials, code.
_LOADER_KEYS = frozenset({
    "data_files", "data_dir", "field", "sep", "delimiter", "names", "column_names", "header",
    "skiprows", "quotechar", "encoding", "columns", "sample_by", "keep_linebreaks", "split",
    "trust_remote_code",  # lm-eval drops it
})  # fmt: skip
# What `datasets` reads as it stands in the file.
_PLAIN_FEATURES = frozenset({"Value", "ClassLabel", "Sequence", "List", "LargeList"})
# An address, the home folder, or a way up behind what varies of a pattern.
_ELSEWHERE = re.compile(r"\s*(?:\w[\w+.-]*:|~|.*(?:://|::|\0)|[^*?\[{]*[*?\[{].*\.\.)", re.DOTALL)
_OF_NO_REPOSITORY = re.compile(r"/|~|.*\.\.|.*:", re.DOTALL)
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
# A file that `datasets` would unpack, by its first bytes.
_PACKED = (b"\x1f\x8b", b"PK", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18",
           b"7z\xbc\xaf", b"Rar!")  # fmt: skip

Found = Iterator[tuple[str, str]]  # key, what would run or be read


def wanted_code(reading: Reading, root: Path, harmless: Collection[str]) -> list[str]:
    """What building a task would execute or read from elsewhere, each as `file: key: what`.

    Args:
        root: the suite's folder, which its rows lie in.
        harmless: functions a suite may use by name without being trusted.
    Returns:
        [] for a task that is data alone.
    """
    own = reading.files[0]
    found = [
        f"{plain(function.file)}:{function.line}: {what}"
        for function in reading.functions
        if (what := _forbidden(function, harmless))
    ]
    config = reading.config
    for key, value in config.items():
        told = f"{plain(reading.origin.get(key, own))}: {plain(key)}"
        found += [f"{told}{place}: {plain(what)}" for place, what in _judged(key, value, config)]
    found += [f"{plain(own)}: {key}: {plain(what)}" for key, what in _rows(config, own, root)]
    return list(dict.fromkeys(found))


def unsound_rows(reading: Reading) -> list[str]:
    """Files of rows that run nothing and that `datasets` would end the process over: JSON that is
    no rows, or nested without bound. Of a task in which `wanted_code` found nothing, which is then
    told in the same words."""
    config, own = reading.config, plain(reading.files[0])
    kwargs = config.get("dataset_kwargs")
    if config.get("dataset_path") != "json" or not isinstance(kwargs, Mapping):
        return []
    found = [
        f"{own}: {key}: the file {plain(file)}, which is no rows of JSON"
        for key, path in _paths(kwargs)
        for file in _files(path)
        if file.is_file() and fnmatch(file.name, _like(path)) and not are_rows(file)
    ]
    return list(dict.fromkeys(found))


def _forbidden(function: Function, harmless: Collection[str]) -> str:
    """What a function's name stands for, or "" where it is one of the harmless."""
    module = function.name.rpartition(".")[0].replace(".", "/")
    beside = function.file.parent / f"{module}.py"
    if "\0" not in module and len(module) < 4096 and beside.exists():
        return f"the function {plain(function.name)} in {plain(beside.resolve())}"
    return "" if function.name in harmless else f"the function {plain(function.name)}"


def _judged(key: str, value: Any, config: Mapping[str, Any]) -> Found:
    """What one key would run; the places are below that key."""
    if key == "metric_list":
        yield from _metrics(value, scored_here=config.get("process_results") is not None)
    elif key == "filter_list":
        yield from _filters(value)
    elif key == "fewshot_config":
        yield from _fewshot(value)
    elif key == "process_results":
        if value is not None and not isinstance(value, Function):
            yield "", f"found {value!r:.80}, which is no function"
    elif key == "class":
        yield "", f"the class {value!s:.80}"
    elif key == "use_prompt":
        if value is not None:
            yield "", f"the prompt {value!s:.80}, from a file or a package"
    elif key in ("metadata", "dataset_kwargs"):
        if not (value is None or isinstance(value, Mapping)):
            yield "", f"found {value!r:.80}, which is no table"
    elif key not in _DATA_KEYS:
        yield "", "a key that is not known to be data"


def _metrics(value: Any, *, scored_here: bool) -> Found:
    """lm-eval takes the code of a metric that it does not know from this folder or the hub."""
    import lm_eval.api.metrics  # noqa: F401 (registers them)
    from lm_eval.api.registry import aggregation_registry, metric_registry

    for place, entry in _entries(value):
        if not isinstance(entry, Mapping):
            yield place, f"found {entry!r:.80}, which is no metric"
            continue
        name = entry.get("metric")
        if entry.get("hf_evaluate", False) is not False:
            yield f"{place}.hf_evaluate", "a metric's code from the hub"
        if not isinstance(name, Function) and not (
            isinstance(name, str) and (scored_here or name in metric_registry)
        ):
            yield f"{place}.metric", f"the code of the metric {name!s:.80}, from the hub"
        aggregation = entry.get("aggregation", "mean")
        if not isinstance(aggregation, Function) and not (
            isinstance(aggregation, str) and aggregation in aggregation_registry
        ):
            yield f"{place}.aggregation", f"the aggregation {aggregation!s:.80}"


def _filters(value: Any) -> Found:
    for place, entry in _entries(value):
        steps = entry.get("filter") if isinstance(entry, Mapping) else None
        if not isinstance(steps, list):
            yield place, f"found {entry!r:.80}, which is no filter"
            continue
        for number, step in enumerate(steps):
            name = step.get("function") if isinstance(step, Mapping) else step
            ours = name == "custom" and isinstance(step.get("filter_fn"), Function)
            if not ours and not (isinstance(name, str) and name in _FILTERS):
                yield f"{place}.filter.{number}.function", f"the filter {name!s:.80}"


def _fewshot(value: Any) -> Found:
    if value is None:
        return
    if not isinstance(value, Mapping):
        yield "", f"found {value!r:.80}, which is no table"
        return
    for key, part in value.items():
        if key not in _FEWSHOT_KEYS:
            yield f".{key}", "a key that is not known to be data"
        elif key == "sampler" and not (isinstance(part, str) and part in _SAMPLERS):
            yield ".sampler", f"the sampler {part!s:.80}"


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    if value is None:
        return
    if isinstance(value, list):
        yield from ((f".{place}", entry) for place, entry in enumerate(value))
    else:
        yield "", value


def _rows(config: Mapping[str, Any], own: Path, root: Path) -> Found:
    """Rows that are not the suite's own: of another folder, of the network, behind a link."""
    kwargs, metadata = config.get("dataset_kwargs"), config.get("metadata")
    kwargs = kwargs if isinstance(kwargs, Mapping) else {}
    metadata = metadata if isinstance(metadata, Mapping) else {}
    if config.get("custom_dataset") is not None:
        name = kwargs.get("dataset", metadata.get("dataset"))
        # A name that leads out of all folders is refused by the function itself.
        if isinstance(name, str) and "\0" not in name and ".." not in Path(name).parts:
            yield from _leaving("dataset_kwargs.dataset", own.parent / "data" / name, root)
        for key, table in (("dataset_kwargs", kwargs), ("metadata", metadata)):
            if "data_dir" in table:
                yield from _leaving(f"{key}.data_dir", Path(str(table["data_dir"])), root)
        return
    yield from _loaded(config, kwargs, root)


def _loaded(config: Mapping[str, Any], kwargs: Mapping[str, Any], root: Path) -> Found:
    """The same, of rows that a loader of `datasets` reads."""
    loader, name = config.get("dataset_path"), config.get("dataset_name")
    if isinstance(name, str) and re.search(r"[/\\]|\.\.", name):
        yield "dataset_name", f"the path {name:.80}"
    if loader is None:
        return
    if not isinstance(loader, str) or (
        loader not in _PLAIN_LOADERS and not (_HUB_NAME.fullmatch(loader))
    ):
        yield "dataset_path", f"the loader {loader!s:.80}"
        return
    for key in kwargs:
        if key not in _LOADER_KEYS:
            yield f"dataset_kwargs.{key}", "an option that is not known to be data"
    files = list(_patterns("dataset_kwargs.data_files", kwargs.get("data_files")))
    own = loader in _PLAIN_LOADERS
    if not own and Path(loader).exists():
        yield "dataset_path", f"the folder {loader:.80}; name its files with dataset_path: json"
    # As it is written: joined to a folder, an address looks like a file.
    elsewhere = _ELSEWHERE if own else _OF_NO_REPOSITORY
    named = [*files, ("dataset_kwargs.data_dir", kwargs.get("data_dir") or "")]
    left = [(place, part) for place, part in named if elsewhere.match(str(part))]
    for place, part in left:
        yield place, f"rows of another place, {part!s:.120}"
    if own and not left:
        yield from _held(loader, kwargs, root)


def _held(loader: str, kwargs: Mapping[str, Any], root: Path) -> Found:
    """The same, of the files that the suite's folder holds."""
    for place, path in _paths(kwargs):
        yield from _leaving(place, path, root, unpacked=True)
        if loader in ("parquet", "arrow"):
            yield from _decoded(place, path, root)


def _decoded(key: str, path: Path, root: Path) -> Found:
    """Columns of a table that `datasets` would decode: into objects whose methods a template could
    call, out of whatever file or address a row names."""
    for file in _files(path):
        try:
            table = inside(root, file)
        except (UserError, OSError):
            continue  # told as leaving the folder
        try:
            kinds = column_kinds(table) if table.is_file() else ()
        except (UserError, OSError, ValueError) as error:
            yield key, f"{file}, whose columns cannot be told ({error!s:.80})"
            continue
        for kind in sorted(set(kinds) - _PLAIN_FEATURES):
            yield key, f"{file}: columns of the kind {kind:.40}, which are decoded"


def _paths(kwargs: Mapping[str, Any]) -> list[tuple[str, Path]]:
    """The folder and the files or patterns that a loader of files is told to read, by key."""
    folder = kwargs.get("data_dir")
    base = Path(str(folder or "."))
    files = _patterns("dataset_kwargs.data_files", kwargs.get("data_files"))
    own = [("dataset_kwargs.data_dir", base)] if folder else []
    return own + [(place, base / str(pattern)) for place, pattern in files]


def _patterns(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every file name of lists and tables of them."""
    if isinstance(value, Mapping | list):
        inner = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, part in inner:
            yield from _patterns(f"{key}.{name}", part)
    elif value is not None:
        yield key, value


def _fixed(path: Path) -> str:
    """A pattern up to where it begins to vary; the whole of a plain path."""
    return re.split(r"[*?\[{]", str(path), maxsplit=1)[0]


def _files(path: Path) -> Iterator[Path]:
    """What a path, a folder or a pattern of rows may name: never fewer than it does."""
    fixed = _fixed(path)
    if fixed == str(path):
        yield path
        yield from path.rglob("*") if path.is_dir() else ()
    else:
        yield from sorted(Path(fixed).parent.rglob("*"))


def _like(path: Path) -> str:
    """What the names of a path's files are like, for `fnmatch`, as far as it can say."""
    return "*" if _fixed(path) == str(path) or re.search(r"[\[{]", path.name) else path.name


def _leaving(key: str, path: Path, root: Path, *, unpacked: bool = False) -> Found:
    """Whether a path, a pattern or a folder of rows holds what lies outside of the suite.

    Args:
        unpacked: whether the reader would unpack a packed file, to any size.
    """
    name = str(path)
    if "\0" in name or "://" in name or "::" in name or re.match(r"\w+:/", name):
        yield key, f"rows of another place, {name:.120}"
        return
    fixed = _fixed(path)
    try:
        inside(root, path if fixed == name else Path(fixed).parent)
        for file in _files(path):
            end = inside(root, file)
            if end.exists() and not (end.is_file() or end.is_dir()):
                yield key, f"{file}, which is no ordinary file"
            if unpacked and end.is_file():
                with end.open("rb") as opened:
                    if opened.read(6).startswith(_PACKED):
                        yield key, f"the packed file {file}; unpack it"
    except (UserError, OSError):
        yield key, f"rows outside of {root}: {name:.120}"


def refuse_code(task: str, suite: str, code: list[str]) -> UserErrors:
    """The message for a task of a folder that is not trusted."""
    told = "\n".join(f"  {line}" for line in code)
    return UserErrors(
        [
            f"task '{task}' of the suite '{suite}' is from a folder and wants to run or read:\n"
            f"{told}\nRead that code and those files; if you trust them, give --trust-suite. Tasks "
            f"that use the functions of tasks.metrics and tasks.datasets alone, with rows in the "
            f"suite's folder, need no trust (docs/suites.md)."
        ]
    )


def build(
    reading: Reading,
    place: Path,
    metadata: Mapping[str, Any],
    harmless: Collection[str] | None,
) -> Any:
    """lm-eval's task out of what was judged; its files are not read again.

    Args:
        reading: one that `wanted_code` found to be data alone, or of a suite that is trusted.
        place: the task's file, which lm-eval keeps as its source.
        metadata: what goes to functions that read rows.
        harmless: the functions that may be in it; None: it is trusted, and any may.
    """
    from lm_eval.api.task import ConfigurableTask

    config = {
        key: resolved(value, harmless)
        for key, value in reading.config.items()
        if key not in ("tag", "group", "task_list")  # lm-eval drops them as well
    }
    own = config.get("metadata") or {}
    config["metadata"] = {**own, **metadata, "config_source": str(place)}
    if "class" in config:
        return config["class"](config=config)
    return ConfigurableTask(config=config)


def resolved(value: Any, harmless: Collection[str] | None) -> Any:
    """Names of functions -> the functions, of installed modules; all else copied.

    Args:
        harmless: those that may be there; None: any, also of a module beside the file.
    """
    if isinstance(value, Function) and harmless is None:
        from lm_eval.tasks._yaml_loader import _import_func_in_yml

        return _import_func_in_yml(value.name, value.file.parent)
    if isinstance(value, Function):
        if harmless is None or value.name not in harmless:
            raise AssertionError(f"{value.name} was not judged")
        module, _, name = value.name.rpartition(".")
        return getattr(importlib.import_module(module), name)
    if isinstance(value, dict):
        return {key: resolved(part, harmless) for key, part in value.items()}
    if isinstance(value, list):
        return [resolved(part, harmless) for part in value]
    return value
