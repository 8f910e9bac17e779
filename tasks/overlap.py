"""Scores of one text against another: SQuAD's, BoX's and ROUGE-L.

These compare words and know nothing of labels or entities.
"""

from __future__ import annotations

import functools
import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def squad_normalise(text: str) -> str:
    """Lower case, without ASCII punctuation, articles and surplus whitespace.

    Source: the SQuAD 1.1 evaluation; Rajpurkar et al. 2016.
    """
    bare = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def token_f1(answer: str, accepted: str) -> float:
    """F1 of the two texts' normalised words as multisets, in 0..1.

    Where one of them has no words left (an article alone, say) both must have
    none, as in the SQuAD 2.0 evaluation.
    """
    ours, theirs = squad_normalise(answer).split(), squad_normalise(accepted).split()
    if not ours or not theirs:
        return float(ours == theirs)
    shared = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * shared / (len(ours) + len(theirs))


def best_token_f1(answer: str, accepted: Sequence[str]) -> float:
    """The highest token F1 over the accepted answers."""
    return max(token_f1(answer, one) for one in accepted)


def box_f1(answer: str, golds: Sequence[str]) -> float:
    """BoX's own score, beside ours for comparison with the paper only.

    The gold answers, written as one line, are split on ", "; the score is the
    highest token F1 of the whole answer with any piece. So one right entity of
    many scores full marks, and a complete list does not.

    Source: In-BoXBART's evaluation; Parmar et al. 2022, arXiv 2204.07600.
    """
    return best_token_f1(answer, ", ".join(golds).split(", "))


def rouge_l(answer: str, references: Sequence[str]) -> float:
    """The highest ROUGE-L F-measure over the references, in 0..1.

    Words are stemmed (Porter), as ROUGE-1.5.5 is commonly run (`-m`) and as
    instruction-tuning evaluations since Super-NaturalInstructions do.
    Source: Lin 2004; computed by the rouge-score package.
    """
    scorer = _rouge_scorer()
    return max(float(scorer.score(one, answer)["rougeL"].fmeasure) for one in references)


@functools.cache
def _rouge_scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # imports nltk

    return RougeScorer(["rougeL"], use_stemmer=True)
