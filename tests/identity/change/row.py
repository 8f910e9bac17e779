"""A row of the table: what is changed, and what then happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.identity.change.project import Project

# Answers.
ASKED, STORED, NEW = "asked again", "from the store", "what is new is asked"
# The record, and where it is shown.
SAME, PLACE, BESIDE = "the same", "in the old one's place", "beside the old one"
# What was made of a model.
KEPT, ANEW = "kept", "made anew"


@dataclass(frozen=True)
class Row:
    """One change between two runs.

    Attributes:
        what: is changed, as the page says it.
        change: does it.
        answers, record, made: what happens; `made` is "" where nothing is made of a model.
        refused: part of the message, where the second run is refused instead.
        of: the field or key that it stands for, "ModelSpec.dtype"; "" for others.
        models: that are run before and after; `then` only after, where these differ.
        keeps: facts of the manifest that stay those of the first run, and of no fresh one.
    """

    what: str
    change: Callable[[Project], Any]
    answers: str = ""
    record: str = ""
    made: str = ""
    refused: str = ""
    of: str = ""
    models: tuple[str, ...] = ("m",)
    keeps: tuple[str, ...] = ()
    then: tuple[str, ...] = ()


def asked(what: str, change: Callable[[Project], Any], of: str = "", **more: Any) -> Row:
    return Row(what, change, ASKED, BESIDE, of=of, **more)


def same(what: str, change: Callable[[Project], Any], of: str = "", **more: Any) -> Row:
    return Row(what, change, STORED, SAME, of=of, **more)


def told(what: str, change: Callable[[Project], Any], of: str = "", **more: Any) -> Row:
    """Answers stay; what the record says of its model or task changes."""
    return Row(what, change, STORED, PLACE, of=of, **more)


def scored(what: str, change: Callable[[Project], Any], of: str = "", **more: Any) -> Row:
    """The same answers, another task: scored anew, shown beside."""
    return Row(what, change, STORED, BESIDE, of=of, **more)


def refused(what: str, change: Callable[[Project], Any], message: str, of: str = "") -> Row:
    return Row(what, change, refused=message, of=of)
