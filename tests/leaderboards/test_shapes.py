"""Results of odd and real shapes: numbers worked by hand, and what must be said of them."""

import json

import pytest

from bench import cli
from leaderboards.build import build
from leaderboards.pages.figures import task_differences
from leaderboards.pages.words import meaning, tone, verdicts
from leaderboards.spec import BoardSpec
from leaderboards.text.closing import closing
from leaderboards.text.escape import escaped
from leaderboards.text.grids import difference, legend, score
from leaderboards.text.latex import render_latex
from leaderboards.text.render import render_csv, render_json, render_markdown
from leaderboards.text.verdict import BETTER, LACKING, WORSE, judged
from tests.leaderboards.records import item, record, record_of, store

SPEC = BoardSpec("made_up", resamples=500)


def rows_of(records, spec=SPEC):
    (section,) = build(records, spec).sections
    return {row.label: row for row in section.rows}


def test_failing_on_every_hard_item_makes_no_model_the_best():
    """Ten hard, ten easy items: one fails on the hard, the other is right on one of them."""
    crasher, honest = [None] * 10 + [1] * 10, [1] + [0] * 9 + [1] * 10
    rows = rows_of([record("crasher", "t", crasher), record("honest", "t", honest)])
    one, two = rows["crasher"].cells[0], rows["honest"].cells[0]
    assert (one.score, one.missing, one.rank, one.best) == (1.0, 0.5, None, False)
    assert (one.bounds.low, one.bounds.high) == (0.5, 1.0)
    assert (two.score, two.rank, two.best) == (0.55, (1, 1), True)
    assert (one.to_best.value, one.to_best.n) == (0.0, 10)
    assert score(one) == "100.0†50.0% (50.0 to 100.0)"


def test_a_difference_of_a_row_with_many_failed_calls_has_its_mark_and_no_verdict():
    """Right where it answers: what failed may be what differs."""
    records = [record("api", "t", [None] * 5 + [1] * 45), record("b", "t", [1, 0] * 25)]
    gap = rows_of(records)["api"].cells[0].to_best
    assert (gap.significant, gap.lacking, judged(gap)) == (True, 0.1, LACKING)
    assert "*†10.0% [" in difference(gap)
    few = [record("api", "t", [None] + [1] * 49), record("b", "t", [1, 0] * 25)]
    rows = rows_of(few)  # one call in fifty is the limit, not above it
    gap = rows["b"].cells[0].to_best
    assert rows["api"].cells[0].rank == (1, 1)
    assert (gap.lacking, judged(gap)) == (0.0, WORSE)


def test_rows_of_other_items_are_told():
    made = [record_of(m, "t", [item(i + s, 1) for i in range(4)]) for m, s in (("a", 0), ("b", 2))]
    told = build(made, SPEC).notes
    for label in "ab":
        assert f"{label} on t: 2 of 4 items were asked of no other row" in "\n".join(told)
    cut = build([record("a", "t", [1] * 4), record("b", "t", [1] * 2)], SPEC).notes
    assert not any("asked of no other row" in note for note in cut)


def test_a_star_decides_the_place_of_a_pair():
    """Seven gained of seven, p 0.016: surely alone, and not among eight such tasks."""

    def pair(task, gained):
        return [record("a", task, [0] * gained + [1] * 20),
                record("selfspec-a", task, [1] * (gained + 20))]  # fmt: skip

    alone = rows_of(pair("t0", 7))
    assert [alone[r].cells[0].rank for r in ("selfspec-a", "a")] == [(1, 1), (2, 2)]
    many = rows_of([r for n in range(8) for r in pair(f"t{n}", 7 if n < 1 else 1)])
    assert not many["selfspec-a"].cells[0].difference.significant
    assert [many[r].cells[0].rank for r in ("selfspec-a", "a")] == [(1, 2), (1, 2)]


def test_less_is_better_is_read_as_a_gain_everywhere():
    records = [record("a", "t", [9] * 30, metric="ppl", aggregation="mean"),
               record("selfspec-a", "t", [4] * 30, metric="ppl", aggregation="mean")]  # fmt: skip
    for made in records:
        made.manifest["metrics"]["ppl"] |= {"higher_is_better": False, "unit": "number"}
    (section,) = build(records, SPEC).sections
    gap = next(r.cells[0].difference for r in section.rows if r.specializer)
    assert (gap.value, gap.gain, gap.lower_is_better, judged(gap)) == (-5.0, 5.0, True, BETTER)
    assert (tone(gap), verdicts(section)[0]["better"]) == ("up", 1)


