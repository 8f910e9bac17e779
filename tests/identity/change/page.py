"""docs/reuse.md, made from the table: `python -m tests.identity.change.page` writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.identity.change import made, models, servers, tasks
from tests.identity.change.row import Row
from tests.identity.change.shown import SHOWN

PAGE = Path(__file__).parents[3] / "docs" / "reuse.md"
GROUPS: tuple[tuple[str, Sequence[Row]], ...] = (
    ("The model's files", models.FILES),
    ("The model's entry in bench.toml", models.SPEC),
    ("How it is asked", models.ASKING),
    ("A model behind a server", servers.SERVED),
    ("The task's YAML", tasks.KEYS),
    ("The task's rows and code", tasks.ROWS),
    ("The task's card", tasks.CARDS),
    ("What a specialised model is made from", made.MADE),
)
ROWS = tuple(row for _, rows in GROUPS for row in rows)


def page(text: str) -> str:
    """The page: what stands by hand in `text`, and the tables."""
    head, mark, _ = text.partition(MARK)
    assert mark, f"{PAGE} has no line {MARK}"
    return head + MARK + "\n" + "\n".join(tables())


MARK = "<!-- From here on made by `python -m tests.identity.change.page`. -->"


def tables() -> list[str]:
    lines = []
    for title, rows in GROUPS:
        lines += ["", f"### {title}", "", "| what is changed | answers | record | made |"]
        lines += ["| :--- | :--- | :--- | :--- |", *map(line, rows)]
    lines += ["", "## What is shown", "", "| what is changed | what happens |", "| :--- | :--- |"]
    lines += [f"| {one.what} | {one.happens} |" for one in SHOWN]
    return [*lines, ""]


def line(row: Row) -> str:
    if row.refused:
        return f"| {row.what} | refused: “{row.refused}” | | |"
    return f"| {row.what} | {row.answers} | {row.record} | {row.made or '–'} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
