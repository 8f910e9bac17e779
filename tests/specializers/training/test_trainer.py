"""Training on tiny random models: where the loss falls, resuming, what is saved."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from safetensors.torch import load_file

from harness.doors.files import read_jsonl
from harness.engines.loading import guard_nf4, nf4
from harness.engines.tokens import HFTokens
from harness.errors import UserError
from harness.files import sha256_file
from harness.models.sources import fetch
from harness.pool import ModelPool, PooledBase
from harness.progress import NullProgress
from harness.types import LocalModel, ModelSpec
from specializers.stages import adapter_stage
from specializers.training.adapter import adapted_modules, layer_faults, with_adapter
from specializers.training.examples import TrainingExample
from specializers.training.heldout import split
from specializers.training.loss import answer_loss, asked
from specializers.training.packing import IGNORED, collate
from specializers.training.params import TrainParams
from specializers.training.targets import EncodedExample, encode, evenly, in_order
from specializers.training.trainer import _micro_batch, train_lora
from tests.specializers.tiny import ARCHITECTURES, Told, save_model

PARAMS = TrainParams(
    seed=3,
    lora_rank=4,
    lora_alpha=8,
    lora_dropout=0.1,
    target_modules="all-linear",
    learning_rate=1e-2,
    loss_average="tokens",
    warmup_steps=1,
    schedule="cosine",
    epochs=2,
    steps=0,
    holdout=0.0,
    evaluations=4,
    patience=3,
    batch=4,
    micro_batch=2,
    row_tokens=0,
    max_length=32,
    quantisation="",
    gradient_checkpointing=False,
    checkpoint_steps=1,
)
EXAMPLES = [
    TrainingExample("question : does the drug lower pressure ?", "yes"),
    TrainingExample("name the disease in the list :", "heart failure"),
    TrainingExample("which gene is it ?", "the protein gene of the cell"),
    TrainingExample("does it cell ?", "no"),
    TrainingExample("task : list name", "patients , blood , cell"),
    TrainingExample("is the drug safe for patients with heart failure ?", "yes"),
]


def tokenizer(folder: Path) -> HFTokens:
    return HFTokens(folder)


def adapter_digest(out: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in sorted((out / "adapter").iterdir())}


def train(
    folder: Path, out: Path, params: TrainParams = PARAMS, dtype: str = ""
) -> dict[str, object]:
    return train_lora(folder, "tiny", EXAMPLES, out, params, NullProgress(), dtype=dtype)


@pytest.fixture(scope="module")
def undisturbed(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training with the plain parameters and its checkpoints; a test that changes it copies."""
    out = tmp_path_factory.mktemp("undisturbed")
    train(llama, out)
    return out


def reported(out: Path) -> Any:
    return json.loads((out / "training.json").read_text())


def test_the_end_token_has_a_loss_though_it_is_also_the_padding(llama: Path) -> None:
    tokens = [encode(tokenizer(llama), example, 32)[0] for example in EXAMPLES[:2]]
    batch = collate(tokens)
    for row, one in enumerate(tokens):
        labels = batch["labels"][row].tolist()
        assert labels[: one.response_start] == [IGNORED] * one.response_start
        assert labels[one.response_start : len(one.ids)] == list(one.ids[one.response_start :])
        assert labels[len(one.ids) - 1] == 2
        assert set(labels[len(one.ids) :]) <= {IGNORED}
        assert batch["attention_mask"][row].sum() == len(one.ids)


def test_a_chat_example_is_what_the_model_is_given_at_inference(tmp_path: Path) -> None:
    folder = save_model(tmp_path, chat=True)
    chat = tokenizer(folder)
    example = TrainingExample("is it safe ?", "yes", chat=True)
    tokens, cut = encode(chat, example, 32)
    prompt = chat.encode(chat.apply_chat_template([{"role": "user", "content": "is it safe ?"}]))
    assert list(tokens.ids[: tokens.response_start]) == prompt
    assert chat.decode_all(tokens.ids[tokens.response_start :]) == "yes </s>"
    assert not cut


@pytest.mark.parametrize("max_length", [3, 5, 8])
def test_an_overlong_example_loses_the_beginning_of_its_prompt(
    llama: Path, max_length: int
) -> None:
    whole, _ = encode(tokenizer(llama), EXAMPLES[2], 100)
    tokens, cut = encode(tokenizer(llama), EXAMPLES[2], max_length)
    assert cut
    assert len(tokens.ids) == max_length
    assert tokens.response_start >= 1
    answer = whole.ids[whole.response_start :]
    assert tokens.ids[tokens.response_start :] == answer[: max_length - tokens.response_start]


