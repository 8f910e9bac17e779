import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from harness.errors import UserError
from tasks import metrics
from tasks.aggregation import macro_f1, macro_f1_counts, mean_score, micro_f1

SENTIMENT = ["Positive", "Negative", "Neutral"]
HALLMARKS = ["Resisting cell death", "Inducing angiogenesis", "Cellular energetics"]


def row(target, labels=None, meta=None):
    return {"id": "x-0", "input": "", "target": target, "labels": labels, "meta": meta}


NER = row(["asthma <Disease>", "TP53 <Gene>"], ["Disease", "Gene"])
NO_ENTITY = row("None", ["Disease"])
YES = row("yes", ["yes", "no"])
FACTOID = row(["hypocretin-1", "orexin A"])
GROUPS = {"answer_groups": [["dapagliflozin", "Farxiga"], ["empagliflozin", "Jardiance"]]}
LIST = row(["dapagliflozin", "empagliflozin"], meta=GROUPS)
LONG = row("The drug reduced mortality in adults.")
MULTI = row(HALLMARKS[:2], HALLMARKS)


@pytest.mark.parametrize(
    ("function", "doc", "answer", "expected"),
    [
        (
            metrics.ner,
            NER,
            "asthma <Disease>, TP53 gene <Gene>",
            {"span_f1": [1, 1, 1], "span_f1_relaxed": [2, 0, 0], "box_f1": 4 / 7, "unparseable": 0},
        ),
        (
            metrics.ner,
            NER,
            "asthma, TP53",
            {"span_f1": [0, 0, 2], "span_f1_relaxed": [0, 0, 2], "box_f1": 0.5, "unparseable": 1},
        ),
        (
            metrics.ner,
            NO_ENTITY,
            "None",
            {"span_f1": [0, 0, 0], "span_f1_relaxed": [0, 0, 0], "box_f1": 1.0, "unparseable": 0},
        ),
        (
            metrics.ner,
            NO_ENTITY,
            "flu <Disease>",
            {"span_f1": [0, 1, 0], "span_f1_relaxed": [0, 1, 0], "box_f1": 0.0, "unparseable": 0},
        ),
        (
            metrics.label,
            YES,
            "Yes, it does",
            {"acc": 1, "macro_f1": [0, 0], "box_f1": 0.5, "unparseable": 0},
        ),
        (
            metrics.label,
            YES,
            "no",
            {"acc": 0, "macro_f1": [0, 1], "box_f1": 0.0, "unparseable": 0},
        ),
        (
            metrics.label,
            YES,
            "yes or no",
            {"acc": 0, "macro_f1": [0, -1], "box_f1": 0.5, "unparseable": 1},
        ),
        (
            metrics.factoid,
            FACTOID,
            "The answer is Orexin-A.",
            {"exact_match": 0, "token_f1": 0.0, "box_f1": 0.0, "unparseable": 0},
        ),
        (
            metrics.factoid,
            FACTOID,
            "The answer is Hypocretin 1",
            {"exact_match": 0, "token_f1": 0.0, "box_f1": 0.0, "unparseable": 0},
        ),
        (
            metrics.factoid,
            FACTOID,
            "The answer is Hypocretin-1.",
            # the box score reads raw text: {answer, is, hypocretin1} against {hypocretin1}
            {"exact_match": 1, "token_f1": 1.0, "box_f1": 0.5, "unparseable": 0},
        ),
        (
            metrics.factoid,
            FACTOID,
            "orexin family",
            {"exact_match": 0, "token_f1": 2 / 3, "box_f1": 2 / 3, "unparseable": 0},
        ),
        (
            metrics.factoid,
            FACTOID,
            " \n",
            {"exact_match": 0, "token_f1": 0.0, "box_f1": 0.0, "unparseable": 1},
        ),
        (
            metrics.answer_list,
            LIST,
            "Farxiga, Jardiance",
            {"set_f1": [2, 0, 0], "list_f1": 1.0, "box_f1": 0.0, "unparseable": 0},
        ),
        (
            metrics.answer_list,
            LIST,
            "dapagliflozin, Farxiga, metformin",
            # one group by two names, one wrong, one missed
            {"set_f1": [1, 1, 1], "list_f1": 0.5, "box_f1": 0.5, "unparseable": 0},
        ),
        (
            metrics.answer_list,
            LIST,
            "None",
            {"set_f1": [0, 0, 2], "list_f1": 0.0, "box_f1": 0.0, "unparseable": 0},
        ),
        (
            metrics.answer_list,
            LIST,
            "",
            {"set_f1": [0, 0, 2], "list_f1": 0.0, "box_f1": 0.0, "unparseable": 1},
        ),
        (
            metrics.long_answer,
            LONG,
            "The drug reduces mortality.",
            # stems match: LCS 4 of 4 and of 6; the box score wants the very words: 2 of 3 and of 5
            {"rougeL": 0.8, "box_f1": 0.5, "unparseable": 0},
        ),
        (metrics.long_answer, LONG, "", {"rougeL": 0.0, "box_f1": 0.0, "unparseable": 1}),
        (
            metrics.multilabel,
            MULTI,
            "Resisting cell death, Cellular energetics",
            {
                "multilabel_micro_f1": [1, 1, 1],
                "multilabel_macro_f1": [1, 0, 0, 0, 0, 1, 0, 1, 0],
                "box_f1": 0.75,
                "unparseable": 0,
            },
        ),
        (
            metrics.multilabel,
            row(["None"], HALLMARKS),
            "None",
            {
                "multilabel_micro_f1": [0, 0, 0],
                "multilabel_macro_f1": [0] * 9,
                "box_f1": 1.0,
                "unparseable": 0,
            },
        ),
        (
            metrics.multilabel,
            MULTI,
            "apoptosis",
            {
                "multilabel_micro_f1": [0, 0, 2],
                "multilabel_macro_f1": [0, 0, 1, 0, 0, 1, 0, 0, 0],
                "box_f1": 0.0,
                "unparseable": 1,
            },
        ),
    ],
)
def test_hand_worked_items(function, doc, answer, expected):
    found = function(doc, [answer])
    other = {name for name in found if name.endswith(("_strict", "_lenient"))}
    assert {name: value for name, value in found.items() if name not in other} == {
        name: value if isinstance(value, list) else pytest.approx(value)
        for name, value in expected.items()
    }