def test_bounds_of_counts_are_read_off_what_another_model_answered():
    """Two items of two entities each: the first found whole, the second failed."""

    def counted(model, *counts):
        rows = [item(i, c, metric="f1") if c else item(i, 0, status="error", metric="f1")
                for i, c in enumerate(counts)]  # fmt: skip
        return record_of(model, "ner", rows, metric="f1", aggregation="micro_f1")

    rows = rows_of([counted("a", [2, 0, 0], None), counted("b", [0, 1, 2], [1, 0, 1])])
    cell = rows["a"].cells[0]
    # All missed: 2 tp, 0 fp, 2 fn; all found: 4 tp.
    assert (cell.score, cell.bounds.low, cell.bounds.high) == (1.0, pytest.approx(4 / 6), 1.0)
    alone = rows_of([counted("a", [2, 0, 0], None)])["a"].cells[0]
    assert (alone.bounds.low, alone.bounds.high) == (0.0, 1.0)


def test_a_base_that_failed_where_it_was_right_gives_one_difference_everywhere():
    right = [1, 0] * 20
    base = [None if value else value for value in right]
    records = [r for t in "tu" for r in (record("a", t, base), record("selfspec-a", t, right))]
    rows = rows_of(records)
    for entry in (*rows["selfspec-a"].cells, rows["selfspec-a"].average):
        assert entry.difference.value == 0.0
    for entry in (*rows["a"].cells, rows["a"].average):
        assert entry.to_best.value == 0.0


def test_one_failed_call_unpairs_nobody():
    wrong = [0] * 8 + [1] * 32
    better = [1] * 40
    one = [record(m, t, v) for t in "tu" for m, v in (("a", wrong), ("b", better))]
    other = [*one[:2], record("a", "u", [None, *wrong[1:]]), one[3]]
    before, after = (rows_of(r)["a"].average.to_best for r in (one, other))
    width = before.interval.high - before.interval.low
    assert after.interval.high - after.interval.low == pytest.approx(width, rel=0.1)


def test_a_difference_without_leaked_items_stands_under_the_same_correction():
    """p = 0.021 of nine gained and one lost, in ten tasks: Holm makes it 0.21, not a star."""
    records = []
    for number in range(10):
        base = [0] * 20 + [1] * 20
        made = [1] * 9 + [0] * 11 + [1] * 20 if number == 0 else base
        flags = [["leaked"] if number == 0 and i in (30, 31) else [] for i in range(40)]
        rows = [item(i, v, flags=f) for i, (v, f) in enumerate(zip(made, flags, strict=True))]
        records += [record("a", f"t{number}", base), record_of("selfspec-a", f"t{number}", rows)]
    cell = rows_of(records)["selfspec-a"].cells[0]
    assert cell.clean.p == pytest.approx(2 / 2**9)
    assert cell.clean.p_holm == pytest.approx(10 * 2 / 2**9)
    assert (cell.clean.n, cell.leaked) == (38, 2)
    assert score(cell).startswith("72.5‡2 [")


def test_a_task_of_which_all_items_leaked_has_no_score():
    made = record_of("selfspec-a", "t", [item(i, 1, flags=["leaked"]) for i in range(6)])
    board = build([record("a", "t", [1, 0] * 3), made], SPEC)
    cell = next(row.cells[0] for row in board.sections[0].rows if row.specializer)
    assert (cell.score, cell.rank, cell.difference, cell.untested) == (None, None, None, True)
    assert score(cell) == "–‡6"
    assert any(
        "no score, all 6 items are in what the model was made from" in n for n in board.notes
    )
    assert "–‡6" in render_markdown(board)
    assert ",6," in render_csv(board)


def test_all_wrong_against_all_right_is_as_sure_to_the_best_as_to_the_base():
    records = [
        record(m, t, ["?"] * 20 if m == "a" or t == "t" else [1] * 20)
        for m in ("a", "selfspec-a")
        for t in "tu"
    ]
    rows = rows_of(records)
    to_base, to_best = rows["selfspec-a"].average.difference, rows["a"].average.to_best
    assert to_base.p == to_best.p < 0.001
    assert to_base.value == -to_best.value == 0.5


