"""Habits of hosted servers, as public reports have them, each a small real server."""

from __future__ import annotations

import datetime
import json
import time
from email.utils import format_datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.ask import Asker
from harness.engines.base import GenerateRequest
from harness.engines.choose import open_engine
from harness.engines.served import client
from harness.engines.served.faults import AWAY
from harness.engines.served.probe import KEPT
from harness.errors import UserError
from harness.models.sources import fetch
from harness.progress import NullProgress
from harness.store import ResponseStore
from harness.types import Decoding, ModelSpec
from tests.harness.engines.scripted import ScriptedServer, fault, said

DECODING = Decoding(8, ("\n\n", "\nQuestion:"))


@pytest.fixture
def serve():
    servers = []

    def make(habit):
        servers.append(ScriptedServer(habit))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def engine_of(server, cache, told=None, **args):
    args = {"timeout": 5.0, "patience": 5.0, "tries": 2, "concurrency": 2, **args}
    spec = ModelSpec("m", f"openai:m@{server.url}", engine_args=args)
    return open_engine(fetch(spec, cache), (told if told is not None else []).append)


def ask(engine, count=3, decoding=DECODING):
    requests = [
        GenerateRequest(tuple(engine.tokens.encode(f"item {n}")), decoding) for n in range(count)
    ]
    found = {}
    for call in engine.generate(requests):
        found |= dict(call)
    return [found[n] for n in range(count)]


def its(body) -> bool:
    """Whether a request is one of a task's."""
    return body["messages"][-1]["content"].startswith("item")


# -- fields that a server refuses ------------------------------------------------

OPTIONAL = ("temperature", "stop", "top_p", "seed")
STYLES = ("param", "words", "list", "silent")


def refusal(name: str, style: str):
    """The refusal of a field, as OpenAI, a proxy, FastAPI or nobody in particular says it."""
    if style == "param":
        return fault(400, f"Unsupported parameter: '{name}'", param=name)
    if style == "words":
        return fault(400, f"`{name}` is not supported with this model.")
    if style == "list":
        place = [{"loc": ["body", name], "msg": "Extra inputs are not permitted"}]
        return 422, {"detail": place}, {}
    return fault(400, "Bad request")


@settings(max_examples=24, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sets(st.sampled_from(OPTIONAL)), st.sampled_from(STYLES))
def test_fields_that_are_refused_are_left_out_and_noted(tmp_path_factory, refused, style):
    def habit(body, number):
        named = [name for name in OPTIONAL if name in body and name in refused]
        return refusal(named[0], style) if named else said("yes\n\nQuestion: another")

    server = ScriptedServer(habit)
    told: list[str] = []
    engine = engine_of(server, tmp_path_factory.mktemp("cache"), told)
    without = set(engine.numerics.get("without", ()))
    assert refused <= without
    if style != "silent":
        assert refused == without
        assert all(any(name in line for line in told) for name in refused)
    sampled = Decoding(8, DECODING.stop, 0.7, 0.9, 5)
    for decoding in (DECODING, sampled):
        assert [r.text for r in ask(engine, 2, decoding)] == ["yes"] * 2  # cut here
    assert sorted(server.asked()) == ["item 0", "item 0", "item 1", "item 1"]  # each once
    assert not any(name in body for body in server.bodies if its(body) for name in without)
    server.close()


def test_the_name_of_the_limit_is_found_out_once_a_run(serve, tmp_path):
    def habit(body, number):
        if "max_tokens" in body:
            return fault(400, "Use 'max_completion_tokens' instead of 'max_tokens'.",
                         param="max_tokens")  # fmt: skip
        return said("yes")

    server = serve(habit)
    engine = engine_of(server, tmp_path)
    assert [r.text for r in ask(engine)] == ["yes"] * 3
    before = len(server.bodies)
    ask(engine)
    assert len(server.bodies) == before + 3  # nothing is found out twice


def test_a_field_that_is_refused_later_has_the_server_asked_anew(serve, tmp_path):
    state = {"refuses": False}

    def habit(body, number):
        if state["refuses"] and "stop" in body:
            return fault(400, "no 'stop'", param="stop")
        return said("yes\n\nmore")

    server = serve(habit)
    engine = engine_of(server, tmp_path)
    assert "without" not in engine.numerics
    state["refuses"] = True
    with pytest.raises(UserError, match=r"took 'stop' when this run began: run the same"):
        ask(engine)
    again = engine_of(server, tmp_path)
    assert again.numerics["without"] == ["stop"]
    assert [r.text for r in ask(again)] == ["yes"] * 3


