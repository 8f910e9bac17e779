"""The features of lm-eval's task format: each changes a suite by some keys, rows or functions."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = ("choice", "write", "score", "roll")
Keys = dict[str, Any]


@dataclass(frozen=True)
class F:
    """A name after `!function`: a function of the suite's own module."""

    name: str


@dataclass(frozen=True)
class Feature:
    """One feature of the format.

    Attributes:
        kinds: of tasks it is for. keys: that it sets. part: what else sets the same (two of
            one part are never combined). corrected: where lm-eval is wrong, so that the numbers
            differ on purpose. refused: the message of those that are turned away.
    """

    name: str
    kinds: str
    keys: Mapping[str, Any]
    part: str
    corrected: str = ""
    refused: str = ""


BASE: dict[str, Keys] = {
    "choice": {"output_type": "multiple_choice", "doc_to_text": "Q: {{q}}\nA:",
               "doc_to_choice": "choices", "doc_to_target": "label"},
    "write": {"output_type": "generate_until", "doc_to_text": "Q: {{q}}\nA:",
              "doc_to_target": "answer",
              "generation_kwargs": {"until": ["\n"], "max_gen_toks": 6}},
    "score": {"output_type": "loglikelihood", "doc_to_text": "{{q}} is",
              "doc_to_target": "{{' ' + answer}}"},
    "roll": {"output_type": "loglikelihood_rolling", "doc_to_text": "",
             "doc_to_target": "{{q}} {{answer}}. {{q}}"},
}  # fmt: skip

MODULE = """
import random
from functools import partial
import numpy as np
def text(doc): return f"Function {doc['q']}:"
def target(doc): return doc["answer"]
def label(doc): return doc["label"]
def choices(doc): return list(doc["choices"])
def docs(data): return data.map(lambda d: {**d, "q": d["q"].upper()})
def few(): return [{"q": f"shown {i}", "answer": "so", "choices": ["so", "no", "ha"], "label": 0,
                    "golds": [0], "answers": ["so"], "id": "x", "n": i} for i in range(4)]
def lucky(doc): return f"{random.random():.3f} {doc['q']}"
def results(doc, results):
    text = results[0] if isinstance(results[0], str) else ""
    return {"hit": int(doc["answer"] in text), "letters": len(text)}
def ranked(doc, results):
    lls = [r[0] for r in results]
    best = int(np.argmax(lls))
    return {"hit": np.float64(best == doc["label"]), "pair": (doc["label"], best)}
def gap(doc, results): return {"gap": float(results[0][0])}
def arrays(doc, results): return {"spread": np.array([r[0] for r in results])}
def spread(items): return float(np.mean([np.ptp(one) for one in items]))
def macro_f1(items):
    from sklearn.metrics import f1_score
    gold, said = zip(*items)
    return f1_score(gold, said, average="macro", zero_division=0)
def mean(items): return 3 * sum(items) / len(items)
def power(items, k): return sum(x ** k for x in items) / len(items)
cubes = partial(power, k=3)
def tabled(items): return {"n": len(items)}
def longest(resps, docs): return [max(r, key=len) for r in resps]
def every(resps, docs): return [list(r) for r in resps]
def kinds_of(doc, results): return {"kinds": len(set(results[0]))}
def even(data): return data.filter(lambda d: d["n"] % 2 == 0)
def shown(data): return data.map(lambda d: {**d, "q": "shown " + d["q"]})
def holes(doc, results): return {"part": float("nan") if doc["n"] == 1 else 0.5}
def at_times(doc, results): return {"one": 1.0} if doc["n"] % 2 else {"one": 0.0, "two": 2.0}
def both(references, predictions, **kwargs): return {"one": 1.0, "two": float(len(predictions[0]))}
def overlap(references, predictions, **kwargs):
    a, b = set(references[0]), set(predictions[0])
    return len(a & b) / max(len(a | b), 1)
"""