ONE_TYPE = row(["iron-deficiency anaemia <Disease>", "gout <Disease>"], ["Disease"]) | {
    "input": "Iron-deficiency anaemia and gout were excluded."
}


@pytest.mark.parametrize(
    ("function", "doc", "answer", "name", "strict", "lenient"),
    [
        # The one type there is need not be said; a hyphen may be a space.
        (metrics.ner, ONE_TYPE, "gout", "span_f1", [1, 0, 1], [1, 0, 1]),
        (metrics.ner, ONE_TYPE, "iron deficiency anaemia, gout", "span_f1", [1, 1, 1], [2, 0, 0]),
        (metrics.ner, ONE_TYPE, "I see no such thing here.", "span_f1", [0, 0, 2], [0, 0, 2]),
        (metrics.ner, ONE_TYPE, '{"Disease": ["gout"]}', "span_f1", [1, 0, 1], [1, 0, 1]),
        (metrics.ner, NER, "asthma <Gene>", "span_f1", [0, 1, 2], [1, 0, 1]),
        (metrics.label, YES, "no, or rather yes", "macro_f1", [0, -1], [0, 1]),
        (metrics.label, YES, "not yes", "macro_f1", [0, -1], [0, 0]),
        (metrics.factoid, row(["wide-angle lens"]), "wide angle lens", "token_f1", 0.4, 1.0),
        (metrics.answer_list, row(["x-ray"]), "x ray", "set_f1", [0, 1, 1], [1, 0, 0]),
    ],
)
def test_a_lenient_reading_stands_beside(function, doc, answer, name, strict, lenient):
    found = function(doc, [answer])
    assert found[name] == (pytest.approx(strict) if isinstance(strict, float) else strict)
    assert found[f"{name}_lenient"] == lenient