def test_draws_that_only_one_of_two_has_are_not_compared_and_named():
    records = [
        record("a", "t", [1, 0, 0, 0], draw=0), record("a", "t", [1, 1, 1, 1], draw=1),
        record("selfspec-a", "t", [1, 1, 0, 0], draw=0),
    ]  # fmt: skip
    rows = rows_of(records)
    assert rows["a"].cells[0].score == 0.625
    gap = rows["selfspec-a"].cells[0].difference
    assert (gap.value, gap.draws) == (0.25, (0,))
    assert difference(gap).endswith("(draw 0)")


def test_the_nearest_base_is_chosen_by_a_rule_and_marked():
    def at(model, values, **numerics):
        return record(model, "t", values, numerics=numerics)

    records = [
        at("a", [1, 0, 0, 0], engine="hf", dtype="float32"),
        at("a", [1, 1, 1, 1], engine="vllm", dtype="bfloat16"),
        at("selfspec-a", [1, 1, 1, 0], engine="hf", dtype="float16"),
    ]
    board = build(records, SPEC)
    rows = {row.label: row for row in board.sections[0].rows}
    assert set(rows) == {"a (hf, float32)", "a (vllm, bfloat16)", "selfspec-a"}
    gap = rows["selfspec-a"].cells[0].difference
    assert (gap.other, gap.value) == ("a (hf, float32)", 0.5)
    assert gap.unlike == ("dtype float32, not float16",)
    assert difference(gap).startswith("+50.0≈ [")
    exact = [*records, at("a", [0] * 4, engine="hf", dtype="float16")]
    gap = rows_of(exact)["selfspec-a"].cells[0].difference
    assert (gap.other, gap.unlike) == ("a (hf, float16)", ())


def test_two_suites_with_a_task_of_one_name_are_two_columns_that_both_count():
    records = [
        record(m, t, values, suite=suite)
        for suite, values in (("biomed", [1, 1, 0, 0]), ("finance", [1, 0, 0, 0]))
        for m in "ab"
        for t in "tu"
    ]
    (section,) = build(records, SPEC).sections
    assert [(c.suite, c.task, c.in_average) for c in section.columns] == [
        ("biomed", "t", True), ("finance", "t", True),
        ("biomed", "u", True), ("finance", "u", True),
    ]  # fmt: skip
    assert section.rows[0].average.score == pytest.approx(0.375)
    text = render_markdown(build(records, SPEC))
    assert "biomed/t" in text
    assert "finance/t" in text


def test_a_newer_version_in_one_row_takes_nobodys_average_away():
    records = [record(m, t, [1, 0, 1, 1]) for m in "abc" for t in ("t0", "t1", "t2")]
    records += [record("d", t, [1, 1, 1, 1]) for t in ("t1", "t2")]
    records += [record("d", "t0", [1, 0, 0, 0], task_version="2")]
    board = build(records, SPEC)
    rows = {row.label: row for row in board.sections[0].rows}
    assert [rows[m].average.score for m in "abc"] == [0.75] * 3
    assert rows["d"].average is None
    assert "0-shot: an average needs all 3 tasks; d lacks t0 v1." in board.notes
    assert (
        "0-shot: on the 2 tasks that every row has (t1, t2) the means are d 100.0, a 75.0, "
        "b 75.0, c 75.0." in board.notes
    )


def test_what_is_of_fewer_tasks_says_so():
    records = [record("a", f"t{n}", ["?", 1, 0, 1]) for n in range(5)]
    records += [record("b", f"t{n}", [1, 1, 0, 1]) for n in range(2)]
    text = render_markdown(build(records, SPEC))
    assert "0.0 (2/5 tasks)" in text
    assert "24 (2/5 columns)" in text


def test_ties_are_ties():
    board = build([record(m, "t", [1, 0, 1, 1]) for m in "zab"], SPEC)
    for row in board.sections[0].rows:
        assert (row.cells[0].best, row.cells[0].to_best) == (True, None)
    assert "| t | all 3 equal |" in render_markdown(board)


def test_rows_not_asked_or_run_alike_are_marked_and_told():
    records = [
        record("a", "t", [1, 0], chat=True, chat_instruction="system", packages={"torch": "2.1"}),
        record("b", "t", [1, 1], chat=True, chat_instruction="user", packages={"torch": "2.2"}),
    ]
    board = build(records, SPEC)
    assert "b §" in render_markdown(board)
    told = "\n".join(board.notes)
    assert "instruction: system turn: a; instruction: user turn: b" in told
    assert "torch 2.1: a; torch 2.2: b" in told