def _metric(name: str, **more: Any) -> dict[str, Any]:
    return {"metric": name, **more}


def _mean(name: str, **more: Any) -> dict[str, Any]:
    return _metric(name, aggregation="mean", higher_is_better=True, **more)


def _filter(name: str, *steps: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "filter": [dict(step) for step in steps]}


FIRST = {"function": "take_first"}


def _features() -> Iterator[Feature]:
    def one(name: str, kinds: str, part: str, /, **keys: Any) -> Feature:
        return Feature(name, kinds, keys, part)

    every = "choice write score roll"
    asked = "choice write score"
    yield one("plain", every, "none")
    yield one("description", asked, "description", description="Be brief.\n\n")
    yield one("description template", asked, "description", description="On {{n}}:\n")
    yield one("doc_to_text column", asked, "text", doc_to_text="q")
    yield one("doc_to_text function", asked, "text", doc_to_text=F("text"))
    yield one("doc_to_text random", asked, "text", doc_to_text=F("lucky"))
    yield one("doc_to_text filter", asked, "text", doc_to_text="{{q | upper}} {{n + 1}}:")
    yield one("doc_to_text regex_replace", asked, "text",
              doc_to_text="{{q | regex_replace('[aeiou]', '_')}}:")  # fmt: skip
    yield one("prompt over the window", asked, "text", doc_to_text="{{q * 80}}:")
    yield one("process_docs", every, "docs", process_docs=F("docs"))
    yield one("process_docs that filters", every, "docs", process_docs=F("even"))
    yield one("validation split", every, "splits", test_split=None, validation_split="test")
    yield one("task_alias", every, "alias", task_alias="another name")
    yield one("tag", every, "tag", tag=["parity_tag"])
    yield one("metadata version", every, "metadata", metadata={"version": 2.5})
    yield one("should_decontaminate", every, "decontaminate",
              should_decontaminate=True, doc_to_decontamination_query="q")  # fmt: skip
    yield one("gen_prefix", "choice write", "prefix", gen_prefix="So:")
    yield one("gen_prefix template", "choice write", "prefix", gen_prefix="{{n}}.")
    # demonstrations
    yield one("num_fewshot", asked, "shots", num_fewshot=2)
    yield one("num_fewshot 0", asked, "shots", num_fewshot=0)
    yield one("fewshot_split", asked, "shots", num_fewshot=2, fewshot_split="train")
    yield one("sampler first_n", asked, "shots", num_fewshot=3,
              fewshot_config={"sampler": "first_n"})  # fmt: skip
    yield one("fewshot samples", asked, "shots", num_fewshot=2,
              fewshot_config={"sampler": "first_n", "samples": F("few")})  # fmt: skip
    yield one("fewshot doc_to_text", asked, "shots", num_fewshot=2,
              fewshot_config={"doc_to_text": "Shown: {{q}}"})  # fmt: skip
    yield one("fewshot doc_to_target", "write score", "shots", num_fewshot=1,
              fewshot_config={"doc_to_target": "{{answer}}!"})  # fmt: skip
    yield one(
        "fewshot delimiters",
        asked,
        "shots",
        num_fewshot=2,
        fewshot_config={"fewshot_delimiter": "\n##\n", "target_delimiter": " => "},
    )
    yield one("fewshot process_docs", asked, "shots", num_fewshot=2,
              fewshot_config={"split": "train", "process_docs": F("shown")})  # fmt: skip
    yield one("fewshot samples in the YAML", "choice", "shots", num_fewshot=1, fewshot_config={
        "samples": [{"q": q, "choices": ["x", "y", "z"], "label": 1, "n": 1, "golds": [1],
                     "answer": "y"} for q in ("one", "two")]})  # fmt: skip
    yield one("fewshot doc_to_choice", "choice", "shots", num_fewshot=2, fewshot_config={
        "doc_to_choice": ["p", "q", "r"], "doc_to_target": "{{label}}"})  # fmt: skip
    yield one("fewshot_delimiter", asked, "shots", num_fewshot=2, fewshot_delimiter="\n---\n")
    yield one("shots from the tested split", asked, "shots", num_fewshot=2, fewshot_split="test")
    yield Feature("an item among its own demonstrations", asked,
                  {"num_fewshot": 3, "training_split": None}, "shots",
                  corrected="own_demonstration")  # fmt: skip
    yield one("target_delimiter none", "choice write", "delimiter", target_delimiter="")
    yield one("target_delimiter line", "choice write", "delimiter", target_delimiter="\n")
    # choices
    yield one("doc_to_choice list", "choice", "choices", doc_to_choice=["so", "no", "ha"])
    yield one("doc_to_choice table", "choice", "choices",
              doc_to_choice={"a": "so", "b": "no", "c": "ha"})  # fmt: skip
    yield one("doc_to_choice template", "choice", "choices",
              doc_to_choice="{{[choices[0], choices[1], 'other']}}")  # fmt: skip
    yield one("doc_to_choice function", "choice", "choices", doc_to_choice=F("choices"))
    yield one("multiple inputs", "choice", "choices text gold shots", doc_to_text="{{label}}",
              doc_to_choice="{{[q ~ ' so', q ~ ' no', q ~ ' ha']}}",
              doc_to_target="{{answer}}")  # fmt: skip
    yield one("doc_to_target function", "choice", "gold", doc_to_target=F("label"))
    yield one("doc_to_target text", "choice", "gold", doc_to_target="{{choices[label]}}")
    yield one("doc_to_target number", "choice", "gold", doc_to_target=1)
    yield one("label out of range", "choice", "gold", doc_to_target="{{label + 2}}")
    yield one("several golds", "choice", "gold", doc_to_target="golds")
    # metrics of choices
    for name in ("acc", "acc_norm", "acc_bytes", "exact_match"):
        yield one(f"metric {name}", "choice", "metrics", metric_list=[_mean(name)])
    yield one("metrics by default", "choice", "metrics", metric_list=[_metric("acc")])
    yield one("metric mcc", "choice", "metrics", metric_list=[_metric("mcc")])
    yield one("metric brier_score", "choice", "metrics", metric_list=[_metric("brier_score")])
    yield one("metric acc_mutual_info", "choice", "metrics",
              metric_list=[_mean("acc"), _mean("acc_mutual_info")])  # fmt: skip
    yield one(
        "aggregation median",
        "choice",
        "metrics",
        metric_list=[_metric("acc", aggregation="median", higher_is_better=True)],
    )
    yield one(
        "aggregation nanmean",
        "choice",
        "metrics",
        metric_list=[_metric("acc", aggregation="nanmean", higher_is_better=True)],
    )
    own = {"process_results": F("ranked")}
    pair = {"higher_is_better": True}
    yield one(
        "process_results numpy",
        "choice",
        "metrics",
        **own,
        metric_list=[_mean("hit"), _metric("pair", aggregation=F("macro_f1"), **pair)],
    )
    yield one("own function named mean", "choice", "metrics", **own,
              metric_list=[_metric("hit", aggregation=F("mean"), **pair),
                           _metric("pair", aggregation=F("macro_f1"), **pair)])  # fmt: skip
    yield one("aggregation partial", "choice", "metrics", **own,
              metric_list=[_metric("hit", aggregation=F("cubes"), **pair),
                           _metric("pair", aggregation=F("macro_f1"), **pair)])  # fmt: skip
    yield one("process_results arrays", "choice", "metrics", process_results=F("arrays"),
              metric_list=[_metric("spread", aggregation=F("spread"), **pair)])  # fmt: skip
    # metrics of texts
    yield one("process_results with NaN", "write", "metrics", process_results=F("holes"),
              metric_list=[_metric("part", aggregation="nanmean", **pair)])  # fmt: skip
    yield one("values of some items", "write", "metrics", process_results=F("at_times"),
              metric_list=[_mean("one"), _mean("two")])  # fmt: skip
    yield one("metric function of two values", "write", "metrics", metric_list=[
        {"metric": F("both"), "aggregation": "mean", "higher_is_better": True}])  # fmt: skip
    yield one("value not in metric_list", "write", "metrics", process_results=F("results"),
              metric_list=[_mean("hit")])  # fmt: skip
    for name in ("ignore_case", "ignore_punctuation", "ignore_numbers"):
        yield one(f"exact_match {name}", "write", "metrics",
                  metric_list=[_mean("exact_match", **{name: True})])  # fmt: skip
    yield one("exact_match regexes_to_ignore", "write", "metrics",
              metric_list=[_mean("exact_match", regexes_to_ignore=[",", "\\$"])])  # fmt: skip
    yield Feature("exact_match empty regexes", "write",
                  {"metric_list": [_mean("exact_match", regexes_to_ignore=[])],
                   "doc_to_target": "answers"}, "metrics", corrected="empty_regexes")  # fmt: skip
    yield one("several answers", "write", "metrics", doc_to_target="answers",
              metric_list=[_mean("exact_match")])  # fmt: skip
    for name in ("bleu", "chrf", "chrf++", "ter"):
        yield one(f"metric {name}", "write", "metrics", metric_list=[_metric(name)])
    yield one("metric function", "write", "metrics", metric_list=[
        {"metric": F("overlap"), "aggregation": "mean", "higher_is_better": True}])  # fmt: skip
    yield Feature("real value of several answers", "write",
                  {"doc_to_target": "answers", "metric_list": [
                      {"metric": F("overlap"), "aggregation": "mean", "higher_is_better": True}]},
                  "metrics", corrected="best_of_several_references")  # fmt: skip
    yield one("metric perplexity", "score", "metrics",
              metric_list=[_metric("perplexity"), _metric("acc")])  # fmt: skip
    yield one("process_results of a score", "score", "metrics", process_results=F("gap"),
              metric_list=[_mean("gap")])  # fmt: skip
    for name in ("word_perplexity", "byte_perplexity", "bits_per_byte"):
        yield one(f"metric {name}", "roll", "metrics", metric_list=[_metric(name)])
    # filters and writing
    regex = {"function": "regex", "regex_pattern": "([a-z]+)"}
    yield one("filter regex", "write", "filters", filter_list=[_filter("word", regex, FIRST)])
    yield one("two filters", "write", "filters", filter_list=[
        _filter("whole", FIRST), _filter("word", regex, FIRST)])  # fmt: skip
    yield one("filter regex with fallback", "write", "filters", filter_list=[
        _filter("strict", {**regex, "regex_pattern": "#### ([0-9]+)", "fallback": "none"}, FIRST),
        _filter("flexible", {**regex, "regex_pattern": "([a-z])|([0-9])", "group_select": -1},
                FIRST)])  # fmt: skip
    yield one("filter regex_pos", "write", "filters", filter_list=[
        _filter("p", {"function": "regex_pos", "regex_pattern": "([a-z])"}, FIRST)])  # fmt: skip
    yield one("majority_vote over choices", "choice", "filters", repeats=3, filter_list=[
        _filter("vote", {"function": "majority_vote"}, FIRST)])  # fmt: skip
    yield one("filter remove_whitespace", "write", "filters",
              filter_list=[_filter("bare", {"function": "remove_whitespace"}, FIRST)])  # fmt: skip
    yield one("filter lowercase", "write", "filters",
              filter_list=[_filter("low", {"function": "lowercase"}, FIRST)])  # fmt: skip
    yield one("filter map", "write", "filters", filter_list=[
        _filter("named", {"function": "map", "mapping_dict": {"so": "yes"},
                          "default_value": "no"}, FIRST)])  # fmt: skip
    yield one("filter of one's own", "write", "filters", filter_list=[
        _filter("longest", {"function": "custom", "filter_fn": F("longest")})])  # fmt: skip
    yield one("repeats and majority_vote", "write", "filters", repeats=3, filter_list=[
        _filter("vote", {"function": "majority_vote"}, FIRST)])  # fmt: skip
    yield one("repeats and take_first_k", "write", "filters metrics", repeats=3,
              process_results=F("kinds_of"), metric_list=[_mean("kinds")], filter_list=[
                  _filter("two", {"function": "take_first_k", "k": 2},
                          {"function": "custom", "filter_fn": F("every")})])  # fmt: skip
    yield one("repeats", "choice score", "filters", repeats=2)
    wait = {"until": ["e", "\n"], "max_gen_toks": 5}
    yield one("until", "write", "writing", generation_kwargs=wait)
    yield one("until text", "write", "writing",
              generation_kwargs={"until": "\n", "max_gen_toks": 5})  # fmt: skip
    yield one("max_new_tokens", "write", "writing",
              generation_kwargs={"until": ["\n"], "max_new_tokens": 4})  # fmt: skip
    yield one("greedy by name", "write", "writing", generation_kwargs={
        **wait, "do_sample": False, "temperature": 0.0, "top_p": 1.0})  # fmt: skip
    yield one("greedy with top_k", "write", "writing", generation_kwargs={
        **wait, "do_sample": False, "top_k": 5})  # fmt: skip
    sampled = {**wait, "do_sample": True, "temperature": 0.7}
    yield one("no beams", "write", "writing", generation_kwargs={
        **wait, "num_beams": 1, "length_penalty": 1.0, "no_repeat_ngram_size": 0})  # fmt: skip
    yield one("numbers as text", "write", "writing", generation_kwargs={
        "until": "e", "max_gen_toks": "5", "temperature": "0"})  # fmt: skip
    yield Feature("an empty stop", "write", {"generation_kwargs": {**wait, "until": ["", "e"]}},
                  "writing", corrected="empty_stop")  # fmt: skip
    yield one("repetition_penalty", "write", "writing", generation_kwargs={
        **wait, "repetition_penalty": 1.7})  # fmt: skip
    yield one("sampled with top_k", "write", "writing", generation_kwargs={
        **sampled, "top_k": 1})  # fmt: skip
    yield one("sampled with min_p", "write", "writing", generation_kwargs={
        **sampled, "min_p": 1.0})  # fmt: skip
    yield Feature("continuation without tokens", "choice",
                  {"doc_to_choice": ["", "no", "ha"], "target_delimiter": ""}, "choices",
                  corrected="continuation_without_tokens")  # fmt: skip
    # turned away
    yield Feature("max_gen_toks over the window", "write", {
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 2000}}, "none",
        refused="the model's window is 1024 tokens")  # fmt: skip
    yield Feature("unsafe_code", "write", {"unsafe_code": True}, "none",
                  refused="executes what a model writes")  # fmt: skip
    yield Feature("num_beams", "write", {"generation_kwargs": {**wait, "num_beams": 3}}, "none",
                  refused="num_beams")  # fmt: skip
    yield Feature(
        "unknown filter",
        "write",
        {"filter_list": [_filter("x", {"function": "no_such_filter"})]},
        "none",
        refused="no_such_filter",
    )
    yield Feature("unknown sampler", "choice", {"fewshot_config": {"sampler": "no_such"}}, "none",
                  refused="no_such")  # fmt: skip
    yield Feature("undefined template variable", "choice", {"doc_to_text": "{{nothing}}"}, "none",
                  refused="nothing")  # fmt: skip
    for name, kind, keys, told in (
        ("unknown metric", "write", {"metric_list": [_metric("no_such")]}, "no metric 'no_such'"),
        ("unknown aggregation", "choice", {"metric_list": [
            _metric("acc", aggregation="no_such", higher_is_better=True)]},
         "the aggregation of 'acc'"),
        ("no metric", "write", {"metric_list": []}, "metric_list: found none"),
        ("no filter", "write", {"filter_list": []}, "filter_list: found none"),
        ("a pattern that is none", "write", {"filter_list": [
            _filter("x", {"function": "regex", "regex_pattern": "(("}, FIRST)]}, "unterminated"),
        ("repeats 0", "write", {"repeats": 0}, "repeats: found 0"),
        ("until a number", "write", {"generation_kwargs": {**wait, "until": [3]}},
         "until: found [3]"),
        ("do_sample a text", "write", {"generation_kwargs": {**wait, "do_sample": "no"}},
         "do_sample: found 'no'"),
        ("several texts to score", "score", {"doc_to_target": "answers"}, "expected a text"),
        ("doc_to_image", "write", {"doc_to_image": "q"}, "in text alone"),
    ):  # fmt: skip
        yield Feature(name, kind, keys, "none", refused=told)
    yield Feature("more shots than rows", "choice", {"num_fewshot": 99}, "none", refused="99 shots")
    yield Feature("no such split", "choice", {"test_split": "nowhere"}, "none", refused="nowhere")
    yield Feature("aggregation gives a table", "write", {
        "process_results": F("results"),
        "metric_list": [_metric("hit", aggregation=F("tabled"), higher_is_better=True)]}, "none",
        refused="expected a number")  # fmt: skip


