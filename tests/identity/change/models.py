"""Rows: the model's files, and every field of its spec."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

from harness.identity import answers
from tests.identity.change.project import Project
from tests.identity.change.row import Row, asked, refused, same, scored, told

WEIGHTS = "model/model.safetensors"


def spec(**values: Any) -> Callable[[Project], None]:
    return lambda project: project.model(**values)


def new_weights(project: Project) -> None:
    project.write(WEIGHTS, project.path("other/model.safetensors").read_bytes())


def same_size_and_time(project: Project) -> None:
    times = project.path("model/times")
    shutil.copy2(project.path(WEIGHTS), times)
    new_weights(project)
    project.keep_times(WEIGHTS)
    times.unlink()


def touched(project: Project) -> None:
    project.write(WEIGHTS, project.path(WEIGHTS).read_bytes())


FILES = (
    asked("its weights", new_weights),
    asked("its weights, with size and time kept", same_size_and_time),
    asked("what a link to it leads to", lambda p: p.link("linked", "other"), models=("l",)),
    same("what a link to it leads to, with the same content", lambda p: p.link("linked", "same"),
         models=("l",)),
    same("the time of its weights alone", touched),
    asked("its `config.json`",
          lambda p: p.edit("model/config.json", '"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-02')),
    asked("its `generation_config.json`",
          lambda p: p.edit("model/generation_config.json", '"bos_token_id": 1',
                           '"bos_token_id": 1, "max_length": 50')),
    asked("its tokenizer",
          lambda p: p.edit("model/tokenizer.json", '"▁w1": 5', '"▁w1": 6, "_": 5')),
    asked("its chat template",
          lambda p: p.write("model/chat_template.jinja",
                            "{% for m in messages %}w8 {{ m['content'] }}{% endfor %}")),
    same("a README in its folder", lambda p: p.write("model/README.md", "# A model")),
    same("Python in its folder that may not run", lambda p: p.write("model/code.py", "x = 1")),
    same("Python in its folder that may run, on the first run",
         lambda p: p.model(trust_remote_code=True)),
)  # fmt: skip

SHAPE = {"parameters": 40000, "layers": 2, "hidden": 32, "heads": 4, "kv_heads": 2,
         "head_size": 8, "vocabulary": 128, "context": 96}  # fmt: skip
SPEC = (
    Row("`name`", lambda p: p.rename_model("m", "m2"), "from the store", "beside the old one",
        of="ModelSpec.name", then=("m2",)),
    told("`source`: the folder is moved",
         lambda p: (p.move("model", "moved"), p.model(source="path:moved")), "ModelSpec.source"),
    told("`source`: another folder of the same content", spec(source="path:same"),
         "ModelSpec.source"),
    asked("`source`: another folder of other content", spec(source="path:other"),
          "ModelSpec.source"),
    told("`kind`", spec(kind="instruct"), "ModelSpec.kind"),
    refused("`base` of a model that is no adapter", spec(base="l"), "no other has a base",
            "ModelSpec.base"),
    told("`file`: the folder named inside the source", spec(source="path:.", file="model"),
         "ModelSpec.file"),
    same("`sha256` of a folder", spec(sha256="0" * 64), "ModelSpec.sha256"),
    refused("`parts` of a source that has none", spec(parts=["a==1"]), "parts:",
            "ModelSpec.parts"),
    told("`developer`", spec(developer="me"), "ModelSpec.developer"),
    told("`released`", spec(released="2025-01"), "ModelSpec.released"),
    told("`licence`", spec(licence="MIT"), "ModelSpec.licence"),
    told("`parameters`", spec(parameters="40K"), "ModelSpec.parameters"),
    refused("`accept`: terms nobody agreed to", spec(accept="word", licence="own"),
            "BENCH_ACCEPT=word", "ModelSpec.accept"),
    asked("`dtype`", spec(dtype="bfloat16"), "ModelSpec.dtype"),
    same("`dtype`: what \"auto\" takes here, by name", spec(dtype="float32"), "ModelSpec.dtype"),
    same("`train_processes`", spec(train_processes=2), "ModelSpec.train_processes"),
    same("`shape`", spec(shape=SHAPE), "ModelSpec.shape"),
    same("`resources`", spec(resources={"CPU": 2}), "ModelSpec.resources"),
    same("`engine`: what \"auto\" takes here, by name", spec(engine="auto"), "ModelSpec.engine"),
    asked("`engine_args`: attention", spec(engine_args={"path": "plain", "attention": "eager"}),
          "ModelSpec.engine_args"),
    asked("`engine_args`: the longest input", spec(engine_args={"path": "plain", "max_length": 64}),
          "ModelSpec.engine_args"),
    same("`engine_args`: the path, which differs by rounding only",
         spec(engine_args={"path": "branched"}), "ModelSpec.engine_args", keeps=("engine_paths",)),
    same("`engine_args`: tokens a pass", spec(engine_args={"path": "plain", "token_budget": 64}),
         "ModelSpec.engine_args"),
    same("`trust_remote_code`, without code in the folder", spec(trust_remote_code=True),
         "ModelSpec.trust_remote_code"),
    asked("the model's own code, where it may run",
          lambda p: (p.write("model/code.py", "x = 2"), p.model(trust_remote_code=True)),
          "ModelSpec.trust_remote_code"),
    same("`sampling`, of the model itself", spec(sampling={"temperature": 0.2}),
         "ModelSpec.sampling"),
    same("`note`", spec(note="A note."), "ModelSpec.note"),
)  # fmt: skip
# Fields that no run on this machine can show: their side is read off the engine's numerics.
BY_NUMERICS = {
    "ModelSpec.quantisation": ({"quantisation": "nf4"}, True),
    "ModelSpec.device_map": ({"device_map": "auto"}, False),
    "ModelSpec.memory": ({"memory": {"0": "1GiB"}}, False),
}
# Set by whoever reads a spec, never by its writer.
NO_SETTING = {"ModelSpec.origin"}

A = "Asking."
WORDINGS = "suite/t.wordings.toml"


def asking(**values: Any) -> Callable[[Project], None]:
    return lambda project: project.set(asking=values)


def edited_wording(project: Project) -> None:
    """Asked in a wording, which is then changed."""
    project.set(asking={"wording": "plain"})
    project.run(["m"], "row")
    project.edit(WORDINGS, "w6 ", "w5 w4 ")


def best_wording(project: Project) -> None:
    """Chosen among two; the task has two training items."""
    project.set(asking={"wording": "best", "wording_items": 2})


def version(package: str) -> Callable[[Project], None]:
    """Of an installed package; answers stored before name the one that was there then."""

    def change(project: Project) -> None:
        known = answers._versions
        project._undo.append(lambda: setattr(answers, "_versions", known))
        answers._versions = lambda names: {  # type: ignore[assignment]
            name: "99.0" if name == package else held for name, held in known(names).items()
        }

    return change


ASKING = (
    same("the version of a package that answers; the record names the one that answered",
         version("torch"), keeps=("packages",)),
    told("the version of a package that scores", version("lm-eval")),
    asked("number of few-shot examples", asking(shots=2), A + "shots"),
    Row("a further draw of few-shot examples", asking(draws=2), "what is new is asked",
        "beside the old one", of=A + "draws"),
    scored("a lower item limit", asking(limit=2), A + "limit"),
    same("`chat = off` of a model without a chat template", asking(chat="off"), A + "chat"),
    Row("one wording more", asking(wordings=2), "what is new is asked", "beside the old one",
        of=A + "wordings"),
    asked("another wording", asking(wording="plain"), A + "wording"),
    asked("a wording's words, after it was asked", edited_wording, A + "wording"),
    same("the words of a wording that is not asked",
         lambda p: p.edit(WORDINGS, "w6 ", "w5 w4 ")),
    Row("the best wording, and of how many training items", best_wording, "from the store",
        "beside the old one", of=A + "wording_items"),
    Row("`bits`: the gold answers are asked for as well", asking(bits=True), "what is new is asked",
        "in the old one's place", of=A + "bits"),
    same("nothing", lambda p: None),
)  # fmt: skip
# Which items, not how: a task's name; the training split, whose records stand on no board;
# rows beside the models' own.
NO_SETTING |= {A + "tasks", A + "split", A + "floors"}
