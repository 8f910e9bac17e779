"""Models that nobody registered: folders, GGUF files, names on the hub, and LoRA adapters."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main
from bench.workspace import Workspace
from harness.engines.choose import open_engine
from harness.errors import UserError
from harness.models.places import is_place, read_place
from tests.harness.tiny_models import write_gguf
from tests.test_large_models import write_model

RUN = ["--tasks", "mini_yesno,mini_yesno_rank", "--limit", "4", "--quiet"]


def write_adapter(folder: Path, base: Path, names: str = "", seed: int = 0, **lora: Any) -> None:
    """A LoRA adapter with random weights, as peft writes it.

    Args:
        names: the base that its own file names; else the base's folder.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, **lora),
    )
    model.save_pretrained(folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = names or str(base)
    (folder / "adapter_config.json").write_text(json.dumps(config))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a model's folder beside others."""
    root = tmp_path / "project"
    root.mkdir()
    write_model(root / "tiny", "llama")
    monkeypatch.chdir(root)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return root


def board(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "bench-out/board/board.json").read_text())
    return found


def manifests(root: Path) -> dict[str, dict[str, Any]]:
    """Model -> the manifest of one of its records."""
    paths = (root / "bench-out/runs").glob("*/*/record.json")
    found = [json.loads(path.read_text())["manifest"] for path in paths]
    return {manifest["model"]: manifest for manifest in found}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        *((text, True) for text in ("./x", "/x/y", "~/x", "..", "x.gguf", "owner/name", "a/b/c")),
        *((text, True) for text in ("hf:owner/name", "hf:owner/name@main", "mine=./x", "path:x")),
        *((text, False) for text in ("smollm2", "selfspec-smollm2", "selfspec@finance-smollm2")),
        *((text, False) for text in ("selfspec-smollm2@examples=25", "selfspec-smollm2+3caddf7b")),
    ],
)
def test_a_place_is_told_from_a_name(text: str, place: bool) -> None:
    assert is_place(text) is place


def test_places_are_named_by_their_last_part(project: Path) -> None:
    write_gguf(project / "Small Model.Q4.gguf")
    (project / "owner/local").mkdir(parents=True)
    shutil.copytree(project / "tiny", project / "owner/local", dirs_exist_ok=True)
    (project / "one").mkdir()
    write_gguf(project / "one/w.gguf")
    found = {text: read_place(text) for text in (
        "./tiny", "tiny/", "mine=./tiny", "./Small Model.Q4.gguf", "owner/local", "./one",
        str(project / "tiny"),
    )}  # fmt: skip
    assert [spec.name for spec in found.values()] == [
        *("tiny", "tiny", "mine", "Small-Model.Q4", "local", "w", "tiny"),
    ]
    assert found["owner/local"].source == f"path:{project}/owner/local"
    assert found["./one"].source == f"path:{project}/one/w.gguf"


def test_names_on_the_hub(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = project / "adapter_config.json"
    adapter.write_text('{"peft_type": "LORA", "base_model_name_or_path": "owner/base"}')
    held = {"owner/adapter": adapter}
    monkeypatch.setattr("harness.models.places.hub_config", lambda name, revision: held.get(name))
    model = read_place("owner/model")
    assert (model.name, model.source, model.kind) == ("model", "hf:owner/model@main", "base")
    pinned = read_place("hf:owner/model@v1.0")
    assert pinned.source == "hf:owner/model@v1.0"
    lora = read_place("mine=hf:owner/adapter")
    assert (lora.name, lora.kind, lora.base) == ("mine", "adapter", "owner/base")
    with pytest.raises(UserError, match="expected hf:OWNER/NAME"):
        read_place("hf:owner")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("./nothing", "nothing at"),
        ("a/b/c", "nothing at"),
        ("./empty", "is no model. Expected a transformers folder"),
        ("./two", "holds 2 models (a.gguf, b.gguf); name one"),
        ("bench.toml=./..", "is no model"),
        ("/", "is no model"),
    ],
)
def test_a_place_without_a_model_is_told(project: Path, text: str, said: str) -> None:
    (project / "empty").mkdir()
    (project / "two").mkdir()
    for name in ("a", "b"):
        (project / f"two/{name}.gguf").write_bytes(b"")
    with pytest.raises(UserError) as error:
        read_place(text)
    assert said in str(error.value)


