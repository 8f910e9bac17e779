"""Rows: a model behind a server: how it is asked, and what the server says of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from tests.harness.engines.scripted import Given, ScriptedServer, said
from tests.identity.change.project import Project
from tests.identity.change.row import ASKED, BESIDE, SAME, STORED, Row

ARGS = {"timeout": 5, "patience": 5, "tries": 2}


class Servers:
    """Two addresses, and what both say of their model."""

    def __init__(self) -> None:
        self.says: dict[str, Any] = {}
        self.both = [ScriptedServer(self._habit) for _ in range(2)]

    def _habit(self, body: dict[str, Any], number: int) -> Given:
        status, content, headers = said("w1")
        return status, {**content, **self.says}, headers

    def source(self, number: int = 0, model: str = "m") -> str:
        return f"openai:{model}@{self.both[number].url}"

    def close(self) -> None:
        for server in self.both:
            server.close()


def add_served(project: Project, servers: Servers) -> None:
    project.servers = servers
    project.tables["models.far"] = {
        "source": servers.source(),
        "kind": "instruct",
        "engine_args": ARGS,
    }


def args(**values: Any) -> Callable[[Project], None]:
    return lambda p: p.model("far", engine_args={**ARGS, **values})


def says(**values: Any) -> Callable[[Project], None]:
    """Of itself, in every answer."""

    def change(project: Project) -> None:
        before = project.servers.says
        project._undo.append(lambda: project.servers.__dict__.update(says=before))
        project.servers.says = values

    return change


def lists(**values: Any) -> Callable[[Project], None]:
    """Of its model, in its list."""

    def change(project: Project) -> None:
        server = project.servers.both[0]
        before = server.listed
        project._undo.append(lambda: server.__dict__.update(listed=before))
        server.listed = {**before, **values}

    return change


def with_key(project: Project) -> None:
    os.environ["CHANGE_KEY"] = "secret"
    project._undo.append(lambda: os.environ.pop("CHANGE_KEY"))
    args(key_env="CHANGE_KEY")(project)


def asked(what: str, change: Callable[[Project], Any], of: str = "") -> Row:
    return Row(what, change, ASKED, BESIDE, of=of, models=("far",))


def same(what: str, change: Callable[[Project], Any], of: str = "") -> Row:
    return Row(what, change, STORED, SAME, of=of, models=("far",))


F = "ServerSpec."
SERVED = (
    asked("its name at the server", lambda p: p.model("far", source=p.servers.source(model="n")),
          F + "model"),
    asked("its address", lambda p: p.model("far", source=p.servers.source(1)), F + "url"),
    same("`key_env`", with_key, F + "key_env"),
    asked("`tokenizer`", lambda p: args(tokenizer=str(p.path("model")))(p), F + "tokenizer"),
    same("`endpoint`: the one that \"auto\" found, by name", args(endpoint="chat"), F + "endpoint"),
    same("`concurrency`", args(concurrency=2), F + "concurrency"),
    same("`timeout`", args(timeout=6), F + "timeout"),
    same("`patience`", args(patience=6), F + "patience"),
    same("`tries`", args(tries=3), F + "tries"),
    asked("`max_length`", args(max_length=2000), F + "max_length"),
    asked("`reasoning_tokens`", args(reasoning_tokens=64), F + "reasoning_tokens"),
    asked("`body`", args(body={"top_k": 4}), F + "body"),
    asked("the length that the server states", lists(max_model_len=2048)),
    asked("where the server says its weights are from", lists(root="owner/other")),
    asked("the version behind the name", says(model="m-2025-01")),
    asked("the server's fingerprint", says(system_fingerprint="fp_2")),
    same("the time at which the server says it made its model", lists(created=1700000000)),
)  # fmt: skip
