"""`bench run` over a model behind a server: what is told, and what is recorded."""

from __future__ import annotations

import json
import re
from collections import Counter
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


def stopped(text):
    """A server that cuts at the stop strings it was sent."""

    def habit(body, number):
        cuts = [text.find(stop) for stop in body.get("stop") or [] if stop in text]
        return said(text[: min(cuts, default=None)])

    return habit


def refuses(key, value=None):
    def habit(body, number):
        if key in body and body[key] != value:
            return fault(400, f"Unsupported parameter: '{key}'", param=key)
        return said("yes\n\nand more")

    return habit


def events(body, number):
    pieces = [{"choices": [{"delta": {"content": part}}]} for part in ("y", "es")]
    lines = [*map(json.dumps, pieces), "[DONE]"]
    text = "".join(f"data: {line}\n\n" for line in lines)
    return 200, text.encode(), {"Content-Type": "text/event-stream"}


HABITS = {
    "answers": lambda body, n: said("yes"),
    "answers in parts": lambda body, n: said([{"type": "text", "text": "yes"}]),
    "answers in events": events,
    "reasons in a field": lambda body, n: said("yes", reasoning_content=THOUGHTS),
    "reasons between marks": stopped(f"<think>{THOUGHTS}</think>\n\nyes"),
    "refuses `stop`": refuses("stop"),
    "refuses `temperature`": refuses("temperature", 1),
    "refuses `max_tokens`": refuses("max_tokens"),
    "is overloaded every other time (529)": lambda body, n: said("yes") if n % 2 else fault(
        529, "overloaded"),
    "is overloaded inside a 200": lambda body, n: (200, {"error": {"message": "overloaded",
        "code": 503}}, {}),
    "asks to come back in a day (429)": lambda body, n: fault(429, "slow",
        {"Retry-After": "86400"}),
    "says that the quota is used up (429)": lambda body, n: fault(429, "no quota",
        code="insufficient_quota"),
    "says that no credit is left (402)": lambda body, n: fault(402, "no credit"),
    "gives no choices": lambda body, n: (200, {"choices": []}, {}),
    "gives a page for JSON": lambda body, n: (200, b"<html>hello</html>",
        {"Content-Type": "text/html"}),
    "sends requests on (307)": lambda body, n: (307, b"", {"Location": "http://127.0.0.1:9/v1"}),
    "filters what it is asked": lambda body, n: said(None, "content_filter"),
}  # fmt: skip
TABLE = Path(__file__).parents[2] / "docs" / "engines.md"
ROW = re.compile(r"^\| ([^|]+) \| (\d) \| ([^|]+) \| ([^|]+) \| (\d+|some) \|$", re.M)


def rows():
    return {row[0]: row[1:] for row in ROW.findall(TABLE.read_text(encoding="utf-8"))}


def test_the_table_of_habits_is_whole():
    assert list(rows()) == list(HABITS)


@pytest.mark.parametrize("habit", HABITS)
def test_a_habit_is_met_as_the_table_says(run, capsys, habit):
    code, server, records = run(HABITS[habit])
    items = Counter(item["status"] for record in records for item in record.items)
    kept = ", ".join(f"{count} {status}" for status, count in sorted(items.items())) or "nothing"
    lines = capsys.readouterr().err
    expected, told, stored, asked = rows()[habit]
    assert all(part in lines for part in re.findall("`([^`]+)`", told))
    assert (code, kept) == (int(expected), stored)
    # How often one that is away is asked hangs on pauses that are drawn.
    assert asked == "some" or len(server.bodies) == int(asked)
