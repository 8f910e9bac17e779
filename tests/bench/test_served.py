"""`bench run` over a model behind a server: what is told, and what is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import cli
from harness.record import read_records
from tests.harness.engines.scripted import ScriptedServer, fault, said

THOUGHTS = "It could be no.\n\nOr not."


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Ask a server of some habit the first three items of a task; exit code, server, records."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    servers = []

    def call(habit, tasks="mini_yesno"):
        servers.append(ScriptedServer(habit))
        Path("bench.toml").write_text(
            f'[models.far]\nsource = "openai:m@{servers[-1].url}"\nkind = "instruct"\n'
            "engine_args = { patience = 4, tries = 2, timeout = 5 }\n"
        )
        code = cli.main(["run", "--models", "far", "--tasks", tasks, "--limit", "3"])
        runs = tmp_path / "bench-out" / "runs"
        return code, servers[-1], read_records(runs) if runs.exists() else []

    yield call
    for server in servers:
        server.close()


def of_a_task(body) -> bool:
    return "Context:" in body["messages"][-1]["content"]


def test_a_refused_item_is_counted_apart_and_thoughts_are_kept(run, capsys):
    asked: list[str] = []

    def habit(body, number):
        text = body["messages"][-1]["content"]
        if of_a_task(body) and text not in asked:
            asked.append(text)
        if of_a_task(body) and text == asked[0]:
            return said(None, "content_filter")
        return said(f"<think>{THOUGHTS}</think>\n\nyes", usage={"completion_tokens": 20})

    code, _, (record,) = run(habit)
    assert code == 0
    assert "1 refused by the server (content filter" in capsys.readouterr().err
    summary = record.summary
    assert (summary["n_refused"], summary["n_error"], summary["n_scored"]) == (1, 0, 2)
    assert sorted(item["status"] for item in record.items) == ["ok", "ok", "refused"]
    for item in record.items:
        if item["status"] == "ok":
            (response,) = item["responses"]
            assert (item["answer"], response["reasoning"]) == ("yes", THOUGHTS)
            assert 0 < response["reasoning_tokens"] < response["tokens"] == 20


def test_an_account_that_is_used_up_ends_the_run_with_the_servers_words(run, capsys):
    words = "You exceeded your current quota"
    code, server, records = run(
        lambda body, n: fault(429, words, code="insufficient_quota") if of_a_task(body)
        else said("yes"),
        tasks="mini_yesno,mini_factoid",
    )  # fmt: skip
    told = capsys.readouterr().err
    assert (code, records) == (2, [])
    assert words in told
    assert "far: 1 further jobs were not asked" in told
    assert sum(map(of_a_task, server.bodies)) <= 8  # those under way at once


def test_a_server_that_answers_nothing_is_told_before_anything_else(run, capsys):
    code, server, records = run(lambda body, n: (200, {"choices": []}, {}), tasks="biomed_mini")
    assert (code, records) == (2, [])
    assert "answer without choices" in capsys.readouterr().err
    assert not any(map(of_a_task, server.bodies))
