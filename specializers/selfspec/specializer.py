"""Self-specialization as a plug-in: seeds -> tasks -> answers -> LoRA on the base.

Source: Kang et al., "Self-Specialization: Uncovering Latent Expertise within
Large Language Models", arXiv 2310.00160. Each stage is a file in the artifact's
folder; a stage whose file is there is not repeated. Each round is an artifact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from harness.artifacts.make import ensure
from harness.doors.files import read_jsonl
from harness.errors import UserError
from harness.files import cache_folder, write_bytes, write_json, write_jsonl
from harness.types import Artifact, BaseModel, Domain, Json, Progress, Seed, Specializer
from specializers.needs import (
    missing_packages,
    parameter_faults,
    raise_needs,
    search_faults,
    training_packages,
)
from specializers.parameters import take
from specializers.replay import trained
from specializers.retrieval.embedding import embedding_inputs, open_embedder
from specializers.retrieval.open import Retriever, open_retriever
from specializers.selfspec.agreement import AgreementParams
from specializers.selfspec.budgets import BUDGETS, CHOICES
from specializers.selfspec.grounded.params import GroundedParams
from specializers.selfspec.grounded.quotas import repeats
from specializers.selfspec.grounded.stage import answer_again, write_grounded
from specializers.selfspec.instructions import InstructionParams, write_instructions
from specializers.selfspec.responses import ResponseParams, write_responses
from specializers.selfspec.semantics import Embed
from specializers.stages import note_seconds, read_report, rows_stage
from specializers.training.examples import form_facts, rendered
from specializers.training.rates import rate_faults


class SelfSpec:
    """The paper's method; see `budgets` for every choice and its source."""

    name = "selfspec"
    version = 7
    summary = "train a base on tasks and answers it wrote itself from a few seeds"
    kind: Literal["adapter", "prompt"] = "adapter"
    budgets: Mapping[str, Mapping[str, Any]] = BUDGETS

    def specialize(
        self,
        base: BaseModel,
        domain: Domain,
        params: Mapping[str, Any],
        out: Path,
        progress: Progress,
    ) -> Json:
        """See `harness.types.Specializer` and `self_specialize`."""
        return self_specialize(self, base, domain, params, out, progress)

    def inputs(self, params: Mapping[str, Any]) -> Mapping[str, str]:
        """The embedding model, where one is used."""
        return embedding_inputs(params)

    def faults(self, domain: Domain, params: Mapping[str, Any]) -> list[str]:
        """See `harness.types.PlannedSpecializer` and `self_faults`."""
        return self_faults(self, domain, params)


def self_specialize(
    plugin: Specializer,
    base: BaseModel,
    domain: Domain,
    params: Mapping[str, Any],
    out: Path,
    progress: Progress,
) -> Json:
    """The method, for `plugin` and in its name. What is written into `out`, in order:

    instructions.jsonl: every candidate task, dropped or not.
    responses.jsonl: every answer, dropped or not.
    dropped.jsonl: what was dropped in either stage, with filter and reason.
    data.jsonl: the training examples, each with its type and its lineage.
    adapter/, training.jsonl, training.json: the adapter and how its training went.

    With `rounds` over 1 the artifact of one round fewer is made first, beside
    `out`; its tasks are taken over, its model answers them anew, and the
    training starts from the base again.
    """
    raise_needs(self_faults(plugin, domain, params), base, params)
    previous = _previous_round(plugin, base, domain, params, out, progress)
    data = make_data(base, domain, params, out, progress, previous)
    form = form_facts(params["template"], base.has_chat_template)
    examples = rendered(data, params, str(form["template"]))
    if params["inputs"] == "corpus" and params["type_shares"] == "seeds":
        times = repeats(
            [row["task_type"] for row in data], Counter(seed.task_type for seed in domain.seeds)
        )
        examples = [replace(one, times=n) for one, n in zip(examples, times, strict=True)]
    training = trained(base, examples, params, out, progress)
    return {
        **data_facts(out),
        **form,
        "round": params["rounds"],
        "previous_round": previous.digest if previous else "",
        "training": training,
    }


