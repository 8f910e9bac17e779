"""What holds of every board, whatever records it is given."""

import csv
import io
import json
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leaderboards.board import as_json
from leaderboards.build import build
from leaderboards.exchange import every_eval_ever, model_index
from leaderboards.gather import gather
from leaderboards.shown import points
from leaderboards.text.escape import escaped
from leaderboards.text.grids import FEW_MODELS, difference, score
from leaderboards.text.latex import _escaped, render_latex
from leaderboards.text.marks import marks
from leaderboards.text.render import render_csv, render_json, render_markdown
from leaderboards.text.verdict import BETTER, WORSE, judged
from tasks.aggregation import AGGREGATIONS
from tests.leaderboards.generated import SPEC, a_row, answers, boards, law, patient
from tests.leaderboards.records import record_of

pytestmark = patient


def cells(board):
    """(table, column, row) -> cell; a column by what it is, not by its place."""
    return {
        (section.title, *key(column), row.label): cell
        for section in board.sections
        for row in section.rows
        for column, cell in zip(section.columns, row.cells, strict=True)
        if cell is not None
    }


def key(column):
    return column.suite, column.task, column.version, column.metric, repr(column.decoding)


def draws_of(records, board):
    """(table, column, row) -> draw -> record, as the board places them."""
    return {
        (section.title, *key(raw.column), label): draws
        for section, table in zip(board.sections, gather(records, SPEC), strict=True)
        for raw in table.columns
        for label, draws in raw.cells.items()
    }


def told(found):
    """What a difference says, before any correction."""
    return found and (found.other, found.value, found.interval, found.p, found.n, found.draws)


def answered(draws, metric):
    """Item -> draw -> value, of the items that every draw has a value of."""
    values = {
        draw: {i["id"]: i["metrics"][metric] for i in record.items if metric in i["metrics"]}
        for draw, record in draws.items()
    }
    common = set.intersection(*map(set, values.values()))
    return {name: {draw: values[draw][name] for draw in values} for name in common}


def leaked(draws):
    """The items found in what a row was made from."""
    return {i["id"] for record in draws.values() for i in record.items if "leaked" in i["flags"]}


def plain_score(draws, metric, names, chosen):
    """The mean over draws of the aggregation over items, by the functions that suites use."""
    record = next(iter(draws.values()))
    function = AGGREGATIONS[record.manifest["metrics"][metric]["aggregation"]]
    values = answered(draws, metric)
    return float(np.mean([function([values[n][d] for n in sorted(names)]) for d in chosen]))


@law
@given(boards(), st.integers(0, 1_000))
def test_the_order_of_records_and_items_changes_nothing(records, seed):
    board = build(records, SPEC)
    mixed = [
        replace(r, items=tuple(random.Random(seed).sample(r.items, len(r.items)))) for r in records
    ]
    random.Random(seed).shuffle(mixed)
    again = build(mixed, SPEC)
    for form in (render_json, render_markdown, render_csv, render_latex):
        assert form(board) == form(again)


@law
@given(boards(), st.data())
def test_a_model_more_changes_no_others_score_difference_or_p(records, data):
    assume(records)
    like = data.draw(st.sampled_from(records))
    manifest = like.manifest
    metric = manifest["main_metric"]
    task = {
        **{name: manifest[name] for name in ("task", "suite", "task_version", "shots")},
        "metric": metric,
        "lower": not manifest["metrics"][metric]["higher_is_better"],
        "gold": data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=9)),
        "cluster": data.draw(st.sampled_from([1, 3])),
    }
    more = data.draw(answers(task, "zz", 0))
    # Of other weights: one of the same would be the base of what was specialised from them.
    more = replace(more, manifest={**more.manifest, "model_digest": "c" * 64})
    before, after = cells(build(records, SPEC)), cells(build([*records, more], SPEC))
    for place, cell in before.items():
        other = after[place]
        assert (cell.score, cell.interval, cell.missing, cell.leaked, cell.by_draw) == (
            other.score, other.interval, other.missing, other.leaked, other.by_draw,
        )  # fmt: skip
        assert told(cell.difference) == told(other.difference)
        assert told(cell.clean) == told(other.clean)