def test_the_strict_reading_of_mentions_asks_for_the_type():
    assert metrics.ner(ONE_TYPE, ["gout"])["span_f1_strict"] == [0, 0, 2]
    assert metrics.ner(ONE_TYPE, ["gout <Disease>"])["span_f1_strict"] == [1, 0, 1]


@pytest.mark.parametrize(
    ("doc", "scores", "expected"),
    [
        (YES, [-1.0, -2.0], {"acc": 1, "macro_f1": [0, 0], "tied": 0, "unparseable": 0}),
        (YES, [-3.0, -2.0], {"acc": 0, "macro_f1": [0, 1], "tied": 0, "unparseable": 0}),
        (YES, [-2.0, -2.0], {"acc": 1, "macro_f1": [0, 0], "tied": 1, "unparseable": 0}),
        (
            row(["no"], ["yes", "no"]),
            [-2.0, -2.0],
            {"acc": 0, "macro_f1": [1, 0], "tied": 1, "unparseable": 0},
        ),
        (YES, [-1.0, float("nan")], {"acc": 0, "macro_f1": [0, -1], "tied": 0, "unparseable": 1}),
        (YES, [float("nan"), -2.0], {"acc": 0, "macro_f1": [0, -1], "tied": 0, "unparseable": 1}),
        (
            YES,
            [-1.0, float("-inf")],
            {"acc": 1, "macro_f1": [0, 0], "tied": 0, "unparseable": 0},
        ),
        (
            row("Neutral", SENTIMENT),
            [-2.0, -2.0, -1.0],
            {"acc": 1, "macro_f1": [2, 2], "tied": 0, "unparseable": 0},
        ),
    ],
)
def test_ranked_labels(doc, scores, expected):
    assert metrics.rank_label(doc, [(score, False) for score in scores]) == expected


def test_a_score_for_every_label_is_needed():
    with pytest.raises(ValueError, match="row x-0: 1 scores, 2 labels"):
        metrics.rank_label(YES, [(-1.0, True)])


@pytest.mark.parametrize(
    ("function", "doc", "message"),
    [
        (metrics.label, row("perhaps", ["yes", "no"]), "row x-0: target .'perhaps'. is not one"),
        (metrics.label, row(["yes", "no"], ["yes", "no"]), "is not one of the labels"),
        (metrics.multilabel, row(["Apoptosis"], HALLMARKS), "row x-0: target .'Apoptosis'. is not"),
        (metrics.ner, row(["asthma"], ["Disease"]), "'asthma' is not of the form"),
        (metrics.factoid, row([]), "row x-0: no target"),
        (metrics.ner, row(None, ["Disease"]), "row x-0: no target"),
    ],
)
def test_a_faulty_row_is_named(function, doc, message):
    with pytest.raises(UserError, match=message):
        function(doc, ["yes"])


@pytest.mark.parametrize(
    ("function", "doc", "gold"),
    [
        (metrics.ner, NER, "asthma <Disease>, TP53 <Gene>"),
        (metrics.ner, NO_ENTITY, "None"),
        (metrics.label, YES, "yes"),
        (metrics.factoid, FACTOID, "orexin A"),
        (metrics.answer_list, LIST, "dapagliflozin, empagliflozin"),
        (metrics.long_answer, LONG, LONG["target"]),
        (metrics.multilabel, MULTI, ", ".join(HALLMARKS[:2])),
    ],
)
def test_gold_scores_full_marks_and_the_empty_answer_is_unparseable(function, doc, gold):
    aggregate = {
        "span_f1": micro_f1,
        "span_f1_relaxed": micro_f1,
        "set_f1": micro_f1,
        "macro_f1": macro_f1,
        "multilabel_micro_f1": micro_f1,
        "multilabel_macro_f1": macro_f1_counts,
    }
    full = function(doc, [gold])
    empty = function(doc, [""])
    assert full.pop("unparseable") == 0
    assert empty.pop("unparseable") == 1
    full.pop("box_f1")  # by design, a complete list does not score full marks there
    for name, value in full.items():
        plain = name.removesuffix("_lenient").removesuffix("_strict")
        assert aggregate.get(plain, mean_score)([value]) == 1.0
        if doc is not NO_ENTITY:
            assert aggregate.get(plain, mean_score)([empty[name]]) == 0.0


