"""Our ROUGE-L against the `rouge_score` package and a plain subsequence."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from specializers.rouge import NoveltyPool, common_subsequence, rouge_l

TEXTS = st.lists(
    st.sampled_from(["the", "cat", "sat", "on", "a-mat,", "Café", "x2", "β"]), max_size=14
).map(" ".join)


@given(TEXTS, TEXTS)
@settings(deadline=None)
def test_rouge_l_is_that_of_rouge_score(first: str, second: str) -> None:
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    expected = scorer.score(first, second)["rougeL"].fmeasure
    assert abs(rouge_l(first, second) - expected) < 1e-12


@given(st.text("abc", max_size=90), st.text("abc", max_size=90))
@settings(deadline=None)
def test_the_subsequence_is_the_longest(first: str, second: str) -> None:
    row = [0] * (len(second) + 1)
    for a in first:
        before = row[:]
        for index, b in enumerate(second):
            row[index + 1] = before[index] + 1 if a == b else max(row[index], before[index + 1])
    assert common_subsequence(list(first), list(second)) == row[-1]


@given(st.lists(TEXTS, max_size=8), TEXTS, st.sampled_from([0.0, 0.3, 0.7]))
@settings(deadline=None)
def test_the_pool_finds_the_nearest_entry(texts: list[str], new: str, above: float) -> None:
    pool = NoveltyPool()
    for index, text in enumerate(texts):
        pool.add(str(index), text)
    values = [rouge_l(text, new) for text in texts]
    best = max(values, default=0.0)
    found = pool.nearest(new, above)
    if best <= above:
        assert found is None
    else:
        assert found == (str(values.index(best)), best)