def test_a_label_that_only_others_were_asked_moves_no_interval():
    def answered_with(model, pairs, weights):
        rows = [a_row(n, "ok", pair, "macro_f1", f"d{n}", False) for n, pair in enumerate(pairs)]
        return record_of(
            model, "t", rows, metric="macro_f1", aggregation="macro_f1", n_full=6,
            model_digest=weights * 64,
        )  # fmt: skip

    # The second label is given by `b`, and asked of `c` alone.
    records = [answered_with("b", [[0, 0]] * 5 + [[0, 1]], "b")]
    more = [*records, answered_with("c", [[1, 0]], "c")]
    before, after = cells(build(records, SPEC)), cells(build(more, SPEC))
    for place, cell in before.items():
        assert cell.interval == after[place].interval


@law
@given(boards(), st.data())
def test_a_failed_call_changes_its_own_row_and_no_other(records, data):
    able = [n for n, r in enumerate(records) if any(i["metrics"] for i in r.items)]
    assume(able)
    place = data.draw(st.sampled_from(able))
    record = records[place]
    victim = data.draw(st.sampled_from([i["id"] for i in record.items if i["metrics"]]))
    rows = tuple(
        {**i, "status": "error", "metrics": {}} if i["id"] == victim else i for i in record.items
    )
    summary = {**record.summary, "n_error": record.summary["n_error"] + 1, "complete": False}
    failing = replace(record, items=rows, summary=summary)
    mended = [*records[:place], failing, *records[place + 1 :]]
    one, two = build(records, SPEC), build(mended, SPEC)
    before, after = cells(one), cells(two)
    (own,) = [p for p, draws in draws_of(mended, two).items() if failing in draws.values()]
    for where, cell in before.items():
        if where == own:
            assert after[where].missing >= cell.missing
            continue
        assert cell.score == after[where].score
        assert cell.interval == after[where].interval
        assert cell.missing == after[where].missing
        gap = cell.difference
        if gap is None or (*where[:-1], gap.other) != own:
            assert told(gap) == told(after[where].difference)


def a_difference_is_that_of_the_scores_over_what_both_answered(records, board):
    placed, found = draws_of(records, board), cells(board)
    for where, cell in found.items():
        metric = where[4]
        mine = placed[where]
        if cell.score is not None:
            values = answered(mine, metric)
            assert cell.score == pytest.approx(plain_score(mine, metric, values, list(mine)))
        for gap in (cell.difference, cell.to_best):
            if gap is None:
                continue
            theirs = placed[*where[:-1], gap.other]
            names = set(answered(mine, metric)) & set(answered(theirs, metric))
            pairs = [(one, two) for one in mine for two in theirs if one.asked == two.asked]
            ours, its = zip(*pairs, strict=True)
            assert gap.n == len(names)
            assert gap.leaks == len(names & (leaked(mine) | leaked(theirs)))
            expected = plain_score(mine, metric, names, ours)
            expected -= plain_score(theirs, metric, names, its)
            assert gap.value == pytest.approx(expected)
            assert gap.interval.low - 1e-9 <= gap.value <= gap.interval.high + 1e-9
            assert 0 <= gap.p <= gap.p_holm <= 1
            back = found[*where[:-1], gap.other].difference
            if back is not None and back.other == where[-1]:
                assert (back.value, back.p) == (pytest.approx(-gap.value), pytest.approx(gap.p))


def one_pair_has_one_difference_wherever_it_stands(records, board):
    for cell in cells(board).values():
        one, two = cell.difference, cell.to_best
        if one is not None and two is not None and one.other == two.other:
            assert told(one) == told(two)
    for section in board.sections:
        for row in section.rows:
            average = row.average
            if average and average.difference and average.to_best:
                one, two = average.difference, average.to_best
                if one.other == two.other:
                    assert told(one) == told(two)


