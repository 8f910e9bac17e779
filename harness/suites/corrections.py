"""Where lm-eval's scoring itself is wrong: put right, and told in the record.

Each correction has a name, said in the manifest of every record that it touched
(`corrections`), and a line in docs/suites.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

_NAMES = "bench_corrections"
# lm-eval's metrics that are counted over the whole corpus: (references, prediction) an item.
_CORPUS = frozenset({"bleu", "chrf", "chrf++", "ter"})


class _Choices(list[Any]):
    """A row's choices while its task is built: none is empty, and every number names one."""

    def __getitem__(self, place: Any) -> Any:
        try:
            return super().__getitem__(place)
        except IndexError:
            return " "


@contextmanager
def any_first_row() -> Iterator[None]:
    """Build tasks whatever their first row is, by which lm-eval looks at a task.

    It ends in an error where that row has an empty choice, or a label that is none of them.
    """
    from lm_eval.api.task import ConfigurableTask

    theirs = ConfigurableTask.doc_to_choice

    def filled(task: Any, *args: Any, **kwargs: Any) -> Any:
        found = theirs(task, *args, **kwargs)
        return _Choices(one or " " for one in found) if isinstance(found, list) else found

    ConfigurableTask.doc_to_choice = filled
    try:
        yield
    finally:
        ConfigurableTask.doc_to_choice = theirs


def correct(task: Any) -> None:
    """Put a built task's scoring right where lm-eval's is known to be wrong."""
    found: list[str] = []
    own = callable(getattr(task.config, "process_results", None))
    if not own and _drop_empty_regexes(task):
        found.append("empty_regexes")
    until = (task.config.generation_kwargs or {}).get("until")
    if "" in (until if isinstance(until, list) else [until]):
        found.append("empty_stop")
    metrics = set(getattr(task, "_metric_fn_list", {}))
    several = bool(getattr(task, "multiple_target", 0))
    kind = task.OUTPUT_TYPE if several and not own else ""
    if kind == "multiple_choice" and "acc_mutual_info" in metrics:
        _replace(task, _mutual_information)
        found.append("mutual_information_of_several_answers")
    elif kind == "generate_until" and metrics - {"exact_match"}:
        _replace(task, _best_reference)
        found.append("best_of_several_references")
    setattr(task, _NAMES, tuple(found))


def corrections_of(
    task: Any, own_demonstrations: int, without_tokens: int, cut_inside: int
) -> list[str]:
    """What was put right for a record of this task.

    Args:
        own_demonstrations: items that lm-eval would have shown among their own examples.
        without_tokens: continuations without a token of their own, at which lm-eval's
            transformers backend ends with an assertion.
        cut_inside: tokens cut from contexts within prompts; lm-eval cuts prompts at their start.
    """
    found = list(getattr(task, _NAMES, ()))
    found += ["own_demonstration"] if own_demonstrations else []
    found += ["continuation_without_tokens"] if without_tokens else []
    return [*found, *(["prompt_cut_inside"] if cut_inside else [])]


def _replace(task: Any, scoring: Any) -> None:
    theirs = task.process_results
    task.process_results = lambda doc, results: scoring(task, theirs, doc, results)


def _drop_empty_regexes(task: Any) -> bool:
    """An empty `regexes_to_ignore` makes exact_match compare lists whole (lm-eval's 4128)."""
    found = [
        options
        for options in getattr(task, "_metric_fn_kwargs", {}).values()
        if options.get("regexes_to_ignore") == []
    ]
    for options in found:
        del options["regexes_to_ignore"]
    return bool(found)


def _mutual_information(
    task: Any, theirs: Any, doc: Any, results: Sequence[tuple[float, bool]]
) -> Mapping[str, Any]:
    """The choice that gains most by its question is right if it is any of the golds (3883)."""
    choices = len(task.doc_to_choice(doc))
    functions = task._metric_fn_list
    kept = functions.pop("acc_mutual_info")
    try:
        found = dict(theirs(doc, results[:choices]))
    finally:
        functions["acc_mutual_info"] = kept
    gains = [results[i][0] - results[choices + i][0] for i in range(choices)]
    golds = task.doc_to_target(doc)
    golds = golds if isinstance(golds, list) else [golds]
    return found | {"acc_mutual_info": float(gains.index(max(gains)) in golds)}


def _best_reference(task: Any, theirs: Any, doc: Any, results: Sequence[Any]) -> Mapping[str, Any]:
    """The best value over the references; lm-eval makes 1 of every value that is not 0."""
    golds = task.doc_to_target(doc)
    golds = list(golds) if isinstance(golds, list | tuple) else [golds]
    found: dict[str, Any] = {}
    for metric in dict(task._metric_fn_list):
        if metric in _CORPUS:
            found[metric] = (golds, results[0])
            continue
        values = [_against(task, theirs, metric, doc, gold, results) for gold in golds]
        best = max if task.higher_is_better().get(metric, True) else min
        for key in values[0]:
            found[key] = best(value[key] for value in values)
    return found


def _against(
    task: Any, theirs: Any, metric: str, doc: Any, gold: Any, results: Sequence[Any]
) -> Mapping[str, Any]:
    """lm-eval's value of one metric against one reference."""
    functions, target = task._metric_fn_list, task.multiple_target
    task._metric_fn_list, task.multiple_target = {metric: functions[metric]}, 0
    task.doc_to_target = lambda *_: gold
    try:
        found: Mapping[str, Any] = theirs(doc, results)
        return found
    finally:
        task._metric_fn_list, task.multiple_target = functions, target
        del task.doc_to_target