def test_every_epoch_holds_every_example_once() -> None:
    examples = [EncodedExample((n,), 0) for n in range(10)]
    ordered = in_order(examples, epochs=3, seed=1)
    epochs = [ordered[start : start + 10] for start in (0, 10, 20)]
    assert all(sorted(epoch, key=lambda t: t.ids) == examples for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert ordered == in_order(examples, epochs=3, seed=1)
    assert ordered != in_order(examples, epochs=3, seed=2)


@pytest.mark.parametrize("keeps", [False, True])
def test_the_loss_is_that_of_the_response_tokens_alone(llama: Path, keeps: bool) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(llama).eval()
    tokens = [encode(tokenizer(llama), example, 32)[0] for example in EXAMPLES]
    expected = 0.0
    for one in tokens:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([one.ids])).logits[0].log_softmax(-1)
        expected -= sum(
            logits[place - 1, one.ids[place]].item()
            for place in range(one.response_start, len(one.ids))
        )
    count = sum(len(one.ids) - one.response_start for one in tokens)
    arguments, asked_for = asked(collate(tokens), keeps)
    with torch.no_grad():
        loss = answer_loss(model(**arguments), asked_for)
    assert loss.item() == pytest.approx(expected / count, rel=1e-5)


@given(st.lists(st.integers(1, 200), min_size=1, max_size=30), st.integers(1, 9))
def test_weights_make_examples_of_a_batch_count_alike(lengths: list[int], batch: int) -> None:
    examples = [EncodedExample((0,) * (length + 1), 1) for length in lengths]
    weighted = evenly(examples, batch)
    assert [replace(one, weight=1.0) for one in weighted] == examples
    for start in range(0, len(examples), batch):
        together = weighted[start : start + batch]
        shares = [one.weight * one.response_tokens for one in together]
        assert shares == pytest.approx([shares[0]] * len(shares))
        assert sum(shares) == pytest.approx(sum(one.response_tokens for one in together))


@pytest.mark.parametrize(("micro_batch", "row_tokens"), [(4, 0), (1, 0), (4, 64)])
def test_an_average_over_examples_is_the_mean_of_their_own_losses(
    llama: Path, tmp_path: Path, micro_batch: int, row_tokens: int
) -> None:
    """Of each batch, however it is cut; and of what is held out. The first step changes nothing:
    both are losses of the base, each example asked alone."""
    from transformers import AutoModelForCausalLM

    examples = [*EXAMPLES, *EXAMPLES[:4]]
    params = replace(
        PARAMS, loss_average="examples", lora_dropout=0.0, warmup_steps=1, steps=2, holdout=0.4,
        evaluations=1, micro_batch=micro_batch, row_tokens=row_tokens,
    )  # fmt: skip
    train_lora(llama, "tiny", examples, tmp_path, params, NullProgress())
    model = AutoModelForCausalLM.from_pretrained(llama).eval()
    encoded = [encode(tokenizer(llama), example, 32)[0] for example in examples]

    def own(one: EncodedExample) -> float:
        arguments, expected = asked(collate([one]), keeps=False)
        with torch.no_grad():
            return float(answer_loss(model(**arguments), expected))

    trained, measured = split(len(examples), 0.4, params.seed)
    first = in_order([encoded[n] for n in trained], 1, params.seed, 8)[:4]
    assert len({one.response_tokens for one in first}) > 1
    curve = list(read_jsonl(tmp_path / "training.jsonl"))
    assert curve[0]["loss"] == pytest.approx(sum(map(own, first)) / 4, abs=1e-4)
    held = sum(own(encoded[n]) for n in measured) / len(measured)
    assert reported(tmp_path)["held_out_loss"]["base"] == pytest.approx(held, abs=1e-5)


def test_an_example_that_is_to_be_shown_oftener_is(llama: Path, tmp_path: Path) -> None:
    params = replace(PARAMS, epochs=1, batch=8, lora_dropout=0.0)
    often = [replace(example, times=1 + place) for place, example in enumerate(EXAMPLES[:3])]
    lengths = [len(encode(tokenizer(llama), example, 32)[0].ids) for example in often]
    train_lora(llama, "tiny", often, tmp_path, params, NullProgress())
    assert reported(tmp_path)["steps"] == 1
    assert reported(tmp_path)["examples"] == 3
    assert reported(tmp_path)["tokens"] == lengths[0] + 2 * lengths[1] + 3 * lengths[2]
    # One epoch: six showings of three examples.
    (step,) = read_jsonl(tmp_path / "training.jsonl")
    assert step["epoch"] == 1