def ranks_are_of_rows_that_lack_little_and_agree_with_the_scores(records, board):
    for section in board.sections:
        for number, column in enumerate(section.columns):
            column_cells = [c for row in section.rows if (c := row.cells[number]) is not None]
            sign = 1 if column.higher_is_better else -1
            for cell in column_cells:
                assert (cell.rank is not None) == (
                    cell.score is not None and cell.missing <= SPEC.missing and not cell.untested
                )
                if cell.missing and cell.bounds is not None and cell.score is not None:
                    assert cell.bounds.low - 1e-9 <= cell.bounds.high
            ranked = [cell for cell in column_cells if cell.rank is not None]
            # Rows of the same items and draws: their differences are those of the scores.
            if len({(cell.draws, cell.n) for cell in ranked}) == 1:
                for one in ranked:
                    for two in ranked:
                        if one.rank[1] < two.rank[0]:
                            assert sign * (one.score - two.score) > 0
            best = [cell for cell in ranked if cell.best]
            assert all(cell.to_best is None for cell in best)
            assert bool(best) == bool(ranked)
            for cell in ranked:
                top = max(sign * other.score for other in ranked)
                assert (cell in best) == (sign * cell.score >= top - 1e-12)


def every_form_says_the_same(records, board):
    content = json.loads(render_json(board), parse_constant=pytest.fail)
    assert content == json.loads(json.dumps(as_json(board)))
    lines = {
        (line["shots"], line["suite"], line["task"], line["version"], line["model"]): line
        for line in csv.DictReader(io.StringIO(render_csv(board)))
    }
    text, latex = render_markdown(board), render_latex(board)
    stated = {
        (result["metric_args"]["n"], result["metric_value"])
        for _, card in model_index.result_files(board, {})
        for result in metrics_of(card)
    }
    scores = 0
    for section, told_section in zip(board.sections, content["sections"], strict=True):
        for row, told_row in zip(section.rows, told_section["rows"], strict=True):
            for column, cell, told_cell in zip(
                section.columns, row.cells, told_row["cells"], strict=True
            ):
                if cell is None:
                    assert told_cell is None
                    continue
                line = lines.pop((
                    str(section.shots), column.suite, column.task, column.version, row.label
                ))  # fmt: skip
                for name, value in (("score", cell.score), ("missing", cell.missing)):
                    exact = None if value is None else round(value, 6) + 0.0
                    assert told_cell[name] == exact
                    assert line[name] == ("" if exact is None else str(exact))
                assert (line["n"], line["n_error"], line["leaked"]) == (
                    str(cell.n), str(cell.n_error), str(cell.leaked),
                )  # fmt: skip
                if cell.score is not None:
                    scores += 1
                    assert escaped(score(cell)) in text
                    assert (cell.n_scored, round(100 * cell.score, 4)) in stated
                    assert _escaped(f"{points(cell.score, unit=cell.unit)}{marks(cell)}") in latex
                assert line["compared_with"] == (cell.difference.other if cell.difference else "")
                assert line["best"] == (cell.to_best.other if cell.to_best else "")
                few = len(section.rows) <= FEW_MODELS
                if gap := cell.difference:
                    said_alike(gap, told_cell["difference"], line, "difference", "paired_leaked")
                    shown = difference(gap)
                    assert escaped(shown) in text
                    assert (f"‡{gap.leaks}" in shown) == (gap.leaks > 0)
                    assert not few or _escaped(shown) in latex
                if gap := cell.to_best:
                    said_alike(gap, told_cell["to_best"], line, "to_best", "to_best_leaked")
                    assert not few or escaped(difference(gap)) in text
                if cell.clean:
                    assert line["clean_difference"] == number(cell.clean.value)
                    assert line["clean_p_holm"] == number(cell.clean.p_holm)
                    assert told_cell["clean"]["p_holm"] == round(cell.clean.p_holm, 6)
                    assert cell.clean.leaks == 0
            if row.average and row.average.difference:
                gap = row.average.difference
                assert escaped(difference(gap)) in text
                assert _escaped(difference(gap)) in latex
                assert told_row["average"]["difference"].get("leaks", 0) == gap.leaks
    assert not lines
    exported = [
        result["score_details"]["score"]
        for _, text in every_eval_ever.result_files(board, {}, 0, "us", {})
        for result in json.loads(text)["evaluation_results"]
    ]
    assert len(exported) == scores