def test_a_row_that_needs_no_model_reads_no_instruction_and_is_not_marked():
    records = [
        record("a", "t", [1, 0], chat=True, chat_instruction="system"),
        record("floor:copy", "t", [0, 0], chat=True, model_kind="floor", model_digest=""),
    ]
    assert "§" not in render_markdown(build(records, SPEC))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"prompt_sha256": "f" * 64}, "1 of 3 prompts are not those of the other rows"),
        ({"target": ["no"]}, "1 of 3 expected answers are not those of the other rows"),
        ({"document": "elsewhere"}, "1 of 3 documents are not those of the other rows"),
    ],
)
def test_prompts_answers_and_documents_that_differ_are_told(change, told):
    records = [record(m, "t", [1, 0, 1]) for m in ("a", "b", "c")]
    rows = [{**i, **(change if i["id"] == "i0001" else {})} for i in records[1].items]
    board = build([records[0], record_of("b", "t", rows), records[2]], SPEC)
    assert [note for note in board.notes if told in note and note.startswith("b on t")]


def test_choosing_tasks_tells_what_is_left_of_a_star():
    """Six gained of six is p = 0.031 alone, and 0.31 among the ten tasks recorded."""
    records = []
    for number in range(10):
        base = [0] * 6 + [1] * 6
        records += [
            record("a", f"t{number}", base),
            record("selfspec-a", f"t{number}", [1] * 12 if number == 0 else base),
        ]
    board = build(records, BoardSpec("made_up", tasks=("t0",), resamples=500))
    (note,) = [note for note in board.notes if note.startswith("Chosen")]
    assert "1 of 10 tasks" in note
    assert "selfspec-a against a on t0 (0.031 becomes 0.312)" in note


def test_what_a_declaration_names_and_no_record_has_is_told():
    spec = BoardSpec("b", suite="made_up", shots=(0, 7), tasks=("t", "tt"), metrics={"uu": "f1"},
                     versions={"vv": "1"}, resamples=100)  # fmt: skip
    told = "\n".join(build([record("a", "t", [1, 0])], spec).notes)
    for name in ("shots 7", "tt", "[metrics] uu", "[versions] vv"):
        assert f"{name}: declared for this board, no record found." in told
    lost = build([record("a", "t", [1, 0])], BoardSpec("b", suite="madeup")).notes
    assert any("suite madeup: declared" in note and "made_up" in note for note in lost)


@pytest.mark.parametrize("value", [float("inf"), 1e300, "1", None, [1, 2]])
def test_what_is_no_number_is_left_out_and_named_and_the_rest_is_shown(value):
    made = record_of("a", "t", [item(i, value if i == 2 else 1) for i in range(4)])
    board = build([made, record("b", "t", [1, 0, 1, 0])], SPEC)
    (told,) = board.refused
    assert "a/t@0.0/items.jsonl:3: item 'i0002' has accuracy" in told
    assert "expected a finite number" in told
    assert [row.label for row in board.sections[0].rows] == ["b"]
    json.loads(render_json(board), parse_constant=pytest.fail)
    assert "## Left out" in render_markdown(board)


def test_counts_of_another_width_are_named():
    def counted(model, *counts):
        rows = [item(i, list(c), metric="f1") for i, c in enumerate(counts)]
        return record_of(model, "t", rows, metric="f1", aggregation="macro_f1_counts")

    one, two = (1, 0, 0, 0, 0, 1), (1, 0, 0)
    board = build([counted("a", one, one), counted("b", one, two), counted("c", one, one)], SPEC)
    (told,) = board.refused
    assert "b/t@0.0/items.jsonl:2: item 'i0001' has f1 [1, 0, 0], expected 6 finite counts" in told