def test_the_server_is_asked_once_a_run_and_what_it_said_serves_while_it_is_away(serve, tmp_path):
    server = serve(lambda body, number: said("yes"))
    engine = engine_of(server, tmp_path)
    numerics, asked = engine.numerics, len(server.bodies)
    assert (engine.numerics, len(server.bodies)) == (numerics, asked)
    assert engine_of(server, tmp_path).numerics == numerics
    assert len(server.bodies) == 2 * asked  # another run asks again
    server.close()
    assert engine_of(server, tmp_path).numerics == numerics
    with pytest.raises(UserError, match="Start the server"):
        _ = engine_of(server, tmp_path, max_length=99).numerics  # nothing is known of that
    (kept,) = tmp_path.rglob(KEPT)
    for torn in ("", "[]", '{"asked": {}, "way": {"endpoint": "chat"}}'):
        kept.write_text(torn)
        with pytest.raises(UserError, match="Start the server"):
            _ = engine_of(server, tmp_path).numerics


def test_what_a_server_says_of_its_model_tells_it_from_another(serve, tmp_path):
    says = {"model": "m", "system_fingerprint": ""}

    def habit(body, number):
        status, content, headers = said("yes")
        return status, {**content, **says}, headers

    server = serve(habit)
    silent = engine_of(server, tmp_path).numerics
    assert "server" not in silent  # as stores of earlier versions know it
    says |= {"model": "m-2025-01", "system_fingerprint": "fp_1"}
    found = engine_of(server, tmp_path).numerics
    assert found["server"] == {"model": "m-2025-01", "fingerprint": "fp_1"}
    says |= {"system_fingerprint": "fp_2"}
    assert engine_of(server, tmp_path).numerics != found
    says |= {"model": "m", "system_fingerprint": None}
    assert engine_of(server, tmp_path).numerics == silent


# -- away, or spent --------------------------------------------------------------


@pytest.mark.parametrize("status", sorted(AWAY))
def test_a_server_that_is_away_is_waited_for_whatever_the_tries(
    serve, tmp_path, status, monkeypatch
):
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.02)
    # Every second request is sent back, those about the server itself too.
    server = serve(lambda body, n: said("yes") if n % 2 else fault(status, "overloaded"))
    told: list[str] = []
    found = ask(engine_of(server, tmp_path, told, tries=1, patience=30.0))
    assert [r.text for r in found] == ["yes"] * 3
    assert any("overloaded" in line and "waiting until" in line for line in told)


def test_an_error_inside_a_200_is_what_it_says_it_is(serve, tmp_path):
    def habit(body, number):
        if its(body) and number % 2:
            return 200, {"error": {"message": "model overloaded", "code": 503}}, {}
        return said("yes")

    found = ask(engine_of(serve(habit), tmp_path, tries=1, patience=30.0))
    assert [r.text for r in found] == ["yes"] * 3


def far() -> str:
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    return format_datetime(when, usegmt=True)


@pytest.mark.parametrize("seconds", ["86400", "86400.5", "86400s", "1e9", "date", "words", "ms"])
def test_patience_counts_whatever_the_server_asks_for(serve, tmp_path, seconds):
    headers = {"Retry-After": far() if seconds == "date" else seconds}
    words = "slow down"
    if seconds == "words":
        headers, words = {}, "Rate limit reached. Please try again in 23h59m30s."
    if seconds == "ms":
        headers = {"Retry-After-Ms": "86400000"}
    server = serve(lambda body, n: fault(429, words, headers) if its(body) else said("yes"))
    engine = engine_of(server, tmp_path)
    assert engine.tokens
    began = time.monotonic()
    with pytest.raises(UserError, match=r"asks to come back in .* patience is 5 s"):
        ask(engine)
    assert time.monotonic() - began < 4
    assert len(server.asked()) <= 2  # one a worker


