import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from nervaluate import Evaluator
from seqeval.metrics import f1_score as seqeval_f1
from seqeval.scheme import IOB2

from tasks.aggregation import micro_f1
from tasks.mentions import (
    mention_key,
    parse_mentions,
    relaxed_span_counts,
    span_counts,
)

TYPES = ["Disease", "Gene_or_gene_product", "Multi-tissue_structure"]
D, G, M = TYPES


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # the format asked for
        ("asthma <Disease>", [("asthma", D)]),
        ("asthma <Disease>, TP53 <Gene_or_gene_product>", [("asthma", D), ("TP53", G)]),
        ("flu <Disease>, flu <Disease>", [("flu", D), ("flu", D)]),
        ("None", []),
        # case, spelling of the type, closing punctuation
        ("asthma <disease>.", [("asthma", D)]),
        ("TP53 <gene or gene-product>", [("TP53", G)]),
        ("wall <multi-tissue structure>", [("wall", M)]),
        ("asthma < Diseases >", [("asthma", D)]),
        ("asthma<Disease>; flu<Disease>", [("asthma", D), ("flu", D)]),
        ("asthma <Disease> and flu <Disease>", [("asthma", D), ("flu", D)]),
        ("asthma <Disease>, and flu <Disease>", [("asthma", D), ("flu", D)]),
        # a type of no inventory is kept, as a false positive
        ("asthma <Illness>", [("asthma", "Illness")]),
        ("asthma <Illness>, flu <Disease>", [("asthma", "Illness"), ("flu", D)]),
        # commas inside a mention, where the mark ends it
        ("1 , 2 - dichloroethane <Disease>", [("1 , 2 - dichloroethane", D)]),
        ("flu <Disease>, B , C <Disease>", [("flu", D), ("B , C", D)]),
        # lead-ins, trailing text, markdown, lines
        ("Answer: asthma <Disease>", [("asthma", D)]),
        ("The entities are: asthma <Disease>", [("asthma", D)]),
        ("asthma <Disease>, as asked", [("asthma", D)]),
        ("**asthma** <Disease>", [("asthma", D)]),
        ("`asthma <Disease>`", [("asthma", D)]),
        ('"asthma" <Disease>', [("asthma", D)]),
        ("```\nasthma <Disease>\n```", [("asthma", D)]),
        ("- asthma <Disease>\n- flu <Disease>", [("asthma", D), ("flu", D)]),
        ("1. asthma <Disease>\n\n2. flu <Disease>", [("asthma", D), ("flu", D)]),
        ("Here are the diseases:\n\n* asthma (Disease)", [("asthma", D)]),
        ("asthma <Disease><|im_end|>", [("asthma", D)]),
        # other marks
        ("asthma (Disease), flu (disease)", [("asthma", D), ("flu", D)]),
        ("asthma [Disease]", [("asthma", D)]),
        ("fever (high) (Disease)", [("fever (high)", D)]),
        ("asthma - Disease, flu - Disease", [("asthma", D), ("flu", D)]),
        ("T - cell leukaemia - Disease", [("T - cell leukaemia", D)]),
        ("asthma: Disease\nTP53: Gene_or_gene_product", [("asthma", D), ("TP53", G)]),
        ("asthma -> Disease", [("asthma", D)]),
        ("Disease: asthma, lung cancer", [("asthma", D), ("lung cancer", D)]),
        ("Diseases: asthma", [("asthma", D)]),
        (
            "Disease: asthma; Gene_or_gene_product: TP53, BRCA1",
            [("asthma", D), ("TP53", G), ("BRCA1", G)],
        ),
        ("<Disease>asthma</Disease>", [("asthma", D)]),
        ("<Disease> asthma, <Disease> flu", [("asthma", D), ("flu", D)]),
        # nothing there
        ("none.", []),
        ("No entities found.", []),
        ("There are no diseases mentioned.", []),
        ("The sentence does not contain any disease entities.", []),
        ("There is no mention of a disease", []),
        ("Disease: None", []),
        ("None <Disease>", []),
        ("Disease: none\nGene_or_gene_product: TP53", [("TP53", G)]),
        # not of the form
        ("", None),
        ("   \n", None),
        ("diabetes, asthma", None),
        ("The patient has asthma.", None),
        ("<Disease>", None),
        ("Disease:", None),
        ("asthma (chronic)", None),
        ("nonesuch", None),
        ("normal tissue", None),
        ("\x00", None),
    ],
)
def test_parse_mentions(text, expected):
    assert parse_mentions(text, TYPES) == expected


