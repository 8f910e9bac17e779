"""A model in the hub's cache needs no network; what cannot be had is one message."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.models.sources import fetch
from harness.types import ModelSpec
from tests.harness.tiny_models import write_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local hub cache, and no network: what HF_HOME and HF_HUB_OFFLINE=1 set."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def cached(hub: Path) -> Path:
    """The snapshot folder of owner/model as the hub client would have left it."""
    repository = hub / "models--owner--model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    return write_folder(repository / "snapshots" / COMMIT)


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_a_cached_hub_model_needs_no_network(hub: Path, cache: Path, revision: str) -> None:
    snapshot = cached(hub)
    local = fetch(ModelSpec("own", f"hf:owner/model@{revision}"), cache)
    assert local.folder == snapshot
    assert local.spec.source == f"hf:owner/model@{COMMIT}"


def test_an_incomplete_cached_model_is_told(hub: Path, cache: Path) -> None:
    (cached(hub) / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"lacks model\.safetensors"):
        fetch(ModelSpec("own", "hf:owner/model@main"), cache)
    with pytest.raises(UserError, match=f"could not fetch owner/model@{COMMIT}"):
        fetch(ModelSpec("own", f"hf:owner/model@{COMMIT}"), cache)


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_no_network_is_one_message(hub: Path, cache: Path, revision: str) -> None:
    with pytest.raises(UserError) as error:
        fetch(ModelSpec("own", f"hf:owner/model@{revision}"), cache)
    message = str(error.value)
    assert message.startswith(f"model 'own': could not fetch owner/model@{revision} from the hub")
    assert "unset HF_HUB_OFFLINE" in message
    assert '[models.my-own] source = "path:FOLDER"' in message
    assert "\n" not in message


def test_a_gated_model_names_the_next_step(
    hub: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError

    def refuse(*_: object, **__: object) -> None:
        error = GatedRepoError.__new__(GatedRepoError)
        error.args = ("403 Client Error.",)
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(UserError, match=r"Ask for access on the model's hub page \(owner/model\)"):
        fetch(ModelSpec("own", "hf:owner/model@main"), cache)


def test_only_safe_files_of_a_model_are_asked_for(
    hub: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    from huggingface_hub.utils import filter_repo_objects  # type: ignore[attr-defined]

    repository = [
        *("config.json", "model-00001-of-00002.safetensors", "tokenizer.model", "merges.txt"),
        *("pytorch_model.bin", "consolidated.00.pth", "modeling_own.py", "onnx/config.json"),
    ]
    snapshot, wanted = cached(hub), []

    def note(*_: object, allow_patterns: Any, ignore_patterns: Any, **__: object) -> str:
        wanted.append(
            [
                *filter_repo_objects(
                    repository, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns
                )
            ]
        )
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", note)
    spec = ModelSpec("own", "hf:owner/model@main")
    fetch(spec, cache)
    fetch(replace(spec, trust_remote_code=True), cache)
    assert wanted == [repository[:4], [*repository[:4], "modeling_own.py"]]
