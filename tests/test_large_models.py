"""The commands for 30B models, on tiny random models of the same architectures.

A random model writes no task that can be read. Here each token of its
vocabulary spells a whole one, so whatever it samples is a task, and every
stage has something to work on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

ASKED = ("Why does", "When should", "How can", "For whom would", "Where might", "How often does")
WHAT = ("ginger calm", "mint clear", "honey heal", "sage soften", "willow soothe", "garlic stop")
AILS = ("a sore throat", "weak knees", "burnt skin", "poor sleep", "cold feet", "bad breath")
BLOCKS = [
    f"({b}) Instruction: {a} {b} {c}?\n###" for a, b, c in product(ASKED, WHAT, AILS)
]  # fmt: skip
WORDS = (
    *("yes", "no", "the", "a", "of", "in", "is", "and", "patient", "disease", "drug"),
    *("Answer", "Task", "Input", "Output", ":", ".", ",", "?"),
)


def write_model(folder: Path, architecture: str) -> Path:
    """A random model of two layers whose every token is a task."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    names = ["<unk>", "<s>", "</s>", *WORDS, *BLOCKS]
    backend = Tokenizer(
        models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>")
    )
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    ).save_pretrained(folder)
    sizes = {
        "mpt": {"d_model": 64, "n_heads": 2, "n_layers": 2, "max_seq_len": 2048},
        "falcon": {
            "hidden_size": 64,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "num_kv_heads": 1,
            "new_decoder_architecture": True,
            "max_position_embeddings": 2048,
        },
        "llama": {
            "hidden_size": 64,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "intermediate_size": 128,
            "num_key_value_heads": 1,
            "max_position_embeddings": 2048,
        },
    }
    config = AutoConfig.for_model(
        architecture,
        vocab_size=len(names),
        bos_token_id=1,
        eos_token_id=2,
        **sizes[architecture],
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        # The likeliest token is always a task, never a lone word or the end.
        model.get_output_embeddings().weight[: len(names) - len(BLOCKS)] *= 0.1
    model.save_pretrained(folder)
    return folder


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "BENCH_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    env.pop("BENCH_OUT", None)
    command = [sys.executable, "-m", "bench.cli", *arguments]
    return subprocess.run(
        command, cwd=folder, env=env, text=True, capture_output=True, timeout=850, check=False
    )


def test_the_very_command_for_mpt30b_through_qlora(tmp_path):
    write_model(tmp_path / "mpt", "mpt")
    (tmp_path / "bench.toml").write_text(
        '[models.mpt30b]\nsource = "path:mpt"\nquantisation = "nf4"\nlicence = "Apache-2.0"\n'
    )
    ran = bench(
        tmp_path, "run", "--models", "mpt30b,selfspec-mpt30b", "--tasks", "biomed-mini",
        "--limit", "1", "--set", "quantisation=nf4", "--set", "examples=4",
        "--set", "max_calls=8", "--set", "calls_per_round=8",
        "--set", "gradient_checkpointing=true",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "mpt30b: engine hf (MPT left vLLM after 0.27)" in ran.stderr + ran.stdout
    out = tmp_path / "bench-out"
    (manifest,) = out.glob("artifacts/*/manifest.json")
    training = json.loads((manifest.parent / "training.json").read_text())
    rows = [json.loads(row) for row in (manifest.parent / "data.jsonl").read_text().splitlines()]
    written = [row for row in rows if not row["id"].startswith("biomed-seed")]
    replayed = json.loads((manifest.parent / "replay.json").read_text())["kept"]
    assert 1 <= len(written) <= 4
    assert len(rows) - len(written) == 4
    assert training["examples"] == len(rows) + replayed
    adapter = json.loads((manifest.parent / "adapter" / "adapter_config.json").read_text())
    targets = {name.rpartition(".")[2] for name in adapter["target_modules"]}
    assert targets == {"Wqkv", "out_proj", "up_proj", "down_proj"}
    models = {path.parts[-3] for path in out.glob("runs/*/*/record.json")}
    assert models == {"mpt30b", "selfspec-mpt30b"}
    for path in out.glob("runs/*/*/record.json"):
        record = json.loads(path.read_text())
        assert record["summary"]["n_error"] == 0
        numerics = record["manifest"]["numerics"]
        assert (numerics["engine"], numerics["quantisation"]) == ("hf", "nf4")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("large")
    return {name: write_model(root / name, name) for name in ("mpt", "falcon", "llama")}


def trained(folder: Path, out: Path, quantisation: str) -> Path:
    """An adapter made by the specializers' own training."""
    from harness.progress import NullProgress
    from specializers.parameters import take
    from specializers.selfspec.budgets import TINY
    from specializers.training.examples import TrainingExample
    from specializers.training.params import TrainParams
    from specializers.training.trainer import train_lora

    params = take(TrainParams, {**TINY, "quantisation": quantisation, "epochs": 1})
    examples = [TrainingExample("Task : is the drug", "yes"), TrainingExample("a disease", "no")]
    train_lora(folder, "large", examples * 2, out, params, NullProgress())
    return out / "adapter"


def scores(folder: Path, adapter: Path | None, **options) -> list[float]:
    from harness.engines.base import ScoreRequest
    from harness.engines.hf.engine import HFEngine

    engine = HFEngine(folder, dtype="float32", device="cpu", **options)
    requests = [ScoreRequest((3, 9, 12, 5), (i, 7)) for i in range(20, 24)]
    found: dict = {}
    for call in engine.score(requests, adapter):
        found |= {i: r.loglikelihood for i, r in call}
    return [found[i] for i in range(len(requests))]


@pytest.mark.parametrize("name", ["mpt", "falcon", "llama"])
def test_an_adapter_over_four_bits_scores_like_its_own_base(folders, name, tmp_path):
    adapter = trained(folders[name], tmp_path, "nf4")
    four, whole = (scores(folders[name], adapter, quantisation=q) for q in ("nf4", ""))
    # 4-bit weights are the same model, rounded.
    assert four != whole
    assert four == pytest.approx(whole, abs=0.5)


@pytest.mark.parametrize("name", ["mpt", "falcon", "llama"])
def test_a_spread_model_answers_as_one_on_one_device(folders, name):
    plain = scores(folders[name], None)
    assert scores(folders[name], None, device_map="auto") == pytest.approx(plain, abs=1e-5)
    assert scores(folders[name], None, device_map={"": "cpu"}) == pytest.approx(plain, abs=1e-5)


def test_weights_that_would_stay_on_disk_are_refused(folders):
    from harness.errors import UserError

    with pytest.raises(UserError, match="do not fit the memory"):
        scores(folders["llama"], None, device_map="auto", memory={"cpu": "100KB"})