@pytest.mark.parametrize("value", ["0", "-5", "nan", "inf", "soon"])
def test_a_server_that_says_at_once_is_not_hammered(serve, tmp_path, value):
    server = serve(
        lambda body, n: fault(429, "slow", {"Retry-After": value}) if its(body) else said("yes")
    )
    engine = engine_of(server, tmp_path, patience=2.0, concurrency=1)
    with pytest.raises(UserError, match=r"no answer for 2 s .*slow"):
        ask(engine)
    assert len(server.asked()) < 30


@pytest.mark.parametrize(
    "answer",
    [
        fault(429, "You exceeded your current quota", code="insufficient_quota"),
        fault(429, "You exceeded your current quota, please check your plan and billing details."),
        fault(402, "Insufficient credits"),
        fault(403, "out of credits"),
        (200, {"error": {"message": "Insufficient Balance", "code": 402}}, {}),
    ],
)
def test_an_account_that_is_used_up_stops_the_run_at_once(serve, tmp_path, answer):
    server = serve(lambda body, n: answer if its(body) else said("yes"))
    engine = engine_of(server, tmp_path, concurrency=1)
    with pytest.raises(UserError, match=r"answers nobody with this key .*(quota|redits|Balance)"):
        ask(engine, 20)
    assert len(server.asked()) == 1


def test_a_quota_of_a_minute_is_waited_for(serve, tmp_path):
    words = "You exceeded your current quota. Please retry in 0.2s."
    server = serve(lambda body, n: fault(429, words) if its(body) and n % 2 else said("yes"))
    assert [r.text for r in ask(engine_of(server, tmp_path))] == ["yes"] * 3


def test_one_request_that_a_gateway_gives_up_on_costs_that_item_alone(serve, tmp_path):
    def habit(body, number):
        poison = body["messages"][-1]["content"] == "item 0"
        time.sleep(0.1)
        return fault(524, "origin timed out") if poison else said("yes")

    engine = engine_of(serve(habit), tmp_path, patience=1.5)
    found = ask(engine, 40)
    assert [r.status for r in found] == ["error"] + ["ok"] * 39
    assert "while others got theirs" in found[0].error
    assert "origin timed out" in found[0].error


# -- no answer at all ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {"choices": []}, {}), "answer without choices"),
        ((200, {"id": "x"}, {}), "answer without choices"),
        ((200, [1], {}), "no JSON object"),
        ((200, b"<html>login</html>", {"Content-Type": "text/html"}), "text/html: <html>login"),
        ((200, b"", {}), "no JSON object"),
        ((200, b'data: {"choices": [{"delta": {"content": "ye"}}]}\n\n', {}), "before its answer"),
        (fault(500, "out of memory"), "out of memory"),
        (fault(404, "no such model"), "no such model"),
        ((200, {"error": "model not loaded"}, {}), "model not loaded"),
        (said("ye", "network_error"), "broke the answer off"),
        ((307, b"", {"Location": "http://elsewhere/v1?key=secret"}), "http://elsewhere/v1,"),
    ],
)
def test_when_nothing_is_answered_the_run_ends_with_the_servers_words(
    serve, tmp_path, answer, words, monkeypatch
):
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.02)
    # From the start, before anything is computed:
    with pytest.raises(UserError, match="writes at no endpoint") as told:
        assert engine_of(serve(lambda body, n: answer), tmp_path / "a").tokens
    assert words in str(told.value)
    # And where it begins later: nobody asks a thousand items for nothing.
    server = serve(lambda body, n: answer if its(body) else said("yes"))
    engine = engine_of(server, tmp_path / "b", concurrency=8, patience=60.0)
    with pytest.raises(UserError, match=r"none of .* was answered") as told:
        ask(engine, 60)
    assert words in str(told.value)
    assert "secret" not in str(told.value)
    assert len(set(server.asked())) <= 24


