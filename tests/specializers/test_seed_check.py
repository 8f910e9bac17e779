"""Seeds that are fit pass; each fault is told with file, line, what was found, what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.leaks.index import LeakIndex
from harness.leaks.report import ItemText
from specializers.domain import DOMAINS
from specializers.seed_check import SeedFinding, SeedRule, check_seeds
from tests.specializers.tiny import save_domain

RULE = SeedRule(types=2, balanced_from=4, type_share=0.4, topic_share=0.6)
_TEXT = """amber basil cedar daisy elder flint grape hazel ivory jasmine kelp lemon maple nettle
olive peach quince raven saffron thistle umber violet walnut yarrow zinnia"""
WORDS = _TEXT.split()


def seed(number: int, **changes: Any) -> dict[str, str]:
    """No two of them share more than their frame."""
    mine = [WORDS[(number * 5 + place) % len(WORDS)] for place in range(5)]
    row = {
        "id": f"s{number}",
        "instruction": f"{mine[0]} {mine[1]}",
        "input": f"{mine[2]} {mine[3]}",
        "output": mine[4],
        "task_type": ("ner", "yesno", "list")[number % 3],
        "topic": ("teas", "balms")[number % 2],
    }
    return row | changes


def found(folder: Path, rows: list[dict[str, Any]], items: Any = None) -> list[SeedFinding]:
    save_domain(folder)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "seeds.jsonl").write_text(f"\n{text}")  # an empty line moves the numbers
    return check_seeds("toy", folder, items, RULE)[1]


@pytest.mark.parametrize(("name", "seeds"), [("biomed", 80), ("finance", 90), ("generic", 80)])
def test_the_built_in_seeds_pass(name: str, seeds: int) -> None:
    count, findings = check_seeds(name, DOMAINS / name, None)
    assert count == seeds
    assert [finding for finding in findings if finding.level != "note"] == []


def test_good_seeds_of_somebody_else_pass(tmp_path: Path) -> None:
    assert found(tmp_path, [seed(number) for number in range(5)]) == []


def test_schema_and_ids_are_told_with_their_lines(tmp_path: Path) -> None:
    rows = [seed(0), seed(1, id="s0"), seed(2, output=""), {**seed(3), "tpic": "teas"}]
    told = [finding.message for finding in found(tmp_path, rows)]
    assert all(finding.level == "error" for finding in found(tmp_path, rows))
    path = tmp_path / "seeds.jsonl"
    assert f"{path}:3: id 's0' is already used in line 2." in told
    assert f"{path}:4: 'output' is empty." in told
    assert any(message.startswith(f"{path}:5: unknown key 'tpic'") for message in told)


def test_a_broken_domain_toml_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "domain.toml").write_text("name = ")
    ((level, message),) = [(f.level, f.message) for f in check_seeds("toy", tmp_path, None)[1]]
    assert level == "error"
    assert "domain.toml: not TOML" in message


def test_two_seeds_that_teach_the_same_are_named(tmp_path: Path) -> None:
    twin = {key: value for key, value in seed(1).items() if key in ("instruction", "input")}
    (finding,) = found(tmp_path, [seed(0), seed(1), seed(2), seed(3, **twin), seed(4)])
    assert finding.level == "error"
    path = tmp_path / "seeds.jsonl"
    assert f"{path}:5: found seed 's3' nearly the same as 's1' ({path}:3; ROUGE-L 0.80)" in (
        finding.message
    )


def test_kinds_and_topics_out_of_balance_are_warned_of(tmp_path: Path) -> None:
    rows = [seed(number, task_type="ner", topic="teas") for number in range(5)]
    told = {finding.level: [] for finding in found(tmp_path, rows)}
    for finding in found(tmp_path, rows):
        told[finding.level].append(finding.message)
    assert set(told) == {"warning", "note"}
    assert any("found 1 kinds (ner), expected 2 or more" in text for text in told["warning"])
    assert any("task_type: found 'ner' in 5 of 5" in text for text in told["warning"])
    assert any("topic: found 'teas' in 5 of 5 seeds, expected 60%" in t for t in told["warning"])
    assert told["note"] == ["1 of 2 topics have no seed: ['balms']."]


def test_a_topic_the_domain_does_not_have(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, [seed(0), seed(1), seed(2, topic="tea")])
    assert (finding.level, finding.domain) == ("error", "toy")
    assert "found 'tea', expected one of the topics" in finding.message
    assert "Did you mean 'teas'?" in finding.message


def test_every_planted_test_item_is_found_and_named(tmp_path: Path) -> None:
    texts = {
        "in the input": {"input": "The keeper gave nine of the twelve ferrets a red capsule."},
        "in the output": {"output": "None of the ferrets woke before their breakfast at seven."},
        "in the instruction": {"instruction": "Say which storm the old ferrets slept through."},
    }
    items = LeakIndex(
        ItemText("ferrets", name, next(iter(change.values()))) for name, change in texts.items()
    )
    rows = [seed(number, **change) for number, change in enumerate(texts.values())]
    rows += [seed(3), seed(4)]
    findings = found(tmp_path, rows, items)
    assert {finding.level for finding in findings} == {"error"}
    for line, name in enumerate(texts, 2):
        (message,) = [f.message for f in findings if f"test item '{name}' of ferrets" in f.message]
        assert message.startswith(f"{tmp_path / 'seeds.jsonl'}:{line}: ")
    assert len(findings) == 3
