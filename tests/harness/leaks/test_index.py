"""Planted test items are found, however written; clean text is not flagged."""

import functools
import itertools
import json
import random
from pathlib import Path

import pytest

from harness.artifacts.lineage import example_text
from harness.doors.files import read_jsonl
from harness.leaks import index as leak_index
from harness.leaks.index import LeakIndex, normalised_words
from harness.leaks.report import ItemText, LeakRule

ROOT = Path(__file__).parents[3]


RANKS = range(1, 3000)
ZIPF = list(itertools.accumulate(1 / rank for rank in RANKS))


def generated_text(rng, words):
    """Sentences of made-up words, the frequencies of which fall as in Zipf's law."""
    ranks = rng.choices(RANKS, cum_weights=ZIPF, k=words)
    return " ".join(made_up(rank) + ("." if rng.random() < 0.08 else "") for rank in ranks)


@functools.cache
def made_up(rank):
    """The same word for the same rank; frequent ones are short."""
    rng = random.Random(rank)
    length = min(2 + rank.bit_length() // 2, 8)
    return "".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(length // 2 + 1))


def generated_items(count=300):
    rng = random.Random(1)
    return [
        ItemText(
            f"made_up_{i % 3}",
            f"item-{i}",
            f"Context: {generated_text(rng, rng.randint(12, 120))}\nQuestion: Which of the words"
            " in the context above was written first?",
        )
        for i in range(count)
    ]


def mini_items():
    return [
        ItemText(path.parent.name, row["id"], row["input"])
        for path in sorted((ROOT / "tasks/biomed_mini/data").glob("*/test.jsonl"))
        for row in read_jsonl(path)
    ]


def retyped(text):
    """Other case, punctuation and white space, some accents."""
    words = text.replace(",", " ;").replace("-", " – ").replace("i", "í").split()
    return " ,\n".join(word.upper() if i % 2 else f"“{word}”" for i, word in enumerate(words))


def half(text, second):
    """One half of the words, the middle one included; a compound with hyphens is several.

    Of short texts three quarters: half of one is a phrase.
    """
    words = text.replace("-", " ").replace("/", " ").split()
    count = (len(words) + 1) // 2 if len(words) >= 26 else max(5, -(-3 * len(words) // 4))
    return " ".join(words[-count:] if second else words[:count])


def inside(text):
    rng = random.Random(text)
    return f"{generated_text(rng, 200)} {text} {generated_text(rng, 200)}"


PLANTS = {
    "verbatim": lambda text: text,
    "retyped": retyped,
    "first half": lambda text: half(text, second=False),
    "second half": lambda text: half(text, second=True),
    "inside": inside,
    "retyped half inside": lambda text: inside(retyped(half(text, second=False))),
    "words joined": lambda text: text.replace(" ", ""),
}


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("items", [generated_items(), mini_items()], ids=["generated", "mini"])
def test_every_planted_item_is_found_in_the_text_it_was_planted_in(items, plant):
    rng = random.Random(2)
    clean = [(f"clean-{i}", generated_text(rng, 100)) for i in range(50)]
    own = [item.input.partition("\nQuestion: Which of the words")[0] for item in items]
    planted = [
        (f"in-{item.id}", PLANTS[plant](text)) for item, text in zip(items, own, strict=True)
    ]
    report = LeakIndex(items).report([*clean, *planted])
    assert not report.unchecked
    missed = [
        item.id
        for item in items
        if (item.task, item.id) not in report.leaks
        or f"in-{item.id}" not in {hit.source for hit in report.leaks[item.task, item.id].hits}
    ]
    assert missed == []
    assert not any(
        hit.source.startswith("clean") for leak in report.leaks.values() for hit in leak.hits
    )


def test_clean_text_is_not_flagged():
    rng = random.Random(3)
    items = [*generated_items(), *mini_items()]
    own = ROOT / "specializers/domains/biomed"
    rows = itertools.chain(read_jsonl(own / "seeds.jsonl"), read_jsonl(own / "corpus.jsonl"))
    clean = [(row["id"], example_text(row)) for row in rows]
    clean += [(f"made-up-{i}", generated_text(rng, 100)) for i in range(2000)]
    report = LeakIndex(items).report(clean)
    assert report.texts == len(clean) > 2400
    assert len(report.leaks) < 0.005 * len(items)


SENTENCE = (
    "Nine of the twelve ferrets that were given the red capsule slept through the storm,"
    " and none of them woke before the keeper came with their breakfast at seven."
)


def only(text, **rule):
    """The hits of one text in one item."""
    return list(LeakIndex([ItemText("t", "1", SENTENCE)], LeakRule(**rule)).scan([("s", text)]))


def test_a_hit_names_text_kind_share_and_run():
    (whole,) = only(f"Read this: {SENTENCE.upper()} Thank you.")
    assert (whole.task, whole.item, whole.source, whole.kind) == ("t", "1", "s", "whole")
    assert whole.share == 1.0
    assert whole.span == " ".join(normalised_words(SENTENCE))
    (part,) = only("Given the red capsule slept through the storm, and none of them woke.")
    assert (part.kind, part.share) == ("ngram", round(13 / 29, 3))
    assert part.span == "given the red capsule slept through the storm and none of them woke"
    (joined,) = only(SENTENCE.replace("r", "r-"))
    assert (joined.kind, joined.share) == ("substring", 1.0)


def test_a_lone_phrase_touches_and_does_not_flag():
    phrase = "He said that none of them woke before the keeper came."
    assert only(phrase) == []
    report = LeakIndex([ItemText("t", "1", SENTENCE)]).report([("s", phrase)])
    assert (report.touched, report.leaks) == ({"t": 1}, {})
    (hit,) = only(phrase, share=0, short_share=0, short_words=8)
    assert hit.span == "none of them woke before the keeper came"
    assert only(phrase, share=0, short_share=0, short_words=9, words=9) == []


@pytest.mark.parametrize(
    ("own", "shared", "flagged"),
    [
        (11, 6, False),  # "plays a pivotal role in the": half of a short item
        (11, 8, True),
        (16, 11, False),
        (16, 12, True),
        (22, 11, False),
        (22, 12, True),
        (40, 17, True),  # a single run of 13 words
        (100, 19, False),  # a heading, a set phrase
        (100, 20, True),
        (400, 24, False),
        (400, 25, True),
    ],
)
def test_a_phrase_is_no_evidence_and_most_of_an_item_is(own, shared, flagged):
    words = [f"wor{'abcdefghij'[n // 100]}{'abcdefghij'[n // 10 % 10]}{'abcdefghij'[n % 10]}"
             for n in range(own)]  # fmt: skip
    index = LeakIndex([ItemText("t", "1", " ".join(words))])
    start = (own - shared) // 2
    found = index.scan([("s", inside(" ".join(words[start : start + shared])))])
    assert bool(list(found)) == flagged


def test_a_short_item_with_a_word_replaced_is_found_by_both_its_parts():
    item = ItemText("t", "1", "Nine ferrets slept through the entire storm until their keeper came")
    text = item.input.replace("entire", "whole")
    assert [hit.share for hit in LeakIndex([item]).scan([("s", text)])] == [0.909]


def test_an_item_with_some_words_changed_is_found_by_its_pieces():
    changed = SENTENCE.replace("capsule", "tablet").replace("keeper", "warden")
    assert [hit.kind for hit in only(changed)] == ["near"]


def every(step, change):
    """Words of which each `step`-th is replaced, left out, or has a new one behind it."""

    def disguise(text):
        rng = random.Random(text)
        words = []
        for place, word in enumerate(text.split(), 1):
            new = generated_text(rng, 1)
            kept = {"replaced": [new], "left out": [], "put in": [word, new]}[change]
            words += kept if place % step == 0 else [word]
        return " ".join(words)

    return disguise


def some_replaced(text):
    rng = random.Random(text)
    return " ".join(generated_text(rng, 1) if rng.random() < 0.15 else w for w in text.split())


DISGUISES = {
    **{f"every {n}th {how}": every(n, how) for n in (4, 5, 8) for how in ("replaced", "put in")},
    **{f"every {n}th left out": every(n, "left out") for n in (5, 8)},
    "15 in 100 replaced": some_replaced,
}


@pytest.mark.parametrize("name", DISGUISES)
def test_an_item_with_many_words_changed_is_found_in_its_place(name):
    items = [item for item in generated_items() if len(item.input.split()) > 60]
    index = LeakIndex(items)
    planted = [(item.id, inside(DISGUISES[name](item.input))) for item in items]
    found = {(hit.source, hit.item) for hit in index.scan(planted)}
    # No other item is, however many phrases texts of such common words share.
    assert all(source == item for source, item in found)
    assert len(found) >= 0.95 * len(items)


def test_phrases_that_lie_apart_are_no_evidence():
    words = SENTENCE.split()
    pieces = [" ".join(words[at : at + 3]) for at in range(0, len(words) - 3, 4)]
    rng = random.Random(9)
    rng.shuffle(pieces)
    apart = " ".join(f"{piece} {generated_text(rng, 30)}" for piece in pieces)
    assert only(apart) == []


def test_what_many_documents_of_a_task_share_is_no_evidence():
    wording = "Does the report above say that the price of the metal is going up or down?"
    rng = random.Random(4)
    items = [
        ItemText("t", str(i), f"{generated_text(rng, 12)}\n{wording}", document=f"d{i}")
        for i in range(40)
    ]
    assert list(LeakIndex(items).scan([("s", wording)])) == []
    # Forty questions about one report share the report, not a wording.
    same = [ItemText("t", str(i), f"{SENTENCE} Question {i}?", document="one") for i in range(40)]
    assert len(list(LeakIndex(same).scan([("s", SENTENCE)]))) == 40
    # Another task's items may say it once.
    index = LeakIndex([*items, ItemText("u", "1", wording)])
    assert [hit.task for hit in index.scan([("s", wording)])] == ["u"]


SHARED = {
    "a long item, half of it shared": (40, 40),
    "a long item, a run of 26 words shared": (90, 26),
    "a short item, most of it shared": (6, 12),
}


@pytest.mark.parametrize("documents", [2, 9, 10, 11, 12, 40, 250])
@pytest.mark.parametrize("shape", SHARED)
@pytest.mark.parametrize("others", [0, 30])
def test_an_item_that_a_text_holds_is_flagged_or_told_however_many_share_it(
    documents, shape, others
):
    rng = random.Random(documents)
    own, shared = SHARED[shape]
    wording = generated_text(rng, shared)
    items = [
        ItemText("t", str(i), f"{generated_text(rng, own)}\n{wording}", document=f"d{i}")
        for i in range(documents)
    ]
    items += [ItemText("t", f"o{i}", generated_text(rng, 50)) for i in range(others)]
    index = LeakIndex(items)
    report = index.report([("clean", generated_text(rng, 200)), ("s", inside(wording))])
    flagged = len(report.leaks)
    told = report.wordings["t"].items if report.wordings else 0
    assert flagged + told == documents
    # Where the step is; a word before the wording may be one that the text has there too.
    assert told == 0 if documents <= 10 else flagged < 0.1 * documents
    if told:
        assert report.wordings["t"].source == "s"
        assert " ".join(normalised_words(wording)) in report.wordings["t"].span
    # Held whole, an item is flagged by its own words too, and not told beside.
    whole = index.report([("s", item.input) for item in items])
    assert {name for _, name in whole.leaks} == {item.id for item in items}
    assert whole.wordings == {}
    assert index.report([("clean", generated_text(rng, 200))]).wordings == {}


def test_half_a_wording_and_half_of_the_rest_are_told_together():
    rng = random.Random(5)
    wording = generated_text(rng, 24)
    items = [ItemText("t", str(i), f"{generated_text(rng, 28)}\n{wording}") for i in range(20)]
    own = items[3].input.split()[:10]
    report = LeakIndex(items).report([("s", f"{' '.join(own)} and {wording}")])
    assert report.leaks == {}
    assert report.wordings["t"].items == 20  # the wording alone is 13 words and more
    # 12 words of the wording, a run too short alone: only with an item's own words it is enough.
    some = " ".join(wording.split()[:12])
    own = " ".join(items[3].input.split()[:12])
    assert LeakIndex(items).report([("s", f"{own} so {some}")]).wordings["t"].items == 1
    assert LeakIndex(items).report([("s", some)]).wordings == {}


def test_long_answers_are_evidence_and_names_are_not():
    name = "receptor activator of nuclear factor kappa b ligand"
    item = ItemText("t", "1", "Which factor do osteoclasts need to ripen?", (name, SENTENCE))
    index = LeakIndex([item])
    assert list(index.scan([("s", f"We measured {name} in serum.")])) == []
    assert [hit.kind for hit in index.scan([("s", SENTENCE)])] == ["whole"]


@pytest.mark.parametrize(
    ("text", "checked"),
    [
        ("Registration is required.", False),
        ("0.1 to 0.4 and 2 to 3", False),
        ("???", False),
        ("Philips was not available to comment on the report.", True),
        ("Aspartylglucosaminuria among the Palestinian Arabs.", True),
    ],
)
def test_short_inputs_are_found_whole_or_counted_as_unchecked(text, checked):
    report = LeakIndex([ItemText("t", "1", text)]).report([("s", f"Then: {text} And so on.")])
    assert report.unchecked == ({} if checked else {"t": ("1",)})
    assert set(report.leaks) == ({("t", "1")} if checked else set())
    assert report.share("t") == float(checked)


def test_numbers_alone_are_no_evidence():
    row = "2019 2018 27 817 5 824 27 069 22 914"
    item = ItemText("t", "1", f"{SENTENCE}\n| {row} |")
    assert (
        list(LeakIndex([item], LeakRule(share=0, short_share=0, short_words=8)).scan([("s", row)]))
        == []
    )


def test_batches_and_processes_do_not_show(monkeypatch):
    items = generated_items(60)
    wording = "Which of the words in the context above was written first?"
    texts = [(f"s{i}", inside(item.input)) for i, item in enumerate(items)]
    texts.insert(20, ("wording", f"It asks: {wording} {wording}"))
    index = LeakIndex([*items, *(ItemText("u", f"{i}", f"{wording} {i}") for i in range(20))])
    at_once, report = list(index.scan(texts)), index.report(texts)
    assert len(at_once) >= 60
    assert report.wordings
    monkeypatch.setattr(leak_index, "_BATCH", 3000)
    beside = []
    real = leak_index.in_processes

    def counted(function, inputs, workers):
        given = list(inputs)
        beside.append(len(given))
        return real(function, given, workers)

    monkeypatch.setattr(leak_index, "in_processes", counted)
    for alone in (10**6, 8):  # all here; then most of them beside
        monkeypatch.setattr(leak_index, "_ALONE", alone)
        monkeypatch.setattr(leak_index, "cores", lambda: 2)
        assert list(index.scan(texts)) == at_once
        assert index.report(texts) == report
    assert beside[:2] == [0, 0]
    assert min(beside[2:]) > 8


def test_of_many_sources_the_strongest_are_kept_and_all_are_counted():
    parts = [half(SENTENCE, second=False), SENTENCE, half(SENTENCE, second=True)]
    report = LeakIndex([ItemText("t", "1", SENTENCE)]).report(
        [(f"s{i}", text) for i, text in enumerate(parts)], keep=2
    )
    leak = report.leaks["t", "1"]
    assert leak.sources == 3
    assert [hit.source for hit in leak.hits] == ["s1", "s0"]


def test_a_report_is_plain_data():
    report = LeakIndex([ItemText("t", "1", SENTENCE), ItemText("t", "2", "Short.")]).report(
        [("s", SENTENCE)]
    )
    plain = json.loads(json.dumps(report.to_json()))
    assert plain["rule"]["words"] == 8
    assert plain["texts"] == 1
    task = plain["tasks"]["t"]
    assert (task["items"], task["unchecked"], task["touched"], task["share"]) == (2, ["2"], 1, 1.0)
    assert task["flagged"]["1"]["hits"][0]["source"] == "s"


def test_nothing_to_compare():
    assert LeakIndex([]).report([("s", SENTENCE)]).leaks == {}
    empty = LeakIndex([ItemText("t", "1", SENTENCE)]).report([])
    assert (empty.texts, empty.share("t")) == (0, 0.0)


def test_words_lose_case_accents_punctuation_and_invisible_characters():
    assert normalised_words("Sjögren’s AL\u00adTHOUGH p27(Kip1), x_y ﬁt") == [
        "sjogrens", "although", "p27", "kip1", "x", "y", "fit",
    ]  # fmt: skip


def test_an_example_is_all_its_fields():
    row = {"id": "1", "instruction": "Do.", "input": "", "output": "Done.", "title": None}
    assert example_text(row) == "Do.\nDone."