def test_the_command_shows_the_rest_and_exits_1(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "bench-out" / "runs"
    store(runs, record("a", "t", [1, 0, 1, 0]), record("b", "t", [1, 0, 1, 0]))
    assert cli.main(["board", "--quiet"]) == 0
    items = runs / "b" / "t@0.0" / "items.jsonl"
    items.write_bytes(items.read_bytes().replace(b'"accuracy": 1', b'"accuracy": 0', 1))
    assert cli.main(["board", "--quiet"]) == 1
    told = capsys.readouterr().err
    assert "left out" in told
    assert "b/t@0.0/items.jsonl: changed since the record was written" in told
    board = json.loads((tmp_path / "bench-out" / "board" / "board.json").read_text())
    assert [row["label"] for row in board["sections"][0]["rows"]] == ["a"]
    (named,) = board["refused"]
    assert named.startswith("runs/b/t@0.0/items.jsonl: changed")  # the same bytes elsewhere
    for name in ("index.html", "README.md"):
        text = (tmp_path / "bench-out" / "board" / name).read_text()
        assert "Left out" in text
        assert "changed since the record was written" in text
    capsys.readouterr()
    assert cli.main(["board", "check", "--quiet"]) == 1  # for what is left out, and for no file
    told = capsys.readouterr().err
    assert told.startswith("left out: ")
    assert "is not what its" not in told


def test_a_difference_with_leaked_items_bears_the_mark_wherever_it_stands():
    """Two items of the row and one of its base: three of the difference, in every form."""
    task = [1] * 12 + [0] * 8
    rows = [item(i, 1, flags=["leaked"] * (i < 2)) for i in range(20)]
    base = [item(i, v, flags=["leaked"] * (i == 9)) for i, v in enumerate(task)]
    records = [
        made
        for name in ("t", "u")
        for made in (record_of("a", name, base), record_of("selfspec-a", name, rows))
    ]
    board = build(records, SPEC)
    (section,) = board.sections
    row = next(row for row in section.rows if row.specializer)
    assert [row.cells[0].difference.leaks, row.cells[0].clean.leaks] == [3, 0]
    assert row.average.difference.leaks == 6
    assert difference(row.cells[0].difference).startswith("+40.0*‡3 [")
    text = render_markdown(board)
    assert escaped(difference(row.cells[0].difference)) in text
    assert escaped(difference(row.average.difference)) in text
    assert "without 3 leaked" in text
    assert r"+40.0\textsuperscript{*}\textsuperscript{\ddag}3" in render_latex(board)
    assert "average +40.0‡6 [" in "\n".join(closing(board))
    assert "of a difference: in what either of the two was" in "\n".join(legend(board))
    assert "+40.0*‡3" in task_differences("k", row, section)
    assert "3 of these items are in what one of the two was made from" in meaning(row.cells[0])


def test_a_mean_in_a_sentence_says_what_is_missing_and_leaked():
    rows = [item(i, 1, flags=["leaked"] * (i < 2)) for i in range(4)]
    records = [
        record_of("b", "t", rows), record("a", "t", [None, 1, 1, 1]), record("a", "u", [1, 0]),
    ]  # fmt: skip
    told = "\n".join(build(records, SPEC).notes)
    assert "the means are a 100.0 (25.0 % missing), b 100.0 (2 leaked)." in told


def test_a_pair_with_a_star_in_one_of_its_two_places_is_ranked_by_it():
    """Six lost of six, p 0.031: to the best Holm leaves it, to a base it is doubled."""
    base, made = [0] * 6 + [1] * 14, [1] * 20
    other = [0] * 8 + [1] * 12
    records = [record("a", "t", base), record("selfspec-a", "t", made),
               record("selfspec-b", "t", other, model_digest="c" * 64),
               record("b", "t", other[::-1], model_digest="c" * 64)]  # fmt: skip
    rows = rows_of(records)
    behind, ahead = rows["a"].cells[0], rows["selfspec-a"].cells[0]
    assert behind.to_best.other == "selfspec-a"
    assert ahead.difference.other == "a"
    assert behind.to_best.p == ahead.difference.p
    assert behind.to_best.p_holm == pytest.approx(2 / 2**6)
    assert ahead.difference.p_holm == pytest.approx(4 / 2**6)
    assert (behind.rank[0], ahead.rank) == (2, (1, 1))


def test_a_task_of_which_all_scored_items_leaked_has_no_score():
    """Nine leaked and right, the tenth failed: nothing is left that was a test."""
    rows = [item(i, 1, flags=["leaked"]) for i in range(9)] + [item(9, 0, status="error")]
    made = record_of("selfspec-a", "t", rows)
    cell = rows_of([record("a", "t", [1, 0] * 5), made])["selfspec-a"].cells[0]
    assert (cell.score, cell.rank, cell.untested, cell.leaked) == (None, None, True, 9)


def test_a_record_that_says_which_way_is_better_against_all_others_is_left_out():
    records = [record(m, "t", [1, 0] * 5) for m in "abc"]
    records[1].manifest["metrics"]["accuracy"]["higher_is_better"] = False
    for made in (records, records[::-1]):
        board = build(made, SPEC)
        assert [row.label for row in board.sections[0].rows] == ["a", "c"]
        (told,) = board.refused
        assert "the record of b on t says that less of 'accuracy' is better" in told