GATED = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
FUSED = {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}
MODULES = {
    "llama": GATED,
    "gemma": GATED,
    "gpt_neox": FUSED,
    "mpt": {"Wqkv", "out_proj", "up_proj", "down_proj"},
    "falcon": FUSED,
    "phi": {"q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"},
    "mixtral": {"q_proj", "k_proj", "v_proj", "o_proj", "gate", "experts"},
}


@pytest.mark.parametrize("architecture", MODULES)
def test_all_linear_layers_of_an_architecture_learn(tmp_path: Path, architecture: str) -> None:
    folder = save_model(tmp_path, architecture)
    model = with_adapter(folder, replace(PARAMS, lora_dropout=0.0))
    batch = collate([encode(tokenizer(folder), example, 32)[0] for example in EXAMPLES])
    arguments, expected = asked(batch, keeps=True)
    answer_loss(model(**arguments), expected).backward()
    trained = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    # B begins at zero, so only B has a gradient in the first step.
    assert all(torch.isfinite(g).all() for g in trained.values())
    assert all(g.abs().sum() > 0 for name, g in trained.items() if "lora_B" in name)
    assert set(adapted_modules(model)) == MODULES[architecture]


def test_training_lowers_the_loss_and_the_adapter_loads(llama: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    report = train(llama, tmp_path, replace(PARAMS, epochs=12))
    curve = list(read_jsonl(tmp_path / "training.jsonl"))
    assert sum(point["tokens"] for point in curve) == report["tokens"]
    assert sum(point["response_tokens"] for point in curve) == report["response_tokens"]
    assert [point["step"] for point in curve] == list(range(1, 19))
    assert curve[-1]["epoch"] == pytest.approx(12)
    assert curve[-1]["loss"] < 0.9 * curve[0]["loss"]
    assert report == json.loads((tmp_path / "training.json").read_text())
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"
    assert config["target_modules"] == sorted(config["target_modules"])
    base = AutoModelForCausalLM.from_pretrained(llama)
    ids = torch.tensor([[5, 6, 7]])
    before = base(input_ids=ids).logits
    after = PeftModel.from_pretrained(base, tmp_path / "adapter")(input_ids=ids).logits
    assert not torch.allclose(before, after)


def test_a_single_step_trains_whatever_the_warm_up(llama: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    params = replace(PARAMS, warmup_steps=10, epochs=1, batch=len(EXAMPLES), micro_batch=2)
    report = train(llama, tmp_path, params)
    assert report["steps"] == 1
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    # LoRA's B matrices begin at zero; untouched they leave the base as it is.
    learnt = [t.abs().max() > 0 for name, t in load_file(weights).items() if "lora_B" in name]
    assert learnt
    assert all(learnt)


def test_micro_batches_change_nothing_but_rounding(llama: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    still = replace(PARAMS, lora_dropout=0.0)
    train(llama, tmp_path / "one", replace(still, micro_batch=1))
    train(llama, tmp_path / "four", replace(still, micro_batch=4))
    one, four = (
        load_file(tmp_path / name / "adapter" / "adapter_model.safetensors")
        for name in ("one", "four")
    )
    # Adam divides by the gradient's size, so rounding near zero is magnified.
    assert all(torch.allclose(one[name], four[name], atol=1e-4) for name in one)


KILLED = """
import os, signal, sys
from pathlib import Path
from specializers.training.trainer import train_lora
from tests.specializers.training.{module} import {params}, {examples}

class Killer:
    steps = 0
    def start(self, *_): ...
    def finish(self): ...
    def say(self, _): ...
    def advance(self, count):
        self.steps += count
        if self.steps >= {step}:
            os.kill(os.getpid(), signal.SIGKILL)

train_lora(Path(sys.argv[1]), "tiny", {examples}, Path(sys.argv[2]), {params}, Killer())
"""


def train_until_killed(
    folder: Path,
    out: Path,
    step: int,
    module: str = "test_trainer",
    examples: str = "EXAMPLES",
    params: str = "PARAMS",
) -> None:
    """Train in a process of its own that is killed once so many steps are done.

    Args:
        module: of the tests beside this one, which has what `examples` and `params` name.
    """
    script = KILLED.format(step=step, module=module, examples=examples, params=params)
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), str(out)],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL


def test_killed_in_mid_training_and_resumed_it_makes_the_same_adapter(
    llama: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    train_until_killed(llama, out, step=3)
    # What a kill in the middle of writing leaves behind.
    half = out / "checkpoints" / "checkpoint-9"
    half.mkdir()
    (half / "adapter_model.safetensors").write_bytes(b"half")
    assert any((out / "checkpoints").glob("checkpoint-[12]"))
    resumed = train(llama, out)
    assert resumed == reported(undisturbed)
    curves = [(folder / "training.jsonl").read_bytes() for folder in (out, undisturbed)]
    assert curves[0] == curves[1]
    assert adapter_digest(out) == adapter_digest(undisturbed)


def test_a_base_that_is_asked_in_bfloat16_is_trained_in_it(
    llama: Path, undisturbed: Path, tmp_path: Path
) -> None:
    half = train(llama, tmp_path / "half", dtype="bfloat16")
    assert (reported(undisturbed)["dtype"], half["dtype"]) == ("float32", "bfloat16")
    kept = load_file(tmp_path / "half" / "adapter" / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in kept.values()} == {torch.float32}
    losses = [
        [row["loss"] for row in read_jsonl(out / "training.jsonl") if "loss" in row]
        for out in (undisturbed, tmp_path / "half")
    ]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    again = train(llama, tmp_path / "again", dtype="bfloat16")
    assert again == half
    assert adapter_digest(tmp_path / "again") == adapter_digest(tmp_path / "half")
    (tmp_path / "half" / "training.json").unlink()  # goes on from its last checkpoint
    assert train(llama, tmp_path / "half", dtype="bfloat16") == half
    assert adapter_digest(tmp_path / "again") == adapter_digest(tmp_path / "half")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_stage_trains_in_what_its_base_is_asked_in(
    llama: Path, tmp_path: Path, dtype: str
) -> None:
    spec = ModelSpec("tiny", f"path:{llama}", dtype=dtype)
    base = PooledBase(ModelPool(fetch, tmp_path / "answers", NullProgress()), spec)
    report = adapter_stage(base, EXAMPLES, asdict(PARAMS), tmp_path, NullProgress())
    assert report["dtype"] == dtype


def test_checkpoints_of_a_life_killed_before_it_removed_them_are_removed(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "checkpoint-1").mkdir(parents=True)
    (tmp_path / "training.json").write_text('{"steps": 1}')
    nothing: Any = None  # a training that is there asks neither the model nor the parameters
    assert adapter_stage(nothing, [], {}, tmp_path, NullProgress()) == {"steps": 1}
    assert not (tmp_path / "checkpoints").exists()


def test_gradient_checkpointing_changes_nothing(llama: Path, tmp_path: Path) -> None:
    still = replace(PARAMS, lora_dropout=0.0)
    plain = train(llama, tmp_path / "plain", still)
    saving = train(llama, tmp_path / "saving", replace(still, gradient_checkpointing=True))
    assert plain == saving
    assert adapter_digest(tmp_path / "plain") == adapter_digest(tmp_path / "saving")


def test_the_same_seed_makes_the_same_adapter_and_another_seed_another(
    llama: Path, tmp_path: Path
) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train(llama, tmp_path / name, replace(PARAMS, seed=seed, epochs=1))
    assert adapter_digest(tmp_path / "a") == adapter_digest(tmp_path / "b")
    assert adapter_digest(tmp_path / "a") != adapter_digest(tmp_path / "c")


def test_four_bit_gradients_are_those_of_the_dequantised_model(llama: Path) -> None:
    import bitsandbytes
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    batch = collate([encode(tokenizer(llama), example, 32)[0] for example in EXAMPLES])
    arguments, expected = asked(batch, keeps=True)
    quantised = AutoModelForCausalLM.from_pretrained(
        llama, quantization_config=nf4(torch.float32), dtype=torch.float32
    )
    for module in quantised.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            # As on a CPU with AVX512-BF16, whatever this one has.
            module.support_avx512bf16_for_cpu = True
    guard_nf4(quantised)
    plain = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)
    for name, module in quantised.named_modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            weight = bitsandbytes.functional.dequantize_4bit(
                module.weight.data, module.weight.quant_state
            )
            plain.get_submodule(name).weight.data = weight.float()
    gradients = []
    for model in (quantised, plain):
        torch.manual_seed(1)
        adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear"))
        # An evaluation in between is what used to break the gradients.
        adapted.eval()
        with torch.no_grad():
            adapted(**arguments)
        adapted.train()
        answer_loss(adapted(**arguments), expected).backward()
        gradients.append(
            torch.cat(
                [p.grad.flatten() for _, p in sorted(adapted.named_parameters()) if p.requires_grad]
            )
        )
    assert gradients[1].norm() > 0
    assert torch.cosine_similarity(*gradients, dim=0) > 0.9999
    assert torch.allclose(*gradients, atol=1e-4, rtol=1e-2)


def test_a_four_bit_base_is_trained(llama: Path, tmp_path: Path) -> None:
    report = train(
        llama,
        tmp_path,
        replace(PARAMS, quantisation="nf4", gradient_checkpointing=True, row_tokens=64),
    )
    curve = list(read_jsonl(tmp_path / "training.jsonl"))
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert report["quantisation"] == "nf4"
    assert report["packing"] == "rows of up to 64 tokens"


@given(batch=st.integers(1, 64), micro=st.integers(1, 64), processes=st.sampled_from([1, 2, 3, 4]))
def test_a_batch_is_whole_passes_of_whole_examples(batch: int, micro: int, processes: int) -> None:
    assume(batch % processes == 0)
    params = replace(PARAMS, batch=batch, micro_batch=micro)
    found = _micro_batch(params, processes)
    assert 1 <= found <= micro
    assert batch % (found * processes) == 0


def test_a_batch_that_micro_batches_do_not_fill_trains_as_asked(
    llama: Path, tmp_path: Path
) -> None:
    odd = train(llama, tmp_path / "odd", replace(PARAMS, batch=3, micro_batch=2, epochs=1))
    assert odd["steps"] == 2  # six examples, three a step
    rows = list(read_jsonl(tmp_path / "odd" / "training.jsonl"))
    one = train(llama, tmp_path / "one", replace(PARAMS, batch=3, micro_batch=1, epochs=1))
    assert one["steps"] == 2
    others = list(read_jsonl(tmp_path / "one" / "training.jsonl"))
    assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in others], rel=1e-3)


