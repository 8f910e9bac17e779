"""What a text is: an order, a question, a loop, another language, a repetition of another text.

Predicates without memory, shared by the filters of tasks and of answers.
"""

from __future__ import annotations

import re

from specializers.rouge import common_subsequence, rouge_l, words

_SENTENCE_END = re.compile(r"(?<=[.?!])\s+|\n+")
_CLAUSE = re.compile(r"[.?!;:,(]+\s+|\n+|\b(?:then|and|or|but|please)\s+", re.IGNORECASE)
# What the instructions of text tasks order. A word that is not here opens a statement.
_ORDER_WORDS = """
add advise analyse analyze annotate answer appraise argue arrange ask assess assign assume boil
break brief build calculate categorise categorize change check choose cite clarify classify
collect combine comment compare complete compose compute conclude condense confirm consider
construct contrast convert copy correct count create critique debate decide deduce define
describe design detail detect determine develop devise diagnose differentiate discuss
distinguish divide draft draw edit elaborate enumerate estimate evaluate examine expand explain
explore express extract figure fill find flag follow forecast format formulate gather generate
give go grade group guess help highlight hold identify illustrate imagine indicate infer inspect
interpret introduce invent judge justify label link list locate look make map mark match mention
merge modify name normalise normalize note number offer open order organise organize outline
paraphrase perform pick pinpoint place plan point predict prepare present produce propose prove
provide put quote rank rate read reason recall recognise recognize recommend record reduce
rephrase replace reply report resolve respond restate return review reword rewrite round say
score select separate shorten show simplify solve sort specify spell split standardise
standardize state structure study suggest sum summarise summarize supply tag take teach tell
test think title trace transform translate turn unscramble use verify weigh write
"""
_ORDERS = frozenset(_ORDER_WORDS.split())
_ANSWERS = re.compile(r"\b(?:yes or no|true or false)\b", re.IGNORECASE)
_QUESTION_WORDS = """
what which who whom whose when where why how is are was were do does did has have had can could
should shall will would may might must
"""
_QUESTIONS = frozenset(_QUESTION_WORDS.split())
# Function words of other languages in Latin script that are no English words.
_FOREIGN = frozenset(
    {"der", "und", "nicht", "ist", "eine", "mit", "für", "auf"}
    | {"les", "dans", "est", "une", "pour", "sur", "avec", "des"}
    | {"los", "las", "del", "por", "para", "una", "como", "que"}
    | {"nel", "della", "che", "sono", "gli", "het", "een", "voor", "não", "uma", "são"}
)
_ENGLISH = frozenset(
    {"the", "of", "and", "to", "in", "a", "is", "was", "were", "are", "that", "for"}
    | {"with", "by", "on", "as", "at", "be", "from", "or", "it", "this", "which", "an"}
)

# Two sentences with a ROUGE-L F1 over this say the same (the filters' threshold of novelty).
SAME = 0.7
# Shorter sentences are too easily alike ("The result was normal.").
_FEWEST_WORDS = 5


def sentences(text: str) -> list[str]:
    """Pieces between sentence ends and line breaks, without empty ones."""
    return [piece for piece in _SENTENCE_END.split(text) if words(piece)]


def is_order_or_question(text: str) -> bool:
    """Does a clause open as an order or a question does, or are yes and no named as answers?"""
    if "?" in text or _ANSWERS.search(text):
        return True
    clauses = [found for clause in _CLAUSE.split(text) if (found := words(clause))]
    opens = any(clause[0] in _ORDERS for clause in clauses)
    return opens or bool(clauses and clauses[0][0] in _QUESTIONS)


def is_loop(text: str) -> bool:
    """Does the text go round in circles?

    Under half of its three-word runs are new, or a quarter of its sentences say
    what an earlier one said.
    """
    tokens = text.lower().split()
    runs = list(zip(tokens, tokens[1:], tokens[2:], strict=False))
    if len(tokens) >= 24 and len(set(runs)) < 0.5 * len(runs):
        return True
    said = [piece for piece in sentences(text) if len(words(piece)) >= _FEWEST_WORDS]
    repeated = sum(
        any(rouge_l(earlier, later) > SAME for earlier in said[:place])
        for place, later in enumerate(said)
    )
    return repeated * 4 >= len(said) and repeated > 0


def is_foreign(text: str) -> bool:
    """Is the text in another script, or in another language by its function words?"""
    letters = [char for char in text if char.isalpha()]
    # Greek letters name genes and proteins: up to one letter in ten may be non-Latin.
    if sum(ord(char) > 0x24F for char in letters) * 10 > len(letters):
        return True
    tokens = re.findall(r"[^\W\d_]+", text.lower())
    foreign = sum(token in _FOREIGN for token in tokens)
    return foreign >= 3 and foreign > sum(token in _ENGLISH for token in tokens)


def restates(text: str, other: str) -> bool:
    """Does `text` open with most of the words of `other`, in their order?"""
    asked = words(other)
    opening = words(text)[: 2 * len(asked)]
    if len(asked) < _FEWEST_WORDS:
        return False
    return common_subsequence(asked, opening) > 0.6 * len(asked)


def plain(*texts: str) -> str:
    """A text by which two that differ in case, spacing or punctuation are the same."""
    return "\n".join(" ".join(words(text)) for text in texts)