# -- refused for what it says ----------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        said(None, "content_filter"),
        said("partly", "content_filter"),
        said("", "SAFETY"),
        fault(400, "The response was filtered", code="content_filter"),
        fault(400, "Content Exists Risk"),
        fault(400, "Invalid prompt: your prompt was flagged as potentially violating our usage "
              "policy.", code="invalid_prompt"),
        fault(403, "requires moderation on OpenAI. Your input was flagged for violence"),
        fault(400, "no", innererror={"code": "ResponsibleAIPolicyViolation"}),
    ],
)  # fmt: skip
def test_a_content_filter_refuses_an_item_and_nothing_else(serve, tmp_path, answer):
    def habit(body, number):
        return answer if body["messages"][-1]["content"] == "item 1" else said("yes")

    server = serve(habit)
    engine = engine_of(server, tmp_path)
    store = ResponseStore(tmp_path / "responses", {"model": "m"})
    requests = [GenerateRequest(tuple(engine.tokens.encode(f"item {n}")), DECODING) for n in (0, 1)]
    found = Asker(engine, store, None, NullProgress()).generate(requests, "test")
    assert [r.status for r in found] == ["ok", "refused"]
    assert (found[1].text, bool(found[1].error)) == (None, True)
    before = len(server.bodies)
    assert Asker(engine, store, None, NullProgress()).generate(requests, "test") == found
    assert len(server.bodies) == before  # a refusal is an answer: it is not asked again


def test_a_firewall_that_stops_one_request_costs_that_item_alone(serve, tmp_path):
    page = (403, b"<html>Attention required</html>", {"Content-Type": "text/html"})

    def habit(body, number):
        return page if body["messages"][-1]["content"] == "item 2" else said("yes")

    found = ask(engine_of(serve(habit), tmp_path, concurrency=1), 5)
    assert sorted(r.status for r in found) == ["error"] + ["ok"] * 4
    assert "(403): <html>Attention required" in found[2].error
    with pytest.raises(UserError, match=r"wants a key \(403: <html>Attention required"):
        ask(engine_of(serve(lambda body, n: page), tmp_path / "all"))


def test_an_answer_without_end_is_no_answer(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "LONGEST_ANSWER", 10_000)
    server = serve(lambda body, n: said("yes" * 5_000 if its(body) else "yes"))
    with pytest.raises(UserError, match="an answer of more than"):
        ask(engine_of(server, tmp_path, tries=1))


def test_a_filter_names_what_it_found(serve, tmp_path):
    filters = {"violence": {"filtered": True, "severity": "high"}, "hate": {"filtered": False}}

    def habit(body, number):
        status, answer, headers = said(None, "content_filter")
        answer["choices"][0]["content_filter_results"] = filters
        return status, answer, headers

    assert ask(engine_of(serve(habit), tmp_path), 1)[0].error == "content filter (violence)"


# -- reasoning -------------------------------------------------------------------------

THOUGHTS = "The answer could be no.\n\nQuestion: is it? But in fact it is yes."


def thinking(form: str, body):
    """An answer with thoughts in it, cut at the request's stop strings as servers do."""
    text = {"tags": f"<think>{THOUGHTS}</think>\n\nyes", "template": f"{THOUGHTS}</think>\n\nyes"}
    whole = text.get(form, f"{THOUGHTS}\x00\n\nyes")
    cut = min((whole.find(s) for s in body.get("stop", ()) if s in whole), default=len(whole))
    whole = whole[:cut]
    usage = {"completion_tokens": 30}
    if form in text:
        return said(whole, usage=usage)
    thoughts, _, answer = whole.partition("\x00")
    if form == "hidden":
        usage["completion_tokens_details"] = {"reasoning_tokens": 25}
        return said(answer, usage=usage)
    if form == "parts":
        parts = [{"type": "thinking", "thinking": [{"type": "text", "text": thoughts}]},
                 {"type": "text", "text": answer}]  # fmt: skip
        return said(parts, usage=usage)
    return said(answer or None, usage=usage, **{form: thoughts})


FORMS = ("tags", "template", "reasoning_content", "reasoning", "thinking", "parts", "hidden")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seen", [True, False])
def test_thoughts_are_kept_counted_and_never_scored(serve, tmp_path, form, seen):
    """seen: the model also thinks about the question by which it is found out."""

    def habit(body, number):
        return thinking(form, body) if seen or its(body) else said("Yes.")

    server = serve(habit)
    told: list[str] = []
    engine = engine_of(server, tmp_path, told)
    if not seen and form == "template":
        return  # nothing in its answers would tell; that is why it is asked first
    assert engine.numerics.get("reasoning_tokens", 0) == (2048 if seen else 0)
    assert any("reasons before it answers" in line for line in told) is seen
    found = ask(engine)
    assert [(r.text, r.finish, r.status) for r in found] == [("yes", "stop", "ok")] * 3
    assert {r.reasoning for r in found} == {"" if form == "hidden" else THOUGHTS}
    assert all(0 < r.reasoning_tokens < r.tokens == 30 for r in found)
    if seen:
        assert len(server.asked()) == 3
        assert all("stop" not in body for body in server.bodies if its(body))
        assert {body["max_tokens"] for body in server.bodies if its(body)} == {2056}