def number(value):
    """A number as the CSV has it."""
    return str(round(value, 6) + 0.0)


def said_alike(gap, told_gap, line, column, leaks):
    """A difference's value, both intervals, p and leaked items in JSON and CSV are the board's."""
    assert line[column] == number(gap.value)
    assert told_gap["value"] == round(gap.value, 6)
    spans = {"": ("interval", gap.interval), "_simultaneous": ("simultaneous", gap.simultaneous)}
    for name, (key, span) in spans.items():
        assert line[f"{column}{name}_low"] == number(span.low)
        assert line[f"{column}{name}_high"] == number(span.high)
        assert told_gap[key] == {"low": round(span.low, 6), "high": round(span.high, 6)}
    p = "p_holm" if column == "difference" else f"{column}_p_holm"
    assert (line[p], told_gap["p_holm"]) == (number(gap.p_holm), round(gap.p_holm, 6))
    assert (line[leaks], told_gap.get("leaks", 0)) == (str(gap.leaks), gap.leaks)


def metrics_of(card):
    import yaml

    (front,) = list(yaml.safe_load_all(card.strip().removeprefix("---").removesuffix("---")))
    return [
        {**metric, "metric_value": metric["value"], "metric_args": metric["args"]}
        for entry in front["model-index"]
        for result in entry["results"]
        for metric in result["metrics"]
    ]


def a_verdict_its_picture_and_its_rank_agree(records, board):
    """A star stands where the drawn interval is without 0, and only there, in every file."""
    content = json.loads(render_json(board))
    for section in content["sections"]:
        for row in section["rows"]:
            for entry in [*row["cells"], row["average"]]:
                for kind in ("difference", "to_best", "clean"):
                    gap = (entry or {}).get(kind)
                    if gap is None:
                        continue
                    drawn, alone = gap["simultaneous"], gap["interval"]
                    assert (drawn["low"] > 0 or drawn["high"] < 0) == (gap["p_holm"] < 0.05)
                    assert drawn["low"] <= gap["value"] <= drawn["high"]
                    if gap["p_holm"] >= 0.05:
                        assert drawn["low"] <= alone["low"] <= alone["high"] <= drawn["high"]
    for section in board.sections:
        for row in section.rows:
            for entry in [*row.cells, row.average]:
                if entry is None:
                    continue
                for gap in filter(None, (entry.difference, entry.to_best)):
                    words = {True: BETTER, False: WORSE}
                    sure = gap.significant and not gap.lacking
                    assert (judged(gap) in words.values()) == sure
                    if sure:
                        assert judged(gap) == words[gap.gain > 0]
                if entry.to_best is not None and entry.rank is not None:
                    # Surely behind the best: not the first. Ranks come from more pairs too.
                    assert not entry.to_best.significant or entry.rank[0] > 1


LAWS = (
    a_difference_is_that_of_the_scores_over_what_both_answered,
    one_pair_has_one_difference_wherever_it_stands,
    ranks_are_of_rows_that_lack_little_and_agree_with_the_scores,
    every_form_says_the_same,
    a_verdict_its_picture_and_its_rank_agree,
)


@law
@given(boards())
def test_every_board_keeps_the_laws(records):
    board = build(records, SPEC)
    for holds in LAWS:
        holds(records, board)
