"""The signs beside a number, and what each means where it stands."""

from __future__ import annotations

from collections.abc import Iterator

from leaderboards.board import Average, Board, Cell, Difference, GroupScore, Row
from leaderboards.shown import LOWER

SIGNIFICANT, MISSING, LEAKED, UNLIKE, ASKED = "*", "†", "‡", "≈", "§"
NOT_ABOVE, ONE_ANSWER = "°", "="


def marks(found: Cell | Average | GroupScore | None) -> str:
    """† and the share of missing answers, ‡ and the number of leaked items."""
    if found is None:
        return ""
    missing = f"{MISSING}{100 * found.missing:.1f}%" if found.missing else ""
    # A call that failed in a record whose items cannot be counted.
    if isinstance(found, Cell) and not found.complete and not missing:
        missing = MISSING
    told = missing + (f"{LEAKED}{found.leaked}" if found.leaked else "")
    if isinstance(found, Cell):
        told += NOT_ABOVE if found.floor and not found.floor.above else ""
        told += f"{ONE_ANSWER}{100 * found.one_answer:.0f}%" if found.one_answer else ""
    return told


def gap_marks(found: Difference, beside: str = "") -> str:
    """* for a significant difference, ≈ of rows not run alike, † where much is missing, ‡ leaks.

    Args:
        beside: the signs of a score that stand there already: † and ‡ are not said twice.
    """
    star, unlike = found.significant, found.unlike
    lacking = f"{MISSING}{100 * found.lacking:.1f}%" if found.lacking else ""
    shared = [sign for sign in (lacking, leak_mark(found)) if sign not in beside]
    return (SIGNIFICANT if star else "") + (UNLIKE if unlike else "") + "".join(shared)


def leak_mark(found: Difference) -> str:
    """‡ and how many of its items either of the two models was made from."""
    return f"{LEAKED}{found.leaks}" if found.leaks else ""


def pair_draws(found: Difference) -> str:
    """The draws a difference is of, where it has not all that the two scores have."""
    if not found.draws:
        return ""
    return f" (draw{'s' if len(found.draws) > 1 else ''} {', '.join(map(str, found.draws))})"


def row_name(row: Row) -> str:
    """The row's label; § where it was asked in another way than other rows."""
    return f"{row.label} {ASKED}" if row.asked else row.label


def explained(board: Board) -> Iterator[str]:
    """What the signs that stand on this board mean, in sentences."""
    rows = [row for section in board.sections for row in section.rows]
    cells = [cell for row in rows for cell in row.cells if cell is not None]
    means = [row.average for row in rows if row.average]
    compared: list[Cell | Average] = [*cells, *means]
    found = [gap for one in compared for gap in (one.difference, one.to_best) if gap]
    entries: list[Cell | Average | GroupScore] = [*cells, *means, *board.groups]
    if any(gap.significant for gap in found):
        yield (
            f"{SIGNIFICANT} differs from its base, or from the best: p < 0.05 in a paired test, "
            "corrected (Holm) for all comparisons of that kind in the table."
        )
    if found:
        yield (
            "The interval of a difference holds for all comparisons of the table at once, and is "
            "without 0 exactly where p (Holm) is below 0.05; the one of that difference alone is "
            "under 'alone'."
        )
    unlike = {
        f"{row.label} against {gap.other}: {', '.join(gap.unlike)}": None
        for row in rows
        for cell in row.cells
        if cell is not None and (gap := cell.difference) is not None and gap.unlike
    }
    if unlike:
        yield (
            f"{UNLIKE} compared with the nearest base there is, which was not run alike "
            f"({'; '.join(unlike)})."
        )
    if any(cell.floor and not cell.floor.above for cell in cells):
        yield (
            f"{NOT_ABOVE} not surely above the best row that needs no model (floor:...), on the "
            "same items."
        )
    if any(cell.one_answer for cell in cells):
        yield (
            f"{ONE_ANSWER} one and the same answer to that share of the items: such a score says "
            "what the labels' shares are, not what the model knows."
        )
    if any(marks(entry).startswith(MISSING) for entry in entries):
        limit = f"{100 * board.most_missing:g} %"
        yield (
            f"{MISSING} that share of the answers is missing (failed or refused calls): scored on "
            f"the others. Above {limit} a row has no rank, and ( ) holds its score with all of "
            "them wrong and with all right; a difference bears the mark where either of its two "
            "rows lacks so many, for what failed may be what differs."
        )
    if any(entry.leaked for entry in entries) or any(gap.leaks for gap in found):
        yield (
            f"{LEAKED} so many items were found in what the model was made from (of a difference: "
            "in what either of the two was); a task of which all were has no score. Differences "
            "without such items stand beneath."
        )
    asked = [f"{row.label}: {row.asked}" for row in rows if row.asked]
    if asked:
        yield f"{ASKED} not asked in the same form as all rows ({'; '.join(dict.fromkeys(asked))})."
    if any(gap.draws for gap in found):
        yield "A difference with draws named is of these alone: the two share no others."
    if any(not c.higher_is_better for section in board.sections for c in section.columns):
        yield (
            f"{LOWER} lower is better: a negative difference is a gain. Such a task counts in no "
            "average."
        )