def test_meta_may_be_json_and_target_a_list_of_one():
    as_json = {**LIST, "meta": json.dumps(GROUPS)}
    assert metrics.answer_list(as_json, ["Farxiga"]) == metrics.answer_list(LIST, ["Farxiga"])
    as_list = {**YES, "target": ["yes"]}
    assert metrics.label(as_list, ["yes"]) == metrics.label(YES, ["yes"])
    assert metrics.ner({**NO_ENTITY, "target": ["None"]}, ["None"])["span_f1"] == [0, 0, 0]


def test_without_groups_each_target_is_one():
    plain = row(["dapagliflozin", "empagliflozin"], meta="{}")
    assert metrics.answer_list(plain, ["Farxiga, empagliflozin"])["set_f1"] == [1, 1, 1]


def test_groups_that_share_a_name_are_one_answer():
    doc = row(["x1", "x1"], meta={"answer_groups": [["x1", "y1"], ["z1"], ["X1", "w1"]]})
    assert metrics.answer_list(doc, ["y1, w1"])["set_f1"] == [1, 0, 1]


def test_none_may_be_the_answer_of_a_factoid():
    assert metrics.factoid(row(["None"]), ["None"])["exact_match"] == 1


LABELLED = st.lists(
    st.tuples(st.sampled_from(SENTIMENT), st.sampled_from([*SENTIMENT, "?"])),
    min_size=1,
    max_size=20,
)


@given(LABELLED)
def test_label_equals_scikit_learn(pairs):
    items = [metrics.label(row(gold, SENTIMENT), [answer]) for gold, answer in pairs]
    gold, answers = zip(*pairs, strict=True)
    assert mean_score([item["acc"] for item in items]) == pytest.approx(
        accuracy_score(gold, answers)
    )
    assert macro_f1([item["macro_f1"] for item in items]) == pytest.approx(
        f1_score(gold, answers, labels=sorted(set(gold)), average="macro")
    )
    assert sum(item["unparseable"] for item in items) == answers.count("?")


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from(HALLMARKS)), st.sets(st.sampled_from(HALLMARKS))),
        min_size=1,
        max_size=12,
    )
)
def test_multilabel_equals_scikit_learn(sets):
    items = [
        metrics.multilabel(row(sorted(gold) or ["None"], HALLMARKS), [", ".join(said) or "None"])
        for gold, said in sets
    ]
    gold = [[int(one in g) for one in HALLMARKS] for g, _ in sets]
    said = [[int(one in s) for one in HALLMARKS] for _, s in sets]
    assert micro_f1([item["multilabel_micro_f1"] for item in items]) == pytest.approx(
        f1_score(gold, said, average="micro", zero_division=1.0)
    )
    macro = f1_score(gold, said, average="macro", zero_division=math.nan)
    assert macro_f1_counts([item["multilabel_macro_f1"] for item in items]) == pytest.approx(
        1.0 if math.isnan(macro) else macro
    )


@given(st.lists(st.floats(-50, 0), min_size=3, max_size=3), st.permutations([0, 1, 2]))
def test_ranking_follows_the_labels_whatever_their_order(scores, order):
    doc = row("Neutral", SENTIMENT)
    shuffled = row("Neutral", [SENTIMENT[place] for place in order])
    straight = metrics.rank_label(doc, [(score, False) for score in scores])
    turned = metrics.rank_label(shuffled, [(scores[place], False) for place in order])
    assert straight["tied"] == turned["tied"]
    if not straight["tied"]:
        assert straight["acc"] == turned["acc"]


