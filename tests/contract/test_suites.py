"""What holds for every suite, so that a new one is covered unasked.

The suites are those that `bench` itself sees; rows are read where a suite
brings its own. Sets of others are checked by `bench validate` where they are.
"""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import Any

import pytest

import tasks as tasks_package
from bench.config import Config
from bench.plugins import open_registry
from tasks.cards import Card, load_card, load_cards
from tasks.validate import validate

SUITES: dict[str, Path] = open_registry(Config()).suites()
PACKAGE = Path(tasks_package.__file__).parent


@functools.cache
def _manager(folders: tuple[Path, ...], draw: int = 0) -> Any:
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    metadata = {"draw": draw} if draw else None
    return TaskManager(
        include_path=[str(folder) for folder in folders], include_defaults=False, metadata=metadata
    )


def _entries(kind: str) -> list[tuple[str, Path]]:
    return [
        (name, Path(entry.yaml_path))
        for name, entry in sorted(_manager(tuple(SUITES.values())).task_index.items())
        if entry.kind.name == kind
    ]


TASKS = dict(_entries("TASK"))
GROUPS = dict(_entries("GROUP"))
CARDS: dict[str, Card] = load_cards(SUITES.values())
OWN = [name for name in TASKS if CARDS[name].origin.kind == "own"]


def _config(name: str) -> dict[str, Any]:
    from lm_eval.tasks._yaml_loader import load_yaml

    config: dict[str, Any] = load_yaml(TASKS[name])
    return config


def _task(name: str, draw: int = 0) -> Any:
    return _manager(tuple(SUITES.values()), draw).load(name)["tasks"][name]


def test_the_suites_are_there() -> None:
    assert {"biomed", "biomed_mini"} <= set(SUITES)
    assert "templates" not in SUITES
    assert {"biomed", "biomed_rank", "biomed_extra", "biomed_exam"} <= set(GROUPS)
    assert {"biomed_mini", "biomed_mini_rank"} <= set(GROUPS)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_its_card_beside_it(name: str) -> None:
    yaml = TASKS[name]
    assert yaml.stem == name
    assert load_card(yaml.with_name(f"{name}.card.toml")) == CARDS[name]


def test_every_card_has_its_task() -> None:
    exams = [card.name for card in CARDS.values() if card.origin.kind == "lm-eval"]
    assert sorted([*TASKS, *exams]) == sorted(CARDS)


@pytest.mark.parametrize("group", GROUPS)
def test_every_member_of_a_group_is_a_task_with_a_card(group: str) -> None:
    from lm_eval.tasks._yaml_loader import load_yaml

    members = load_yaml(GROUPS[group])["task"]
    assert members
    assert len(set(members)) == len(members)
    assert set(members) <= set(CARDS)


def test_the_papers_ten_tasks() -> None:
    from lm_eval.tasks._yaml_loader import load_yaml

    ten = [CARDS[name] for name in load_yaml(GROUPS["biomed"])["task"]]
    assert len(ten) == 10
    assert [card.stand_in for card in ten if card.stand_in] == ["Medical Drugs"]
    mini = [CARDS[name] for name in load_yaml(GROUPS["biomed_mini"])["task"]]
    assert sorted(card.kind for card in mini) == sorted(card.kind for card in ten)


@pytest.mark.parametrize("name", TASKS)
def test_a_tasks_yaml_agrees_with_its_card(name: str) -> None:
    config, card = _config(name), CARDS[name]
    assert str(config["metadata"]["version"]) == card.version
    assert config["dataset_kwargs"]["dataset"] == card.dataset
    metrics = {metric["metric"]: metric for metric in config["metric_list"]}
    assert metrics[card.main_metric]["higher_is_better"] is True
    assert metrics["unparseable"]["higher_is_better"] is False
    assert (config["output_type"] == "multiple_choice") == (card.kind in ("rank", "exam"))
    share = config["dataset_kwargs"].get("without_entities")
    if isinstance(share, list):
        assert sum(share) == card.n_test


@pytest.mark.parametrize("name", TASKS)
def test_answers_are_greedy_and_demonstrations_fixed(name: str) -> None:
    config = _config(name)
    assert config["fewshot_config"] == {"sampler": "first_n"}
    assert config["fewshot_split"] == "train" != config["test_split"]
    if config["output_type"] == "generate_until":
        how = config["generation_kwargs"]
        assert (how["do_sample"], how["temperature"]) == (False, 0.0)
        assert "\n\n" in how["until"]
    # The instruction stands once, apart from what follows it.
    assert config["description"].endswith((".\n\n", '."\n\n'))
    assert "\n" not in config["description"].removesuffix("\n\n")


@pytest.mark.parametrize("name", [name for name in TASKS if CARDS[name].rank_of])
def test_ranking_asks_the_very_question_of_its_task(name: str) -> None:
    ranked, config = _config(CARDS[name].rank_of), _config(name)
    assert config["doc_to_choice"] == "labels"
    assert config["doc_to_text"] == ranked["doc_to_text"]
    # One question for each label is another question; its card says so.
    if "per_label" in config["dataset_kwargs"]:
        assert "differs from the generative task" in " ".join(CARDS[name].protocol.split())
    else:
        assert config["description"] == ranked["description"]
        assert config["dataset_kwargs"] == ranked["dataset_kwargs"]


@pytest.mark.parametrize("name", OWN)
def test_a_suites_own_rows_pass_validation(name: str) -> None:
    findings = validate({name: _task(name)}, CARDS)
    assert [finding for finding in findings if finding.level != "note"] == []


@pytest.mark.parametrize("name", OWN)
def test_prompts_of_any_number_of_shots(name: str) -> None:
    task = _task(name)
    doc = task.eval_docs[0]
    shown = list(task.fewshot_docs())[:3]
    instruction = task.config.description
    parts = [f"{task.doc_to_text(shot)} {shot['gold']}\n\n" for shot in shown]
    for k in range(4):
        expected = instruction + "".join(parts[:k]) + task.doc_to_text(doc)
        assert task.fewshot_context(doc, k) == expected
    messages = [{"role": "user", "content": "x"}]

    def template(turns: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        messages[:] = turns
        return "rendered"

    task.fewshot_context(doc, 1, apply_chat_template=True, chat_template=template)
    assert [turn["role"] for turn in messages] == ["system", "user"]
    assert "".join(turn["content"] for turn in messages) == task.fewshot_context(doc, 1)


@pytest.mark.parametrize("name", OWN)
def test_a_draw_changes_the_demonstrations_and_nothing_else(name: str) -> None:
    first, again, other = _task(name), _task(name), _task(name, draw=1)
    assert first.fewshot_docs()["id"][:4] == again.fewshot_docs()["id"][:4]
    assert first.fewshot_docs()["id"][:4] != other.fewshot_docs()["id"][:4]
    assert list(first.eval_docs["id"]) == list(other.eval_docs["id"])


def test_the_package_folder_is_an_include_path_of_lm_eval() -> None:
    manager = _manager((PACKAGE,))
    assert set(TASKS) | set(GROUPS) == set(manager.task_index)
    assert len(manager.load("biomed_mini")["tasks"]) == 10
