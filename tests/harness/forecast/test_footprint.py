"""Memory from a model's shape, against real weights and published numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.forecast.footprint import (
    ModelShape,
    inference,
    lora_parameters,
    shape_of,
    training,
    usable,
    weights,
)
from harness.models.table import builtin_models
from harness.types import ModelSpec
from tests.harness.engines.tiny import configurations, write_model


def mpt30b() -> ModelShape:
    return shape_of(builtin_models()["mpt30b"], None)


def test_mpt30b_is_the_published_size():
    shape = mpt30b()
    own = 48 * (12 * 7168**2 + 2 * 7168) + 50432 * 7168 + 7168
    assert shape.parameters == own
    assert 29.9e9 < own < 30.0e9
    # 60 GB in bfloat16 on one 80 GB GPU; in 4 bits on one of 24 GB.
    assert weights(shape, "bfloat16", "") < usable(int(80e9))
    assert 15e9 < weights(shape, "bfloat16", "nf4") < usable(int(24e9))


def test_every_stated_shape_fits_its_own_parameters():
    for spec in builtin_models().values():
        if spec.shape:
            shape = shape_of(spec, None)
            assert shape.hidden == shape.heads * shape.head_size
            digits = len(spec.parameters.removesuffix("B").partition(".")[2])
            assert f"{shape.parameters / 1e9:.{digits}f}B" in (spec.parameters, "41B")


def test_a_tokens_cache_is_keys_and_values_of_all_layers():
    # 48 layers x 2 x 7168 values of 2 bytes.
    assert mpt30b().cached_values * 2 == 1_376_256
    one, two = (
        inference(mpt30b(), "bfloat16", "", cached_tokens=n, pass_tokens=256) for n in (10, 20)
    )
    assert two.cache == 2 * one.cache
    assert one.total == one.weights + one.cache + one.activations


def test_checkpointing_and_four_bits_save_memory_in_training():
    options = {"rank": 8, "row_tokens": 4096}
    whole = training(mpt30b(), "bfloat16", "", checkpointing=False, **options)
    saved = training(mpt30b(), "bfloat16", "nf4", checkpointing=True, **options)
    assert saved.activations < whole.activations / 5
    assert saved.weights < whole.weights / 3
    assert saved.training == 16 * lora_parameters(mpt30b(), 8)


@pytest.mark.parametrize("name", ["llama", "mpt", "falcon"])
def test_a_folder_says_what_the_loaded_model_is(name, tmp_path):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = write_model(tmp_path, name)
    shape = shape_of(ModelSpec(name, "path:x"), folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    stored = {p.data_ptr(): p.numel() for p in model.parameters()}
    assert shape.parameters == sum(stored.values())
    assert shape.vocabulary == configurations()[name].vocab_size
    cache = model(torch.tensor([[1, 2, 3]]), use_cache=True).past_key_values
    values = sum(layer.keys.numel() + layer.values.numel() for layer in cache.layers)
    # Falcon repeats its shared heads in the cache.
    assert values in (3 * shape.cached_values, 3 * shape.cached_values * shape.heads)
    if name == "mpt":
        lora = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear"))
        trained = sum(p.numel() for p in lora.parameters() if p.requires_grad)
        assert lora_parameters(shape, 4) == trained


def test_a_model_that_is_nowhere_and_says_nothing_is_told():
    with pytest.raises(UserError, match=r"bench models path own.*shape = \{ parameters"):
        shape_of(ModelSpec("own", "hf:a/b@main"), None)


def test_a_configuration_inside_another_is_read(tmp_path: Path):
    inner = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 3, "vocab_size": 9}
    (tmp_path / "config.json").write_text(json.dumps({"text_config": inner}))
    shape = shape_of(ModelSpec("m", "path:x"), tmp_path)
    assert (shape.layers, shape.head_size, shape.kv_heads) == (3, 4, 2)
