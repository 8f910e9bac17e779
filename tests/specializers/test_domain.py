"""Domain folders: what is read, what is refused, what the digest covers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError, UserErrors
from specializers.corpus import open as corpora
from specializers.domain import load_domain
from tests.specializers.tiny import save_domain


def test_a_domain_is_read_with_its_seeds_and_corpus(tmp_path: Path) -> None:
    domain = load_domain(save_domain(tmp_path))
    assert (domain.name, domain.expert, domain.topics) == (
        "toy",
        "a careful toy doctor",
        ("teas", "balms"),
    )
    assert [seed.id for seed in domain.seeds] == [f"seed-{n}" for n in range(8)]
    assert domain.corpus == tmp_path / "corpus.jsonl"


def test_another_corpus_takes_the_place_of_the_folders_own(tmp_path: Path) -> None:
    folder = save_domain(tmp_path / "domain")
    other = save_domain(tmp_path / "other", passages=9) / "corpus.jsonl"
    assert load_domain(folder, corpus=other).corpus == other
    assert load_domain(save_domain(tmp_path / "bare", corpus=None)).corpus is None


@pytest.mark.parametrize(
    "change",
    [{"topics": ["teas"]}, {"expert": "a nurse"}, {"title": "T"}, {"description": "D"}],
)
def test_the_digest_covers_what_prompts_are_made_of(
    tmp_path: Path, change: dict[str, object]
) -> None:
    plain = load_domain(save_domain(tmp_path / "a"))
    assert load_domain(save_domain(tmp_path / "elsewhere")).digest == plain.digest
    assert load_domain(save_domain(tmp_path / "b", **change)).digest != plain.digest


def test_the_digest_covers_seeds_and_corpus(tmp_path: Path) -> None:
    digests = {
        load_domain(save_domain(tmp_path / f"{seeds}-{passages}", seeds, passages)).digest
        for seeds, passages in ((8, 5), (7, 5), (8, 4))
    }
    assert len(digests) == 3


def test_every_fault_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    save_domain(tmp_path, expert="", topics=[], exprt="typo")
    good = json.loads((tmp_path / "seeds.jsonl").read_text().splitlines()[0])
    lines = [
        json.dumps(good),
        json.dumps({**good, "task_type": 3}),
        json.dumps({key: good[key] for key in good if key != "output"}),
        "{not json",
        json.dumps({**good, "ouput": "x", "id": "other"}),
        json.dumps({**good, "instruction": "  ", "id": "third"}),
        json.dumps(good),
    ]
    (tmp_path / "seeds.jsonl").write_text("\n".join(lines))
    (tmp_path / "corpus.jsonl").write_text('["a list"]\n{"id": "p", "title": ""}\n')
    with pytest.raises(UserErrors) as caught:
        load_domain(tmp_path)
    told = "\n".join(caught.value.messages)
    for expected in (
        "domain.toml: unknown key 'exprt'. Did you mean 'expert'?",
        "domain.toml: 'expert' must be",
        "domain.toml: 'topics' must be",
        "seeds.jsonl:2: 'task_type' must be a text, found int.",
        "seeds.jsonl:3: 'output' is missing.",
        "seeds.jsonl:4: not JSON",
        "seeds.jsonl:5: unknown key 'ouput'. Did you mean 'output'?",
        "seeds.jsonl:6: 'instruction' is empty.",
        "seeds.jsonl:7: id 'seed-0' is already used in line 1.",
        "corpus.jsonl:1: expected an object",
        "corpus.jsonl:2: 'text' is missing.",
    ):
        assert expected in told


def test_a_sound_corpus_is_read_through_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, read = save_domain(tmp_path, passages=31), list[Path]()
    sound_rows = corpora.sound_rows

    def counted(path: Path, *args: Any, **more: Any) -> Any:
        read.append(path)
        return sound_rows(path, *args, **more)

    monkeypatch.setattr(corpora, "sound_rows", counted)
    for _ in range(2):
        load_domain(folder)
    assert read == [folder / "corpus.jsonl"]
    with (folder / "corpus.jsonl").open("a") as file:
        file.write("no JSON\n")
    for _ in range(2):
        with pytest.raises(UserErrors):
            load_domain(folder)
    assert len(read) == 3


def test_a_thousand_faults_are_summed_up(tmp_path: Path) -> None:
    save_domain(tmp_path)
    (tmp_path / "corpus.jsonl").write_text("wrong\n" * 1000)
    with pytest.raises(UserErrors) as caught:
        load_domain(tmp_path)
    assert caught.value.messages[-1] == "... and 980 more."


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("domain.toml", None, "a domain folder holds a domain.toml"),
        ("domain.toml", "name = ", "not TOML"),
        ("seeds.jsonl", None, "seeds.jsonl: not found"),
        ("seeds.jsonl", "", "no seeds"),
        ("corpus.jsonl", None, "corpus.jsonl: not found"),
        ("corpus.jsonl", "\n", "no passages"),
    ],
)
def test_a_missing_or_empty_file_is_named(
    tmp_path: Path, file: str, content: str | None, told: str
) -> None:
    path = save_domain(tmp_path) / file
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=told):
        load_domain(tmp_path)