def test_a_bare_list_is_unparseable_even_with_one_type():
    assert parse_mentions("diabetes, asthma", ["Disease"]) is None


@pytest.mark.parametrize("blank", ["< >", "</>", "< / >"])
def test_a_blank_pair_of_brackets_is_no_type(blank):
    assert parse_mentions(f"diabetes {blank}", TYPES) is None
    assert parse_mentions(f"{blank} diabetes <{TYPES[0]}>", TYPES) == [
        (f"{blank} diabetes", TYPES[0])
    ]


MENTION = st.text(alphabet="abcXYZ019 ,.()-+'/", min_size=1, max_size=20).filter(
    lambda text: any(letter.isalpha() for letter in text) and text[0].isalpha()
)
MENTIONS = st.lists(st.tuples(MENTION, st.sampled_from(TYPES)), max_size=5)


@given(MENTIONS)
def test_gold_survives_rendering_and_parsing(gold):
    # a mention such as "A) x" begins like a numbered line; no tokenised text has one
    assume(not gold or gold[0][0][1:2] != ")")
    asked_for = ", ".join(f"{mention} <{name}>" for mention, name in gold) or "None"
    parsed = parse_mentions(asked_for, TYPES)
    assert parsed is not None
    assert span_counts(gold, parsed) == [len(gold), 0, 0]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1 . 4", "1.4", True),
        ("T - cell leukaemia", "T-cell leukaemia", True),
        ("Lung  Cancer", "lung cancer", True),
        ("asthma.", "asthma", True),
        ("**asthma**", "asthma", True),
        ("T cell", "Tcell", False),
        ("lung cancer", "lung cancers", False),
        ("Na +", "Na", False),
    ],
)
def test_mention_key(one, other, same):
    assert (mention_key(one) == mention_key(other)) is same


@pytest.mark.parametrize(
    ("gold", "predicted", "exact", "relaxed"),
    [
        ([], [], [0, 0, 0], [0, 0, 0]),
        ([], [("flu", D)], [0, 1, 0], [0, 1, 0]),
        ([("flu", D)], [], [0, 0, 1], [0, 0, 1]),
        ([("flu", D)], [("flu", D)], [1, 0, 0], [1, 0, 0]),
        ([("flu", D)], [("Flu", "disease")], [1, 0, 0], [1, 0, 0]),
        ([("flu", D)], [("flu", G)], [0, 1, 1], [0, 1, 1]),
        # multisets: two occurrences, one named; one occurrence, named twice
        ([("flu", D), ("flu", D)], [("flu", D)], [1, 0, 1], [1, 0, 1]),
        ([("flu", D)], [("flu", D), ("flu", D)], [1, 1, 0], [1, 1, 0]),
        # overlap
        ([("lung cancer", D)], [("cancer", D)], [0, 1, 1], [1, 0, 0]),
        ([("lung cancer", D)], [("cancer", G)], [0, 1, 1], [0, 1, 1]),
        ([("loss of function", D)], [("cancer of lung", D)], [0, 1, 1], [0, 1, 1]),
        # one gold mention matches one prediction only
        ([("lung cancer", D)], [("lung", D), ("cancer", D)], [0, 2, 1], [1, 1, 0]),
        # the exact match keeps its gold mention though "cancer" comes first
        (
            [("lung cancer", D), ("flu", D)],
            [("cancer", D), ("lung cancer", D)],
            [1, 1, 1],
            [1, 1, 1],
        ),
    ],
)
def test_span_counts(gold, predicted, exact, relaxed):
    assert span_counts(gold, predicted) == exact
    assert relaxed_span_counts(gold, predicted) == relaxed


