"""Records -> board: what stands beside what, what is refused, what is marked."""

import random

import numpy as np
import pytest

from leaderboards.build import build
from leaderboards.spec import BoardSpec
from leaderboards.text.render import render_csv, render_json, render_markdown
from tests.leaderboards.records import item, record, record_of

SPEC = BoardSpec("made_up", resamples=400)


def only_section(records, spec=SPEC):
    (section,) = build(records, spec).sections
    return section


def row(section, label):
    return next(entry for entry in section.rows if entry.label == label)


def pair(task="one", **changes):
    return [
        record("tiny", task, [1, 0, 0, 0, 1, 0, 0, 0], **changes),
        record("selfspec-tiny", task, [1, 1, 1, 1, 1, 1, 1, 0], **changes),
    ]


def test_score_counts_and_difference_to_the_base():
    section = only_section(pair())
    cell = row(section, "selfspec-tiny").cells[0]
    assert cell.score == pytest.approx(7 / 8)
    assert (cell.n, cell.n_scored, cell.documents) == (8, 8, 8)
    assert cell.interval.low < 7 / 8 <= cell.interval.high
    assert cell.difference.other == "tiny"
    assert cell.difference.value == pytest.approx(5 / 8)
    assert cell.difference.test == "McNemar, exact"
    assert cell.difference.p == pytest.approx(2 / 2**5)  # five items changed, all for the better
    assert row(section, "tiny").cells[0].difference is None


def test_the_same_records_in_another_order_give_the_same_bytes():
    records = [
        *pair("one"),
        *pair("two", shots=2),
        *pair("one", draw=1),
        record("other", "one", [1, 1, 0, None, "?", 0, 0, 0]),
    ]
    forms = set()
    for seed in range(4):
        random.Random(seed).shuffle(records)
        board = build(records, SPEC)
        forms.add((render_json(board), render_markdown(board), render_csv(board)))
    assert len(forms) == 1


def test_one_more_model_changes_no_interval_of_the_others():
    before = only_section(pair())
    after = only_section([*pair(), record("other", "one", [0, 1] * 4)])
    for label in ("tiny", "selfspec-tiny"):
        assert row(before, label).cells[0].interval == row(after, label).cells[0].interval


def test_failed_calls_have_no_score_and_mark_the_record():
    records = [record("tiny", "one", [1, 1, None, "?", 0])]
    cell = row(only_section(records), "tiny").cells[0]
    assert cell.score == pytest.approx(2 / 4)
    assert (cell.n, cell.n_scored, cell.n_error, cell.n_unparseable) == (5, 4, 1, 1)
    assert not cell.complete
    notes = build(records, SPEC).notes
    assert notes[:-1] == (
        "tiny on one, 0-shot: incomplete, 1 of 5 items failed and have no score.",
        "tiny on one, 0-shot: 20.0 % of the answers are missing, more than 2 %: not ranked. "
        "With all of them wrong the score is 40.0, with all right 60.0.",
    )
    assert "every score is of one wording" in notes[-1]


def test_a_difference_uses_only_items_both_models_answered():
    records = [
        record("tiny", "one", [None, 0, 0, 1]),
        record("selfspec-tiny", "one", [1, None, 1, 1]),
    ]
    found = row(only_section(records), "selfspec-tiny").cells[0].difference
    assert (found.n, found.value) == (2, pytest.approx(0.5))


def test_no_item_scored_at_all():
    section = only_section([record("tiny", "one", [None, None]), record("other", "one", [1, 0])])
    cell = row(section, "tiny").cells[0]
    assert (cell.score, cell.interval, cell.rank, cell.complete) == (None, None, None, False)


def test_shots_chat_and_limit_never_share_a_table():
    records = [
        *pair(),
        *pair(shots=2),
        *pair(chat=True),
        *pair(limit=4),
    ]
    settings = [(s.shots, s.chat, s.limit) for s in build(records, SPEC).sections]
    assert settings == [(0, False, 0), (0, False, 4), (0, True, 0), (2, False, 0)]


def test_versions_and_decodings_never_share_a_column():
    records = [
        *pair(task_version="9"),
        record("tiny", "one", [1] * 8, task_version="10"),
        record("tiny", "one", [0] * 8, task_version="10", decoding={"max_gen_toks": 64}),
    ]
    board = build(records, SPEC)
    columns = board.sections[0].columns
    assert [column.version for column in columns] == ["9", "10", "10"]
    assert sum(column.in_average for column in columns) == 1
    assert columns[0].in_average  # two rows have it, each of the others one
    told = "one: versions 10 and 9 stand apart; one v9 (max_gen_toks=8) counts, "
    told += "which most models have."
    assert told in board.notes
    newer = build(records[1:], SPEC).sections[0].columns
    assert [column.in_average for column in newer] == [False, True, False]  # of equals, 10
    pinned = build(records, BoardSpec("made_up", versions={"one": "9"}, resamples=400))
    assert [column.version for column in pinned.sections[0].columns] == ["9"]
    assert (
        "tiny on one, 0-shot: refused, its record is of task version 10 and this board shows "
        "version 9."
    ) in pinned.notes