FEATURES = tuple(_features())


@dataclass(frozen=True)
class Suite:
    """One generated task: its features over a kind's base."""

    name: str
    kind: str
    features: tuple[Feature, ...]
    keys: Keys = field(hash=False)

    @property
    def corrected(self) -> bool:
        return any(feature.corrected for feature in self.features)

    @property
    def refused(self) -> str:
        return next((feature.refused for feature in self.features if feature.refused), "")


def suites(drawn: int, seed: int = 20) -> list[Suite]:
    """Every feature alone on every kind it is for, and `drawn` combinations of two to four."""
    made = [
        _suite(f"{kind}_{number:03d}", kind, (feature,))
        for number, feature in enumerate(FEATURES)
        for kind in feature.kinds.split()
    ]
    draw = random.Random(seed)
    while len(made) < drawn + sum(len(f.kinds.split()) for f in FEATURES):
        kind = draw.choice(KINDS)
        fit = [f for f in FEATURES if kind in f.kinds.split() and not (f.refused or f.corrected)]
        chosen: list[Feature] = []
        for feature in draw.sample(fit, min(len(fit), 12)):
            taken = {part for one in chosen for part in one.part.split()}
            if feature.part != "none" and not taken & set(feature.part.split()):
                chosen.append(feature)
        chosen = chosen[: draw.randint(2, 4)]
        made.append(_suite(f"drawn_{len(made):03d}", kind, tuple(chosen)))
    return made


def _suite(name: str, kind: str, chosen: tuple[Feature, ...]) -> Suite:
    keys: Keys = {"test_split": "test", "training_split": "train", **BASE[kind]}
    for feature in chosen:
        keys |= feature.keys
    return Suite(name, kind, chosen, {k: v for k, v in keys.items() if v is not None})


def rows(count: int, start: int) -> list[dict[str, Any]]:
    """Rows with the columns that the features name; ids repeat, as those of others may."""
    words = ["river", "stone", "cloud", "ember", "maple", "tiger"]
    answers = ["so", "no", "ha"]
    return [
        {
            "q": f"{words[i % 6]} {start + i}, $1,{i}00",
            "answer": answers[i % 3],
            "choices": [f"{a} {words[i % 6]}" if i % 2 else a for a in answers],
            "label": i % 3,
            "golds": [i % 3, (i + 1) % 3],
            "answers": [answers[i % 3], answers[(i + 1) % 3]],
            "id": f"id{i // 2}",
            "n": start + i,
        }
        for i in range(count)
    ]


Lookup = Callable[[str], Any]