def test_a_loss_that_is_no_number_ends_the_training_without_an_adapter(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    folder = save_model(tmp_path / "broken")
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.get_input_embeddings().weight[:] = float("nan")
    model.save_pretrained(folder)
    with pytest.raises(UserError, match=r"at step 1 of 3 the loss is nan.*--set learning_rate"):
        train(folder, tmp_path / "out")
    assert not (tmp_path / "out" / "adapter").exists()
    assert not (tmp_path / "out" / "training.json").exists()


def test_a_damaged_checkpoint_is_named_and_the_one_before_goes_on(
    llama: Path, undisturbed: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(undisturbed, cut)
    checkpoints = sorted((cut / "checkpoints").glob("checkpoint-*"))
    assert len(checkpoints) == 2
    state = checkpoints[-1] / "optimizer.pt"
    state.write_bytes(state.read_bytes()[:-7] + b"damaged")
    for path in ("adapter", "training.json", "training.jsonl"):
        place = cut / path
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    listener = Told()
    train_lora(llama, "tiny", EXAMPLES, cut, PARAMS, listener)
    told = [line for line in listener.said if "damaged" in line]
    assert any(checkpoints[-1].name in line for line in told)
    assert adapter_digest(cut) == adapter_digest(undisturbed)


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_layers_to_adapt_are_those_that_peft_finds(tmp_path: Path, architecture: str) -> None:
    """Each one that a training of all layers adapts may be named alone, and no other."""
    folder = save_model(tmp_path / "model", architecture)
    local = LocalModel(ModelSpec("tiny", "path:x"), folder, "0" * 64)
    plain = replace(PARAMS, lora_dropout=0.0)  # which the matrices of fused experts do not take
    adapted = adapted_modules(with_adapter(local.folder, plain))
    # Fused experts and what routes to them are adapted with all layers, never alone.
    for name in {*adapted} - {"experts", "gate"}:
        assert not layer_faults(local, name)
        assert adapted_modules(with_adapter(local.folder, replace(plain, target_modules=name)))
    (one, other) = layer_faults(local, f"query,{name},v_porj")
    assert one.startswith("target_modules: found 'query', which is no linear layer of this model;")
    assert other.startswith("target_modules: found 'v_porj'")
    assert name in one


def test_unknown_modules_are_told_with_those_there(llama: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"target_modules: found 'query'.*'all-linear'.*q_proj"):
        train(llama, tmp_path, replace(PARAMS, target_modules="query"))


def test_examples_that_are_cut_are_counted_aloud(llama: Path, tmp_path: Path) -> None:
    listener, short = Told(), replace(PARAMS, max_length=6)
    report = train_lora(llama, "tiny", EXAMPLES, tmp_path, short, listener)
    assert report["shortened"] > 0
    told = f"{report['shortened']} of 6 examples are longer than 6 tokens"
    assert any(told in line for line in listener.said)
