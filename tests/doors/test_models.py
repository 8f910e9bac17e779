"""Folders of weights: no code, no pickle, no sizes without bound; every loading call says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.doors.model import check_adapter, check_embedding, check_model
from harness.errors import UserError
from harness.models.folder import check_folder
from harness.models.gguf import refuse_own_code
from harness.types import ModelSpec

LORA = {
    "peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"], "bias": "none",
    "megatron_core": "megatron.core", "megatron_config": None, "loftq_config": {}, "revision": None,
    "base_model_name_or_path": "/somewhere", "auto_mapping": None, "task_type": "CAUSAL_LM",
}  # fmt: skip


def written(folder: Path, **files: object) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


# -- folders ------------------------------------------------------------------------------------


def test_weights_are_of_the_name_that_is_read(tmp_path: Path) -> None:
    written(tmp_path, config_json={}, tokenizer_json={})
    (tmp_path / "other.safetensors").write_bytes(b"")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UserError, match=r"lacks model\.safetensors"):
        check_folder(ModelSpec("m", f"path:{tmp_path}"), tmp_path)


@pytest.mark.parametrize("config", [
    {"num_hidden_layers": 2 * 10**9}, {"text_config": {"n_layer": 10**6}}, {"vocab_size": 10**30},
    {"num_hidden_layers": 1e12}, {"decoder_layers": 10**9}, {"encoder_ffn_dim": 10**12},
    {"n_positions": 10**12}, {"d_model": 10**12}, {"head_dim": 10**12},
    {"vision": {"depth": 10**6}},
    {"num_hidden_layers": float("inf")}, {"max_position_embeddings": 10**15}, {"n_layer": -1},
    {"hidden_size": -1}, {"num_local_experts": 10**12},
])  # fmt: skip
def test_sizes_that_no_model_has(tmp_path: Path, config: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"config\.json: \w+: found"):
        check_model(written(tmp_path, config_json=config))


def test_no_compiled_code_is_fetched(tmp_path: Path) -> None:
    config = {"attn_implementation": "kernels-community/flash-attn"}
    with pytest.raises(UserError, match="compiled code of the hub"):
        check_model(written(tmp_path, config_json=config))


def test_a_table_that_the_weights_do_not_hold(tmp_path: Path) -> None:
    written(tmp_path, config_json={"vocab_size": 10**6, "hidden_size": 10**5})
    (tmp_path / "model.safetensors").write_bytes(bytes(100))
    with pytest.raises(UserError, match="expected what weights of 100 bytes can hold"):
        check_model(tmp_path)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "[]", "nonsense", "\x00"])
def test_a_configuration_of_anything_is_one_message(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"config\.json"):
        check_model(written(tmp_path, config_json=text))


@pytest.mark.parametrize("name", ["tokenizer_config.json", "config.json"])
def test_code_beside_a_gguf_is_refused_without_a_question(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"auto_map": {"AutoTokenizer": ["evil.T", null]}}')
    with pytest.raises(UserError, match="auto_map"):
        refuse_own_code(tmp_path)


def test_a_plain_lora_passes(tmp_path: Path) -> None:
    assert check_adapter(written(tmp_path, adapter_config_json=LORA))["r"] == 8


@pytest.mark.parametrize(("key", "value"), [
    ("peft_type", "ADAPTION_PROMPT"), ("peft_type", "PREFIX_TUNING"), ("peft_type", None),
    ("megatron_core", "evil.module"), ("megatron_config", {"a": 1}), ("arrow_config", {"a": 1}),
    ("eva_config", {"a": 1}), ("unheard_of", "evil"), ("r", 10**9), ("r", 0), ("r", "8"),
    ("target_modules", "(a+)+$"), ("target_modules", "x" * 10**5), ("layers_pattern", ["(a|b)*c"]),
    ("rank_pattern", {"(a*)*": 4}),
])  # fmt: skip
def test_other_adapters_are_refused(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(UserError, match=key):
        check_adapter(written(tmp_path, adapter_config_json={**LORA, key: value}))


KEYS = st.sampled_from([*LORA, "megatron_core", "evil", "rank_pattern", "layers_pattern"])
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(KEYS, VALUE, max_size=4))
def test_any_adapter_is_read_or_refused(tmp_path_factory, changes) -> None:
    folder = written(tmp_path_factory.mktemp("a"), adapter_config_json={**LORA, **changes})
    try:
        check_adapter(folder)
    except UserError:
        return
    assert {**LORA, **changes}["megatron_core"] in ("megatron.core", None, False, 0, "", [], {})


STAGES = "sentence_transformers.models."


@pytest.mark.parametrize(("files", "told"), [
    ({"modules_json": [{"type": "evil.Stage", "path": ""}]}, "evil.Stage"),
    ({"modules_json": [{"type": "os.system"}]}, "os.system"),
    ({"modules_json": {"type": 1}}, "found"),
    ({"modules_json": "[" * 10**5}, "not JSON"),
    ({"2_Dense__config_json": {"activation_function": "evil.f"}}, "evil.f"),
    ({"sentence_bert_config_json": {"model_args": {"trust_remote_code": True}}}, "trust_remote"),
    ({"more_json": [{"a": [{"trust_remote_code": True}]}]}, "trust_remote"),
    ({"2_Dense__pytorch_model.bin": "x"}, "pickled"),
])  # fmt: skip
def test_hostile_embeddings(tmp_path: Path, files: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        check_embedding(written(tmp_path, **files))


def test_a_plain_embedding_passes(tmp_path: Path) -> None:
    stages = [{"type": f"{STAGES}Transformer"}, {"type": f"{STAGES}Pooling"}]
    dense = {"activation_function": "torch.nn.modules.linear.Identity"}
    # What it was trained on, as all-MiniLM-L6-v2 has it.
    data = [{"name": "questions.jsonl.gz", "lines": 10009, "weight": 1}]
    files = {"2_Dense__config_json": dense, "data_config_json": data}
    check_embedding(written(tmp_path, modules_json=stages, **files))


@pytest.mark.parametrize("path", ["../../x", "/etc", "2_Dense/../../../x"])
def test_a_stage_of_an_embedding_folder_lies_in_it(tmp_path: Path, path: str) -> None:
    stage = {"idx": 0, "path": path, "type": "sentence_transformers.models.Dense"}
    with pytest.raises(UserError, match="outside of"):
        check_embedding(written(tmp_path, modules_json=[stage]))


@pytest.mark.parametrize("place", ["2_Dense", "2_Dense/deeper/still"])
def test_no_stage_however_deep_is_pickled_or_names_code(tmp_path: Path, place: str) -> None:
    written(tmp_path, modules_json=[])
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(UserError, match="pickled"):
        check_embedding(tmp_path)
    (tmp_path / place / "config.json").write_text('{"activation_function": "os.system"}')
    with pytest.raises(UserError, match="names code"):
        check_embedding(tmp_path)