def self_faults(plugin: Specializer, domain: Domain, params: Mapping[str, Any]) -> list[str]:
    """Wrong parameters, passages that are not there, or packages."""
    name = plugin.name
    if faults := parameter_faults(name, params, plugin.budgets["paper"], CHOICES):
        return faults
    packages = training_packages(params)
    over_texts = params["inputs"] == "corpus"
    if over_texts:
        packages = (*packages, "rensa")
    elif params["semantic_threshold"]:
        packages = (*packages, "sentence_transformers")
    return [
        *rate_faults(name, params),
        *(text_faults(name, domain) if over_texts else search_faults(name, domain, params)),
        *missing_packages(f"{name} (training)", packages),
    ]


def text_faults(name: str, domain: Domain) -> list[str]:
    """No corpus to take texts from."""
    if domain.corpus is not None:
        return []
    return [
        f"{name}: inputs is 'corpus', but domain '{domain.name}' has no corpus. Give one with "
        "--corpus FILE, or --set inputs=model: the model then writes the texts too."
    ]


def _previous_round(
    plugin: Specializer,
    base: BaseModel,
    domain: Domain,
    params: Mapping[str, Any],
    out: Path,
    progress: Progress,
) -> Artifact | None:
    """The artifact of one round fewer, whose tasks are put into `out`; None in round 1."""
    if params["rounds"] == 1:
        return None
    fewer = {**params, "rounds": params["rounds"] - 1}
    previous = ensure(plugin, base, domain, fewer, out.parent, progress)
    for name in ("instructions.json", "instructions.jsonl"):
        write_bytes(out / name, (previous.folder / name).read_bytes())
    return previous


def make_data(
    base: BaseModel,
    domain: Domain,
    params: Mapping[str, Any],
    out: Path,
    progress: Progress,
    previous: Artifact | None = None,
) -> list[Json]:
    """Write tasks and answers; the training examples with their lineage, as in data.jsonl."""
    write = _over_texts if params["inputs"] == "corpus" else _invented
    candidates, answers = write(base, domain, params, out, progress, previous)
    if not (out / "data.jsonl").is_file():
        by_id = {row["id"]: row for row in candidates}
        source = previous.digest if previous else "base"
        kept = [_example(by_id[row["id"]], row, source) for row in answers if not row["dropped"]]
        seeds = _shown_seeds(domain, params, out)
        if not kept and not seeds:
            raise UserError(
                f"{base.name}: no example was kept, and train_on_seeds is 'none'. Try another "
                "corpus, --set gate_seeds=0, or a larger model."
            )
        write_jsonl(out / "dropped.jsonl", _dropped(candidates, answers))
        write_jsonl(out / "data.jsonl", [*kept, *map(_seed_example, seeds)])
        told = f" and {len(seeds)} seeds" if seeds else ""
        progress.say(f"{len(kept)} examples{told}; {_counts_line(candidates, answers)}")
    return list(read_jsonl(out / "data.jsonl"))


def _over_texts(
    base: BaseModel,
    domain: Domain,
    params: Mapping[str, Any],
    out: Path,
    progress: Progress,
    previous: Artifact | None,
) -> tuple[list[Json], list[Json]]:
    """Tasks and answers over texts of the corpus. Both come of one loop, so both files are there
    or neither counts."""
    grounded = take(GroundedParams, params)
    if previous is not None and previous.adapter is not None:
        adapter = previous.adapter
        tasks = list(read_jsonl(out / "instructions.jsonl"))
        kept = [row for row in tasks if row["dropped"] is None]
        return tasks, rows_stage(
            out, "responses", lambda: answer_again(base, domain, kept, grounded, adapter)
        )
    files = [out / "instructions.jsonl", out / "responses.jsonl"]
    if not all(file.is_file() for file in files):
        written = write_grounded(base, domain, grounded, progress)
        write_json(out / "instructions.json", written.task_report)
        write_json(out / "responses.json", written.answer_report)
        for stage, seconds in written.seconds.items():
            note_seconds(out, stage, seconds)
        write_jsonl(files[1], written.answers)
        write_jsonl(files[0], written.tasks)
    return list(read_jsonl(files[0])), list(read_jsonl(files[1]))


def _invented(
    base: BaseModel,
    domain: Domain,
    params: Mapping[str, Any],
    out: Path,
    progress: Progress,
    previous: Artifact | None,
) -> tuple[list[Json], list[Json]]:
    """The paper's way: the model writes the tasks with their inputs, then answers them."""
    candidates = rows_stage(
        out,
        "instructions",
        lambda: write_instructions(
            base, domain, take(InstructionParams, params), progress, _embed(params, progress)
        ),
    )
    tasks = [row for row in candidates if row["dropped"] is None]
    answers = rows_stage(
        out,
        "responses",
        lambda: write_responses(
            base,
            domain,
            tasks,
            _retriever(domain, params, progress),
            take(ResponseParams, params),
            take(AgreementParams, params),
            progress,
            adapter=previous.adapter if previous else None,
        ),
    )
    return candidates, answers