def test_two_artifacts_of_one_name_are_two_rows():
    section = only_section([*pair(), record("selfspec-tiny", "one", [0] * 8, artifact="c" * 64)])
    labels = sorted(entry.label for entry in section.rows)
    assert labels[2] == "tiny"
    assert all(label.startswith("selfspec-tiny (") for label in labels[:2])


def test_a_specialised_model_is_compared_with_the_base_of_its_own_numerics():
    coarse = {"engine": "hf", "dtype": "bfloat16"}
    section = only_section([*pair(), *[
        record("tiny", "one", [0] * 8, numerics=coarse),
        record("selfspec-tiny", "one", [0] * 8, numerics=coarse),
    ]])  # fmt: skip
    by_label = {entry.label: entry for entry in section.rows}
    for entry in section.rows:
        if entry.specializer:
            other = by_label[entry.cells[0].difference.other]
            assert other.numerics == entry.numerics


def test_two_records_of_one_run_are_refused_by_name():
    board = build([*pair(), record("tiny", "one", [1] * 8)], SPEC)
    (told,) = board.refused
    assert told.startswith("two records claim to be tiny on one@0.0")
    assert [entry.label for entry in board.sections[0].rows] == ["selfspec-tiny"]


def test_a_metric_no_record_has_is_refused_and_names_what_there_is():
    board = build(pair(), BoardSpec("made_up", metrics={"one": "f1"}))
    assert board.sections == ()
    assert len(board.refused) == 2
    assert all("no metric 'f1'" in told and "it has: accuracy" in told for told in board.refused)


def test_draws_are_pooled():
    records = [
        record("tiny", "one", [1, 0, 0, 0]),
        record("tiny", "one", [1, 1, 1, 0], draw=1),
    ]
    cell = row(only_section(records), "tiny").cells[0]
    assert cell.score == pytest.approx(0.5)
    assert cell.draws == (0, 1)
    assert cell.by_draw == (0.25, 0.75)
    single = row(only_section(records[:1]), "tiny").cells[0]
    assert cell.interval.high - cell.interval.low > 0
    assert single.draws == (0,)


def test_the_average_needs_every_task_and_leaves_ranking_tasks_out():
    records = [
        *pair("one"),
        *pair("two"),
        *pair("one_rank", rank_of="one"),
        record("other", "one", [1] * 8),
    ]
    section = only_section(records)
    assert [column.in_average for column in section.columns] == [True, True, False]
    assert row(section, "tiny").average.score == pytest.approx(2 / 8)
    difference = row(section, "selfspec-tiny").average.difference
    assert difference.value == pytest.approx(5 / 8)
    assert difference.p < 0.05
    other = row(section, "other")
    assert other.average is None
    assert other.missing == ("two",)


def test_the_average_of_few_tasks_says_nothing_about_other_tasks():
    few = only_section([*pair("t0"), *pair("t1")])
    many = only_section([entry for n in range(5) for entry in pair(f"t{n}")])
    assert row(few, "tiny").average.beyond is None
    assert row(many, "tiny").average.beyond is not None


def test_a_baseline_is_what_models_without_a_base_are_compared_with():
    records = [*pair(), record("other", "one", [1] * 8)]
    section = only_section(records, BoardSpec("made_up", baseline="tiny", resamples=400))
    assert row(section, "other").cells[0].difference.other == "tiny"
    assert row(section, "tiny").cells[0].difference is None


def test_a_metric_that_cannot_be_resampled_is_shown_without_interval():
    made = record("tiny", "one", [3.0, 5.0], metric="perplexity", aggregation="weighted_perplexity")
    made.summary["metrics"]["perplexity"] = 4.0
    cell = row(only_section([made]), "tiny").cells[0]
    assert (cell.score, cell.interval) == (4.0, None)


