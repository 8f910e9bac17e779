"""The served engine against a server that misbehaves, and against a real one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness.ask import Asker
from harness.engines.base import GenerateRequest, ScoreRequest
from harness.engines.choose import open_engine
from harness.engines.served.characters import TextTokens, messages_of
from harness.errors import UserError
from harness.models.sources import fetch, spec_faults
from harness.progress import NullProgress
from harness.store import ResponseStore
from harness.types import Decoding, ModelSpec
from tests.harness.engines.servers import FakeServer, value
from tests.harness.engines.tiny import write_model

KEY = "sk-planted-0123456789"
GREEDY = Decoding(8, ("###",))


@pytest.fixture
def serve():
    servers = []

    def make(**options):
        servers.append(FakeServer(**options))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"), "llama")


def spec_of(server, **args) -> ModelSpec:
    args = {"timeout": 5.0, "patience": 5.0, **args}
    return ModelSpec("tiny", f"openai:tiny@{server.url}", engine_args=args)


def engine_of(server, cache: Path, said: list[str] | None = None, **args):
    local = fetch(spec_of(server, **args), cache)
    return open_engine(local, said.append if said is not None else lambda line: None)


def asked(engine, texts: list[str]) -> list[GenerateRequest]:
    return [GenerateRequest(tuple(engine.tokens.encode(t)), GREEDY) for t in texts]


def answers(calls) -> dict:
    found: dict = {}
    for call in calls:
        assert not found.keys() & dict(call).keys(), "an answer came twice"
        found |= dict(call)
    return found


def generations(server) -> list[str]:
    """Prompts of tasks that were answered, not what the server was asked about itself."""
    return [b["prompt"] for b in server.answered if b.get("stop") == ["###"]]


# -- generation ---------------------------------------------------------------


def test_text_is_generated_and_cut_at_the_stop_string(serve, tmp_path):
    server = serve(ids=False)
    engine = engine_of(server, tmp_path)
    (request,) = asked(engine, ["say hello"])
    found = answers(engine.generate([request]))[0]
    assert (found.text, found.finish, found.tokens) == ("HELLO", "stop", 1)
    body = server.bodies[-1]
    assert (body["prompt"], body["max_tokens"], body["temperature"]) == ("say hello", 8, 0.0)
    assert "seed" not in body


def test_a_sample_carries_its_own_seed_and_extra_fields(serve, tmp_path):
    server = serve(ids=False)
    engine = engine_of(server, tmp_path, body={"top_k": 40})
    request = GenerateRequest(tuple(map(ord, "a b")), Decoding(8, (), 0.7, 0.9, 11))
    answers(engine.generate([request]))
    body = server.bodies[-1]
    assert (body["temperature"], body["top_p"], body["seed"], body["top_k"]) == (0.7, 0.9, 11, 40)
    assert engine.numerics["body"] == {"top_k": 40}


def test_a_chat_goes_to_the_servers_own_template(serve, tmp_path):
    server = serve(completions=False)
    engine = engine_of(server, tmp_path)
    assert engine.tokens.has_chat_template
    turns = [{"role": "system", "content": "be\nshort"}, {"role": "user", "content": "say hi"}]
    text = engine.tokens.apply_chat_template(turns)
    assert answers(engine.generate(asked(engine, [text])))[0].text == "HI"
    # Some templates drop a system turn: what it says goes with the first user's.
    (sent,) = server.bodies[-1]["messages"]
    assert sent["role"] == "user"
    assert sent["content"].startswith("be\nshort")
    assert sent["content"].endswith("say hi")
    # A prompt that is no chat is one user's turn.
    answers(engine.generate(asked(engine, ["plain text"])))
    assert server.bodies[-1]["messages"] == [{"role": "user", "content": "plain text"}]


def test_messages_survive_what_stands_in_them():
    turns = [
        {"role": "user", "content": "a\x1eb\x1fc\n<|x|>"},
        {"role": "assistant", "content": ""},
    ]
    read = messages_of(TextTokens(chat=True).apply_chat_template(turns))
    assert read == [{"role": "user", "content": "a b c\n<|x|>"}, turns[1]]


def test_token_ids_are_sent_where_the_server_takes_them(serve, tmp_path, folder):
    server = serve()
    engine = engine_of(server, tmp_path, tokenizer=str(folder))
    requests = asked(engine, ["w1 w2 w3"])
    answers(engine.generate(requests))
    assert server.bodies[-1]["prompt"] == list(requests[0].prompt)
    assert engine.numerics["prompts"] == "ids"
    assert engine.max_length == 198  # the server says 200; a score writes one token


def test_a_server_that_wants_text_gets_text_and_the_user_is_told(serve, tmp_path, folder):
    said: list[str] = []
    engine = engine_of(serve(ids=False), tmp_path, said, tokenizer=str(folder))
    assert engine.numerics["prompts"] == "text"
    assert any("takes no token ids" in line for line in said)


def test_what_was_found_out_is_kept_so_a_stored_run_needs_no_server(serve, tmp_path):
    server = serve(ids=False)
    before = engine_of(server, tmp_path).numerics
    server.close()
    assert engine_of(server, tmp_path).numerics == before
    server.start()


# -- trouble ------------------------------------------------------------------


def test_requests_are_answered_once_through_every_kind_of_trouble(serve, tmp_path):
    server = serve(ids=False)
    engine = engine_of(server, tmp_path, concurrency=3, timeout=4.0)
    assert engine.tokens
    server.stall = 6.0
    server.moods = ["429", "500", "cut", "stall", "garbage", "", "500", "429"]
    texts = [f"word{i}" for i in range(12)]
    found = answers(engine.generate(asked(engine, texts)))
    assert [found[i].text for i in range(12)] == [t.upper() for t in texts]
    assert sorted(generations(server)) == sorted(texts)
    assert server.most_at_once <= 4  # three, and the one that stalls while it is asked again


def test_a_request_that_keeps_failing_is_an_error_and_the_rest_goes_on(serve, tmp_path):
    server = serve(ids=False)
    engine = engine_of(server, tmp_path, concurrency=1, tries=2)
    assert engine.tokens
    server.moods = ["500", "500", "400"]
    found = answers(engine.generate(asked(engine, ["a", "b", "c"])))
    assert sorted(r.status for r in found.values()) == ["error", "error", "ok"]
    told = "".join(r.error or "" for r in found.values())
    assert "no answer in 2 tries" in told
    assert "refused the request (400)" in told


def test_a_server_that_stays_away_ends_the_run_with_a_message(serve, tmp_path):
    server = serve(ids=False)
    engine = engine_of(server, tmp_path, patience=0.3)
    requests = asked(engine, ["a", "b"])
    server.close()
    with pytest.raises(UserError, match=r"no answer for .* same command again"):
        answers(engine.generate(requests))
    server.start()


def test_the_server_is_killed_midway_and_comes_back(serve, tmp_path):
    server = serve(ids=False)
    server.delay = 0.02
    engine = engine_of(server, tmp_path, concurrency=4)
    texts = [f"word{i}" for i in range(40)]
    store = ResponseStore(tmp_path / "responses", {"model": "tiny"})
    asker = Asker(engine, store, None, NullProgress())

    def restart():
        while len(store) < 10:
            time.sleep(0.005)
        server.close()
        time.sleep(0.3)
        server.start()

    thread = threading.Thread(target=restart)
    thread.start()
    found = asker.generate(asked(engine, texts), "test")
    thread.join()
    assert [r.text for r in found] == [t.upper() for t in texts]
    # Nothing that was answered and stored is asked again.
    before = len(server.bodies)
    again = Asker(engine, ResponseStore(tmp_path / "responses", {"model": "tiny"}), None,
                  NullProgress())  # fmt: skip
    assert again.generate(asked(engine, texts), "test") == found
    assert len(server.bodies) == before


def test_a_client_that_is_interrupted_asks_for_the_rest_only(serve, tmp_path):
    server = serve(ids=False)
    engine = engine_of(server, tmp_path, concurrency=1)
    requests = asked(engine, [f"word{i}" for i in range(6)])
    calls = engine.generate(requests)
    done = {next(calls)[0][0] for _ in range(3)}
    calls.close()
    rest = answers(engine.generate(requests, None, done))
    assert rest.keys() == set(range(6)) - done
    assert len(generations(server)) == 6


# -- scores -------------------------------------------------------------------


def test_scores_are_those_of_the_exact_tokens(serve, tmp_path, folder):
    engine = engine_of(serve(), tmp_path, tokenizer=str(folder))
    context, continuation = (5, 9, 7), (11, 6)
    found = answers(engine.score([ScoreRequest(context, continuation)]))[0]
    assert found.loglikelihood == pytest.approx(value(7, 11) + value(11, 6))
    assert found.greedy == (min(value(7, 11), value(11, 6)) >= -1.0)
    assert found.tokens == 2


def test_an_overlong_context_is_cut_on_the_left(serve, tmp_path, folder):
    server = serve()
    engine = engine_of(server, tmp_path, tokenizer=str(folder), max_length=12)
    context = tuple(range(5, 35))
    found = answers(engine.score([ScoreRequest(context, (7, 8))]))[0]
    assert len(server.bodies[-1]["prompt"]) == 11
    assert found.cut_tokens == 32 - 11
    assert found.loglikelihood == pytest.approx(value(34, 7) + value(7, 8))


def test_text_is_scored_from_the_character_where_the_answer_begins(serve, tmp_path):
    engine = engine_of(serve(ids=False), tmp_path)

    def request(context: str, continuation: str) -> ScoreRequest:
        encode = engine.tokens.encode
        return ScoreRequest(tuple(encode(context)), tuple(encode(continuation)))

    def code(word: str) -> int:
        return sum(map(ord, word))

    found = answers(engine.score([request("a bc", " d ef"), request("a b", "c d")]))
    assert found[0].loglikelihood == pytest.approx(
        value(code(" bc"), code(" d")) + value(code(" d"), code(" ef"))
    )
    assert found[1].status == "error"
    assert "do not begin where the answer begins" in found[1].error


@pytest.mark.parametrize(
    ("echo", "fault"),
    [
        ("none", "gives no log-probabilities"),
        ("missing", "1 log-probabilities for"),
        ("shifted", "changes with"),
    ],
)
def test_scores_that_are_missing_or_shifted_are_never_used(serve, tmp_path, folder, echo, fault):
    engine = engine_of(serve(echo=echo), tmp_path, tokenizer=str(folder))
    with pytest.raises(UserError, match=f"cannot score here: .*{fault}.*rank answers"):
        answers(engine.score([ScoreRequest((5,), (6,))]))


def test_a_chat_server_cannot_score(serve, tmp_path):
    engine = engine_of(serve(completions=False), tmp_path)
    with pytest.raises(UserError, match="only a chat endpoint"):
        answers(engine.score([ScoreRequest((65,), (66,))]))


# -- keys and specs -------------------------------------------------------------


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(
    serve, tmp_path, monkeypatch, caplog
):
    server = serve(ids=False, key=KEY)
    monkeypatch.setenv("PLANTED", KEY)
    said: list[str] = []
    caplog.set_level("DEBUG")
    engine = engine_of(server, tmp_path, said, key_env="PLANTED", tries=1)
    assert engine.tokens
    server.moods = ["400", "500"]
    found = answers(engine.generate(asked(engine, ["a", "b", "c"])))
    assert sorted(r.status for r in found.values()) == ["error", "error", "ok"]
    monkeypatch.setenv("PLANTED", KEY + "-wrong")
    with pytest.raises(UserError, match="the key in PLANTED is refused") as refusal:
        answers(engine.generate(asked(engine, ["d"])))
    kept = "".join(p.read_text() for p in tmp_path.rglob("*") if p.is_file())
    client = engine._client
    shown = [repr(found), str(refusal.value), repr(refusal.value.__context__), *said, kept,
             caplog.text, repr(vars(engine)), repr(vars(client)), str(engine.numerics)]  # fmt: skip
    assert "sk-planted" not in "".join(shown)


def test_a_missing_key_is_told_by_the_variables_name(serve, tmp_path, monkeypatch):
    monkeypatch.delenv("PLANTED", raising=False)
    server = serve(key=KEY)
    with pytest.raises(UserError, match="PLANTED is not set"):
        assert engine_of(server, tmp_path, key_env="PLANTED").tokens
    with pytest.raises(UserError, match="wants a key"):
        assert engine_of(server, tmp_path).tokens


@pytest.mark.parametrize(
    ("source", "args", "fault"),
    [
        ("openai:m@ftp://h/v1", {}, "source: expected openai:MODEL@"),
        ("openai:http://h/v1", {}, "source: expected openai:MODEL@"),
        (f"openai:m@http://u:{KEY}@h/v1", {}, "user name, a password"),
        (f"openai:m@http://h/v1?key={KEY}", {}, "user name, a password"),
        ("openai:m@http://h/v1", {"api_key": KEY}, "a key must not stand in a file"),
        ("openai:m@http://h/v1", {"key_env": KEY}, "the name of an environment variable"),
        ("openai:m@http://h/v1", {"concurency": 4}, "Did you mean 'concurrency'"),
        ("openai:m@http://h/v1", {"timeout": 0}, "seconds above 0"),
    ],
)
def test_a_faulty_spec_is_told_without_its_secrets(source, args, fault):
    (told,) = spec_faults(ModelSpec("m", source, engine_args=args))
    assert fault in told
    assert "sk-planted" not in told


def test_engine_and_source_must_go_together():
    for spec in (
        ModelSpec("m", "openai:m@http://h/v1", engine="hf"),
        ModelSpec("m", "path:/x", engine="openai"),
    ):
        assert "go together" in spec_faults(spec)[0]


def test_an_adapter_from_this_disk_is_refused(serve, tmp_path):
    engine = engine_of(serve(ids=False), tmp_path)
    with pytest.raises(UserError, match="takes no adapter"):
        answers(engine.generate(asked(engine, ["a"]), tmp_path))


def test_nobody_there_is_told_at_once(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spec = ModelSpec("tiny", f"openai:tiny@http://127.0.0.1:{port}/v1")
    with pytest.raises(UserError, match=r"nobody answers there\. Start the server"):
        assert open_engine(fetch(spec, tmp_path), lambda line: None).tokens


# -- a real server --------------------------------------------------------------


@pytest.fixture(scope="module")
def transformers_server(folder, tmp_path_factory):
    """`transformers serve` with a random model, on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(Path(sys.executable).with_name("transformers")), "serve", str(folder),
        "--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32",
    ]  # fmt: skip
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        try:
            for _ in range(3000):
                with socket.socket() as attempt:
                    if attempt.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert process.poll() is None, log.read_text()
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait()


def test_a_real_server_writes_what_the_weights_write(transformers_server, folder, tmp_path):
    from harness.engines.hf.engine import HFEngine

    source = f"openai:{folder}@{transformers_server}"
    args = {"tokenizer": str(folder), "concurrency": 2}
    local = fetch(ModelSpec("served", source, engine_args=args), tmp_path)
    engine = open_engine(local, lambda line: None)
    # It takes text only, and no log-probabilities of a prompt: both are found out.
    assert (engine.numerics["endpoint"], engine.numerics["prompts"]) == ("completions", "text")
    texts = ["w1 w2 w3", "w4", "w9 w8 w7 w6"]
    own = HFEngine(folder, dtype="float32")

    def written(engine) -> list[str | None]:
        requests = [
            GenerateRequest(tuple(engine.tokens.encode(text)), Decoding(6)) for text in texts
        ]
        found = answers(engine.generate(requests))
        return [found[i].text for i in range(len(texts))]

    assert written(engine) == written(own)
    with pytest.raises(UserError, match="cannot score here"):
        answers(engine.score([ScoreRequest((65,), (66,))]))