def test_a_folder_and_a_file_run_as_they_are(project: Path, capsys: Any) -> None:
    write_gguf(project / "small.gguf")
    assert main(["run", "--models", "./tiny,small.gguf,rag-./tiny", *RUN]) == 0
    assert manifests(project).keys() == {"tiny", "small", "rag-tiny"}
    assert manifests(project)["small"]["model_kind"] == "instruct"  # it has a chat template
    assert manifests(project)["tiny"]["model_kind"] == "base"


def test_the_name_is_told(project: Path, capsys: Any) -> None:
    assert main(["plan", "--models", "mine=./tiny", "--tasks", "mini_yesno", "--limit", "1"]) == 0
    assert "mine=./tiny: called 'mine' here and on boards" in capsys.readouterr().err


def test_a_name_that_is_taken_is_refused(project: Path, capsys: Any) -> None:
    shutil.move(project / "tiny", project / "smollm2")
    assert main(["run", "--models", "./smollm2", *RUN]) == 2
    said = capsys.readouterr().err
    assert "would be called 'smollm2', which is another model here (built in)" in said
    assert "my-smollm2=./smollm2" in said


def test_an_adapter_stands_on_the_board_with_its_difference(
    project: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    monkeypatch.setattr(
        "harness.pool.open_engine",
        lambda local, say: opened.append(local) or open_engine(local, say),
    )
    write_adapter(project / "my-lora", project / "tiny")
    assert main(["run", "--models", "./my-lora", *RUN]) == 0, capsys.readouterr().err
    found = manifests(project)
    assert found.keys() == {"tiny", "my-lora"}
    assert found["my-lora"]["base"] == "tiny"
    assert found["my-lora"]["artifact"] != "" == found["tiny"]["artifact"]
    # The same weights under both, and a difference without a board file.
    assert found["my-lora"]["model_digest"] == found["tiny"]["model_digest"]
    assert len(opened) == 1
    (section,) = board(project)["sections"]
    rows = {row["model"]: row for row in section["rows"]}
    assert rows["my-lora"]["base"] == "tiny"
    assert [cell["difference"]["other"] for cell in rows["my-lora"]["cells"]] == ["tiny", "tiny"]


def test_a_changed_adapter_is_another(project: Path, capsys: Any) -> None:
    from harness.artifacts.given import given_digest
    from harness.identity.things import model_identity
    from harness.progress import NullProgress
    from harness.types import LocalModel, ModelSpec

    def digest_of(folder: Path, base: Path = project / "tiny") -> str:
        spec = ModelSpec("b", f"path:{base}")
        key = model_identity(base, False, project / "cache", NullProgress())
        return given_digest(folder, LocalModel(spec, base, key))

    write_adapter(project / "a", project / "tiny")
    write_adapter(project / "same", project / "tiny", names="elsewhere/base")
    write_adapter(project / "other", project / "tiny", seed=1)
    write_adapter(project / "alpha", project / "tiny", lora_alpha=32)
    write_model(project / "base2", "llama")
    config = json.loads((project / "base2/config.json").read_text())
    (project / "base2/config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.5}))
    kept = digest_of(project / "a")
    # Where the base lay when it was trained changes no answer; all else does.
    assert digest_of(project / "same") == kept
    others = [digest_of(project / "other"), digest_of(project / "alpha")]
    others.append(digest_of(project / "a", project / "base2"))
    assert len({kept, *others}) == 4


def test_a_run_after_the_adapter_was_trained_anew_asks_again(project: Path, capsys: Any) -> None:
    write_adapter(project / "lora", project / "tiny")
    assert main(["run", "--models", "./lora", *RUN]) == 0
    first = manifests(project)["lora"]["artifact"]
    write_adapter(project / "lora", project / "tiny", seed=1)
    assert main(["run", "--models", "./lora", *RUN]) == 0
    # The records of the first stay beside those of the second.
    paths = (project / "bench-out/runs/lora").glob("*/record.json")
    found = [json.loads(path.read_text())["manifest"]["artifact"] for path in paths]
    assert len(found) == 4
    assert found.count(first) == 2 == len(set(found))


def test_base_names_another_than_the_adapters_file(project: Path, capsys: Any) -> None:
    (project / "bench.toml").write_text('[models.known]\nsource = "path:tiny"\n')
    write_adapter(project / "lora", project / "tiny", names="owner/base")
    assert main(["run", "--models", "./lora", *RUN]) == 2
    said = capsys.readouterr().err
    assert "model 'lora': an adapter over 'owner/base'" in said
    assert "--base MODEL" in said
    assert main(["run", "--models", "./lora", "--base", "known", *RUN]) == 0
    assert manifests(project)["lora"]["base"] == "known"


def test_a_registered_base_is_known_by_its_folder_or_hub_name(project: Path) -> None:
    (project / "bench.toml").write_text(
        '[models.known]\nsource = "path:tiny"\n[models.hub]\nsource = "hf:owner/base@main"\n'
        '[models.kept]\nsource = "path:c"\nkind = "adapter"\nbase = "known"\n'
    )
    write_adapter(project / "a", project / "tiny")
    write_adapter(project / "b", project / "tiny", names="owner/base")
    workspace = Workspace()
    assert workspace.resolve("./a").model.name == "known"
    assert workspace.resolve("./b").model.name == "hub"
    assert workspace.resolve("kept").model.name == "known"
    # Trained over what `bench models path smollm2` prints.
    fetched = project.parent / "cache/models/smollm2-8e809ba7e6a5"
    write_adapter(project / "d", project / "tiny", names=str(fetched))
    assert workspace.resolve("./d").model.name == "smollm2"
    with pytest.raises(UserError, match="'kept' is an adapter, and 'selfspec' starts from"):
        workspace.resolve("selfspec-kept")


def test_what_to_type_next_makes_the_same_again(project: Path, capsys: Any) -> None:
    """A place has a name in one process alone, so the recipe is told with it."""
    given = ["--budget", "small", "--set", "passages=2", "--out", "a b"]
    assert main(["specialize", "rag", "--model", "./tiny", *given]) == 0
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("next, ")]
    words = shlex.split(line.partition(": bench ")[2])
    assert words == [
        "run", "--tasks", "biomed-mini", "--models", "./tiny,rag-./tiny", "--budget", "small",
        "--set", "passages=2", "--out", "a b",
    ]  # fmt: skip
    words[2] = "mini_yesno"
    assert main([*words, "--limit", "4", "--quiet"]) == 0
    assert len(list((project / "a b/artifacts").glob("rag-*"))) == 1


def test_an_adapter_over_a_server_is_told_before_anything_is_asked(
    project: Path, capsys: Any
) -> None:
    (project / "bench.toml").write_text(
        '[models.served]\nsource = "openai:m@http://127.0.0.1:1/v1"\n'
    )
    write_adapter(project / "lora", project / "tiny")
    assert main(["run", "--models", "./lora", "--base", "served", *RUN]) == 2
    said = capsys.readouterr().err
    assert "an adapter over 'served', whose weights are behind a server" in said
    assert not list((project / "bench-out").glob("runs/*/*/record.json"))


def test_an_adapter_that_cannot_be_run_is_told(project: Path, capsys: Any) -> None:
    write_adapter(project / "pickled", project / "tiny")
    (project / "pickled/adapter_model.safetensors").unlink()
    (project / "pickled/adapter_model.bin").write_bytes(b"")
    write_adapter(project / "prompt", project / "tiny")
    config = project / "prompt/adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "peft_type": "PROMPT_TUNING"}))
    for name, said in [
        ("pickled", "has no adapter_model.safetensors"),
        ("prompt", "peft_type: found 'PROMPT_TUNING'; expected 'LORA'"),
    ]:
        assert main(["run", "--models", f"./{name}", *RUN]) == 2
        assert said in capsys.readouterr().err