@pytest.mark.parametrize(
    "answer",
    [
        said("<think>It could be no", "length"),
        said(None, "length", reasoning_content="It could be no"),
        said("", "length", {"completion_tokens": 9,
                            "completion_tokens_details": {"reasoning_tokens": 9}}),
        said("<think>It could be no</think>", "stop"),
        fault(400, "Could not finish the message because max_tokens or model output limit was "
              "reached. Please try again with higher max_tokens."),
    ],
)  # fmt: skip
def test_thoughts_that_never_end_are_a_finish_of_their_own(serve, tmp_path, answer):
    found = ask(engine_of(serve(lambda body, n: answer), tmp_path, reasoning_tokens=100))
    assert [(r.text, r.finish, r.status) for r in found] == [("", "reasoning", "ok")] * 3
    assert all(r.reasoning_tokens > 0 for r in found)


def test_an_answer_is_not_empty_for_the_white_space_before_it(serve, tmp_path):
    habit = lambda body, n: said("\n\nyes", reasoning_content="so")  # noqa: E731
    assert ask(engine_of(serve(habit), tmp_path))[0].text == "yes"


def test_a_model_that_rambles_is_not_sent_stop_strings_and_is_cut_all_the_same(serve, tmp_path):
    server = serve(lambda body, n: said("yes\n\nand so on", "length"))
    found = ask(engine_of(server, tmp_path))
    assert {(r.text, r.finish) for r in found} == {("yes", "stop")}


# -- forms of an ordinary answer -----------------------------------------------------------


def as_events(text, sizes, reasoning):
    """The answer as server-sent events, in pieces."""
    pieces, rest = [], text
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    deltas = [{"reasoning_content": reasoning}] if reasoning else []
    deltas += [{"role": "assistant"}, *({"content": piece} for piece in [*pieces, rest])]
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    events.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    events.append({"choices": [], "usage": {"completion_tokens": 5}})
    lines = [": OPENROUTER PROCESSING"]
    lines += ["data: " + json.dumps(event, ensure_ascii=False) for event in events]
    return (
        200,
        ("\n\n".join([*lines, "data: [DONE]"]) + "\n\n").encode(),
        {"Content-Type": "text/event-stream"},
    )


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.text(st.sampled_from("ab é\u2028\n{}\"'"), min_size=1, max_size=20).map(lambda t: f"x{t}"),
    st.lists(st.integers(0, 5), max_size=4),
    st.sampled_from(["", "so\nso"]),
)
def test_events_add_up_to_the_answer_they_are_pieces_of(tmp_path_factory, text, sizes, reasoning):
    extra = {"reasoning_content": reasoning} if reasoning else {}
    usage = {"completion_tokens": 5}
    forms = {
        "whole": said(text, usage=usage, **extra),
        "events": as_events(text, sizes, reasoning),
        "parts": said([{"type": "text", "text": text}], usage=usage, **extra),
    }
    found = {}
    for name, answer in forms.items():
        server = ScriptedServer(lambda body, n, answer=answer: answer)
        found[name] = ask(engine_of(server, tmp_path_factory.mktemp("cache")), 1)
        server.close()
    assert found["events"] == found["whole"] == found["parts"]
    assert found["whole"][0].status == "ok"


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [(None, 1), ({}, 1), ({"completion_tokens": None}, 1), ({"completion_tokens": 3.0}, 3),
     ("many", 1), ({"completion_tokens": -1}, 1),
     ({"completion_tokens": 4, "completion_tokens_details": None,
       "prompt_tokens_details": "x"}, 4)],
)  # fmt: skip
def test_odd_counts_of_tokens_cost_no_answer(serve, tmp_path, usage, tokens):
    found = ask(engine_of(serve(lambda body, n: said("yes", usage=usage)), tmp_path), 1)
    assert (found[0].text, found[0].tokens, found[0].status) == ("yes", tokens, "ok")