def _embed(params: Mapping[str, Any], progress: Progress) -> Embed | None:
    """Texts -> vectors, where novelty by meaning is asked for."""
    if not params["semantic_threshold"]:
        return None
    return open_embedder(params["embedding"], progress).passages


def data_facts(out: Path) -> Json:
    """Counts of the data stages, for the manifest; "mined": those that no model wrote."""
    instructions = list(read_jsonl(out / "instructions.jsonl"))
    responses = list(read_jsonl(out / "responses.jsonl"))
    mined = sum(row.get("mode") == "mined" for row in instructions)
    return {
        "instructions": {
            **read_report(out / "instructions.json"),
            "candidates": len(instructions) - mined,
            "mined": mined,
            "dropped": _by_filter(instructions),
        },
        "responses": {
            **read_report(out / "responses.json"),
            "candidates": len(responses) - mined,
            "mined": mined,
            "dropped": _by_filter(responses),
        },
    }


def _retriever(domain: Domain, params: Mapping[str, Any], progress: Progress) -> Retriever | None:
    if params["retrieval"] == "none" or not params["passages"]:
        return None
    raise_needs(search_faults("selfspec", domain, params))
    assert domain.corpus is not None
    indexes = cache_folder() / "indexes"
    return open_retriever(
        params["retrieval"], domain.corpus, indexes, progress, params["embedding"]
    )


def _example(task: Json, answer: Json, answered_by: str) -> Json:
    return {
        "id": task["id"],
        "task_type": task.get("kind", ""),
        "instruction": task["instruction"],
        "input": task["input"],
        "output": answer["output"],
        "answered_by": answered_by if task["decoding"] or answer["decoding"] else "corpus",
        "seeds": {"instruction": task["seeds"], "response": answer["seeds"]},
        "documents": list(dict.fromkeys([*task.get("documents", ()), *answer["documents"]])),
        "decoding": {
            part: row["decoding"]
            for part, row in (("instruction", task), ("response", answer))
            if row["decoding"]
        },
        "prompt_sha256": {
            "instruction": task["prompt_sha256"],
            "response": answer["prompt_sha256"],
        },
    }


def _shown_seeds(domain: Domain, params: Mapping[str, Any], out: Path) -> list[Seed]:
    """The seeds that are trained on: at most `examples`, types in turn, those first whose type the
    gate kept from being written."""
    if params["train_on_seeds"] == "none":
        return []
    gate = read_report(out / "instructions.json").get("gate", [])
    failed = {trial["type"] for trial in gate if not trial["passed"]}
    turn: Counter[str] = Counter()
    places = []
    for place, seed in enumerate(domain.seeds):
        places.append((turn[seed.task_type], seed.task_type not in failed, place))
        turn[seed.task_type] += 1
    return [domain.seeds[place] for _, _, place in sorted(places)[: params["examples"]]]


def _seed_example(seed: Seed) -> Json:
    """A seed as a training example: hand-written, from nothing but itself."""
    return {
        "id": seed.id,
        "task_type": seed.task_type,
        "instruction": seed.instruction,
        "input": seed.input,
        "output": seed.output,
        "answered_by": "hand",
        "seeds": {"instruction": [seed.id], "response": [seed.id]},
        "documents": [],
    }


def _dropped(candidates: Sequence[Json], answers: Sequence[Json]) -> list[Json]:
    stages = (("instructions", candidates), ("responses", answers))
    return [
        {"id": row["id"], "stage": stage, **row["dropped"]}
        for stage, rows in stages
        for row in rows
        if row["dropped"] is not None
    ]


def _by_filter(rows: Sequence[Json]) -> dict[str, int]:
    found = Counter(row["dropped"]["filter"] for row in rows if row["dropped"] is not None)
    return dict(sorted(found.items()))


def _counts_line(candidates: Sequence[Json], answers: Sequence[Json]) -> str:
    counts = _by_filter([*candidates, *answers])
    if not counts:
        return "nothing was dropped"
    return "dropped: " + ", ".join(f"{filter} {count}" for filter, count in counts.items())