FEW = st.lists(
    st.tuples(st.sampled_from(["a1", "b1", "a1 b1", "c1 b1"]), st.sampled_from([D, G])), max_size=6
)


@given(FEW, FEW, st.randoms())
def test_properties_of_span_counts(gold, predicted, rng):
    tp, fp, fn = span_counts(gold, predicted)
    relaxed_tp, relaxed_fp, relaxed_fn = relaxed_span_counts(gold, predicted)
    assert tp + fp == relaxed_tp + relaxed_fp == len(predicted)
    assert tp + fn == relaxed_tp + relaxed_fn == len(gold)
    assert min(fp, fn, relaxed_fp, relaxed_fn) >= 0
    assert relaxed_tp >= tp
    assert span_counts(predicted, gold) == [tp, fn, fp]
    assert span_counts(rng.sample(gold, len(gold)), predicted) == [tp, fp, fn]
    assert relaxed_span_counts(gold, gold) == [len(gold), 0, 0]


# A sentence of 12 words, cut into spans: word i is "w<i>", so strings tell offsets.
TAGS = st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"]), min_size=12, max_size=12)


def valid(tags: list[str]) -> list[str]:
    """Turn a stray I- into B-."""
    fixed: list[str] = []
    for tag in tags:
        before = fixed[-1] if fixed else "O"
        fixed.append("B" + tag[1:] if tag[0] == "I" and before[1:] != tag[1:] else tag)
    return fixed


def mentions_of(tags: list[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for place, tag in enumerate(tags):
        if tag[0] == "B":
            found.append((f"w{place}", tag[2:]))
        elif tag[0] == "I":
            found[-1] = (f"{found[-1][0]} w{place}", tag[2:])
    return found


@given(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=4))
def test_exact_spans_equal_seqeval(sentences):
    gold = [valid(g) for g, _ in sentences]
    predicted = [valid(p) for _, p in sentences]
    counts = [
        span_counts(mentions_of(g), mentions_of(p)) for g, p in zip(gold, predicted, strict=True)
    ]
    assume(any(any(c) for c in counts))
    expected = seqeval_f1(gold, predicted, mode="strict", scheme=IOB2, zero_division=0)
    assert micro_f1(counts) == pytest.approx(expected)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2), st.integers(0, 2), st.sampled_from("XY"), st.sampled_from("XY")
        ),
        min_size=1,
        max_size=4,
    )
)
def test_relaxed_spans_equal_nervaluate(edits):
    """Each gold span of four words is found with its ends cut off, so spans pair up."""
    gold, predicted = ["O"] * 24, ["O"] * 24
    for place, (left, right, gold_type, predicted_type) in enumerate(edits):
        start = place * 6
        gold[start : start + 4] = [f"B-{gold_type}"] + [f"I-{gold_type}"] * 3
        span = range(start + left, start + 4 - right)
        for position in span:
            predicted[position] = f"{'B' if position == span[0] else 'I'}-{predicted_type}"
    results = Evaluator([gold], [predicted], tags=["X", "Y"], loader="list").evaluate()
    tp, fp, fn = relaxed_span_counts(mentions_of(gold), mentions_of(predicted))
    relaxed = results["overall"]["ent_type"]
    assert (tp, tp + fp, tp + fn) == (relaxed.correct, relaxed.actual, relaxed.possible)
    exact = results["overall"]["strict"]
    assert span_counts(mentions_of(gold), mentions_of(predicted))[0] == exact.correct


@pytest.mark.parametrize(
    "unit", ["<", "a <", " ", "a, ", "- ", "(Disease", "no ", ":", "*", "\x00"]
)
def test_a_megabyte_is_read(unit):
    parse_mentions(unit * (1_000_000 // len(unit)), TYPES)
