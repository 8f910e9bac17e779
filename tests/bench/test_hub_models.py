"""Models and adapters named on the command line by their names on the hub, and fetched from one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main
from tests.bench.test_places import RUN, write_adapter
from tests.harness.models.hub_server import commit_of, served
from tests.test_large_models import write_model


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A hub that holds a model and an adapter over it, an empty cache, an empty folder."""
    from huggingface_hub import constants

    model = write_model(tmp_path / "model", "llama")
    lora = tmp_path / "lora"
    write_adapter(lora, model, names="owner/model")
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    held = {"owner/model": model, "owner/lora": lora}
    with served(held) as (address, asked):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE",
                            address + "/{repo_id}/resolve/{revision}/{filename}")  # fmt: skip
        yield {"folders": held, "asked": asked, "root": tmp_path}


def answers(out: str) -> dict[tuple[str, str], Any]:
    """(model, task) -> what its items were answered and scored."""
    found = {}
    for path in Path(out).glob("runs/*/*/record.json"):
        manifest = json.loads(path.read_text())["manifest"]
        items = path.with_name("items.jsonl").read_text().splitlines()
        found[manifest["model"], manifest["task"]] = [json.loads(item)["metrics"] for item in items]
    return found


def test_an_adapter_of_the_hub_is_asked_over_the_base_that_it_names(
    hub: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["run", "--models", "owner/model,hf:owner/lora", *RUN, "--out", "named"]) == 0
    root = hub["root"]
    local = ["--models", f"{root}/model,{root}/lora", "--base", f"{root}/model"]
    assert main(["run", *local, *RUN, "--out", "local"]) == 0
    named = answers("named")
    assert named == answers("local")
    assert len(named) == 4
    asked = hub["asked"]
    assert any(line.endswith("adapter_model.safetensors") for line in asked)
    # Only what cannot run code, and nothing of the rest.
    assert not any(line.endswith((".bin", ".py", "README.md")) for line in asked)

    # Without the hub, what was fetched serves; pinned, nothing is asked for.
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    asked.clear()
    pins = ",".join(f"{n}=hf:owner/{n}@{commit_of(root / n)}" for n in ("model", "lora"))
    assert main(["run", "--models", pins, *RUN, "--out", "pinned"]) == 0
    assert answers("pinned") == named
    assert not asked


def test_an_adapter_that_changed_on_the_hub_is_another(hub: dict[str, Any]) -> None:
    assert main(["run", "--models", "owner/lora", *RUN, "--out", "out"]) == 0
    root = hub["root"]
    shutil.rmtree(root / "lora")
    write_adapter(root / "lora", root / "model", names="owner/model", seed=1)
    assert main(["run", "--models", "owner/lora", *RUN, "--out", "out"]) == 0
    records = Path("out/runs/lora").glob("*/record.json")
    assert len({json.loads(p.read_text())["manifest"]["artifact"] for p in records}) == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("owner/none", "owner/none"),
        ("owner/lora@v9", "owner/lora@v9"),
        ("owner/pickled", "has no adapter_model.safetensors"),
    ],
)
def test_what_the_hub_has_not_is_told(
    hub: dict[str, Any], capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    pickled = shutil.copytree(hub["root"] / "lora", hub["root"] / "pickled")
    (pickled / "adapter_model.safetensors").rename(pickled / "adapter_model.bin")
    hub["folders"]["owner/pickled"] = pickled
    assert main(["run", "--models", name, *RUN]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert not any(line.endswith(".bin") for line in hub["asked"])