DRUGS = ["aspirin", "ibuprofen", "naproxen", "codeine"]
DRUG_SETS = st.lists(
    st.tuples(st.sets(st.sampled_from(DRUGS), min_size=1), st.sets(st.sampled_from(DRUGS))),
    min_size=1,
    max_size=10,
)


@given(DRUG_SETS)
def test_lists_without_synonyms_equal_scikit_learn(sets):
    items = [
        metrics.answer_list(row(sorted(gold)), [", ".join(sorted(said)) or "None"])
        for gold, said in sets
    ]
    gold = [[int(one in g) for one in DRUGS] for g, _ in sets]
    said = [[int(one in s) for one in DRUGS] for _, s in sets]
    assert micro_f1([item["set_f1"] for item in items]) == pytest.approx(
        f1_score(gold, said, average="micro", zero_division=1.0)
    )
    assert mean_score([item["list_f1"] for item in items]) == pytest.approx(
        f1_score(gold, said, average="samples", zero_division=1.0)
    )


@given(
    st.lists(st.permutations(["a1", "b1", "c1"]).map(lambda names: names[:2]), max_size=3),
    st.lists(st.sampled_from(["a1", "b1", "c1", "d1"]), min_size=1, max_size=5),
    st.randoms(),
)
def test_a_lists_score_knows_no_order(groups, said, rng):
    groups = [["e1"], *groups]
    doc = row([group[0] for group in groups], meta={"answer_groups": groups})
    turned = [rng.sample(group, len(group)) for group in rng.sample(groups, len(groups))]
    other = row([group[0] for group in turned], meta={"answer_groups": turned})
    counts = metrics.answer_list(doc, [", ".join(said)])["set_f1"]
    assert min(counts) >= 0
    assert counts[0] + counts[1] <= len(set(said))
    again = ", ".join(rng.sample(said, len(said)))
    assert metrics.answer_list(other, [again])["set_f1"] == counts


@given(st.sampled_from(SENTIMENT), st.sampled_from(SENTIMENT), st.permutations(SENTIMENT))
def test_the_order_of_the_inventory_does_not_matter(gold, said, order):
    assert metrics.label(row(gold, order), [said])["acc"] == int(gold == said)


@given(
    st.sets(st.sampled_from(HALLMARKS)),
    st.sets(st.sampled_from(HALLMARKS)),
    st.permutations(HALLMARKS),
)
def test_several_labels_are_sets(gold, said, order):
    names = [name for name in order if name in gold] or ["None"]
    answer = ", ".join(name for name in order if name in said) or "None"
    tp, fp, fn = metrics.multilabel(row(names, order), [answer])["multilabel_micro_f1"]
    assert (tp, fp, fn) == (len(gold & said), len(said - gold), len(gold - said))
    swapped = metrics.multilabel(
        row(sorted(said) or ["None"], HALLMARKS), [", ".join(sorted(gold)) or "None"]
    )
    assert swapped["multilabel_micro_f1"] == [tp, fn, fp]


@given(st.permutations(["orexin A", "hypocretin-1", "orexin"]), st.sampled_from(["orexin", "A1"]))
def test_accepted_answers_come_in_any_order(accepted, answer):
    values = metrics.factoid(row(accepted), [answer])
    assert values == metrics.factoid(row(sorted(accepted)), [answer])
    assert values["token_f1"] >= values["exact_match"]


@given(st.permutations(["asthma <Disease>", "TP53 <Gene>", "flu <Disease>"]))
def test_mentions_come_in_any_order(mentions):
    values = metrics.ner(row(mentions, ["Disease", "Gene"]), ["TP53 <Gene>, asthma <Disease>"])
    assert values["span_f1"] == [2, 0, 1]
    assert values["span_f1_relaxed"] == [2, 0, 1]