def test_micro_f1_is_computed_from_summed_counts_and_tested_by_randomisation():
    def counted(model, counts):
        rows = [item(i, list(count), metric="f1") for i, count in enumerate(counts)]
        return record_of(model, "ner", rows, metric="f1", aggregation="micro_f1")

    section = only_section(
        [counted("tiny", [(1, 0, 1), (0, 2, 2)]), counted("selfspec-tiny", [(2, 0, 0), (1, 1, 1)])]
    )
    cell = row(section, "selfspec-tiny").cells[0]
    assert cell.score == pytest.approx(6 / 8)
    assert cell.difference.value == pytest.approx(6 / 8 - 2 / 7)
    assert cell.difference.test == "randomisation"


def test_items_of_one_document_are_resampled_together():
    rng = np.random.default_rng(1)
    values = np.repeat(rng.integers(0, 2, 40), 5)

    def width(document):
        rows = [item(i, int(v), document=document(i)) for i, v in enumerate(values)]
        found = row(only_section([record_of("tiny", "one", rows)]), "tiny").cells[0].interval
        return found.high - found.low

    assert width(lambda i: f"d{i // 5}") > 1.8 * width(lambda i: f"d{i}")


def test_stand_ins_and_limits_and_absent_models_are_noted():
    records = pair(stand_in="Another set than the paper's.", limit=8, n_full=100)
    notes = build(records, BoardSpec("made_up", models=("tiny", "absent"), resamples=400)).notes
    assert "one is a stand-in: Another set than the paper's." in notes
    assert any(note.startswith("Only the first items") for note in notes)
    assert "absent: declared for this board, no record found." in notes


def test_items_that_were_chosen_by_label_are_not_called_the_first():
    chosen = pair(limit=8, n_full=100, sample="by label")
    first = pair(limit=8, n_full=100)
    for records, title, told in (
        (chosen, "0-shot, 8 items a task", "Only some items of each task were run"),
        (first, "0-shot, first 8 items", "Only the first items of each task were run"),
    ):
        board = build(records, BoardSpec("made_up", resamples=400))
        assert [section.title for section in board.sections] == [title]
        assert any(note.startswith(told) for note in board.notes)


def test_no_records():
    board = build([], SPEC)
    assert board.sections == ()
    assert "No records" in render_markdown(board)


def test_leaked_items_are_counted_and_the_difference_shown_without_them():
    leaked = {1, 2, 3, 4, 5}
    values = [1, 1, 1, 1, 1, 1, 1, 0]
    rows = [item(i, v, flags=["leaked"] if i in leaked else ()) for i, v in enumerate(values)]
    section = only_section([pair()[0], record_of("selfspec-tiny", "one", rows)])
    cell = row(section, "selfspec-tiny").cells[0]
    assert (cell.leaked, cell.clean.n) == (5, 3)
    assert cell.difference.value == pytest.approx(5 / 8)
    assert cell.clean.value == pytest.approx(2 / 3 - 1 / 3)


def test_a_row_states_what_its_specialisation_cost():
    section = only_section(pair())
    cost = {"examples": 24, "trained_parameters": 512, "training_tokens": 900}
    assert row(section, "selfspec-tiny").cost == cost | {"generated_tokens": 8 * 3}
    assert row(section, "tiny").cost == {"generated_tokens": 8 * 3}


def test_scored_answers_generate_no_tokens_and_written_examples_do():
    rows = [item(0, 1) | {"responses": [{"tokens": 2, "loglikelihood": -1.0, "greedy": True}]}]
    facts = {"instructions": {"tokens": 40}, "responses": {"tokens": 2}, "training": {}}
    made = record_of("selfspec-tiny", "one", rows, artifact_facts=facts)
    cost = row(only_section([made]), "selfspec-tiny").cost
    assert cost == {"generated_tokens": 0, "specialising_tokens": 42}


def test_every_model_is_compared_with_the_tasks_best():
    section = only_section([*pair(), record("other", "one", [1, 1, 1, 0, 0, 0, 0, 0])])
    cells = {entry.label: entry.cells[0] for entry in section.rows}
    assert cells["selfspec-tiny"].to_best is None
    for label, gap in (("tiny", -5 / 8), ("other", -4 / 8)):
        found = cells[label].to_best
        assert found.other == "selfspec-tiny"
        assert found.value == pytest.approx(gap)
        assert found.p_holm >= found.p


def test_the_best_of_a_task_where_less_is_better():
    records = [record("tiny", "one", [1, 1, 1, 0]), record("other", "one", [0, 0, 1, 0])]
    for made in records:
        made.manifest["metrics"]["accuracy"]["higher_is_better"] = False
    cells = {entry.label: entry.cells[0] for entry in only_section(records).rows}
    assert cells["other"].to_best is None
    assert cells["tiny"].to_best.value == pytest.approx(0.5)
