"""Broken models are recorded as what they are: no crash, no silent zero."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.engines.base import GenerateRequest, ScoreRequest
from harness.engines.hf.engine import HFEngine
from harness.errors import UserError
from harness.types import Decoding, Response
from tests.harness.engines.tiny import write_adapter, write_model

PROMPTS = [(5, 6, 7), (5, 6, 8, 9), (10,)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("sound"), "llama")


def changed(sound: Path, folder: Path, change) -> Path:
    """A copy of the model with its tensors changed in place by `change(tensors)`."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(sound, folder)
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def generate(folder: Path, decoding: Decoding, path: str = "auto"):
    engine = HFEngine(folder, dtype="float32", path=path)
    requests = [GenerateRequest(prompt, decoding) for prompt in PROMPTS]
    answers = [answer for call in engine.generate(requests) for answer in call]
    return [response for _, response in sorted(answers, key=lambda pair: pair[0])]


def always(tensors) -> None:
    """Every logit is 0, so the first token of the vocabulary is taken, always."""
    tensors["model.norm.weight"].zero_()


@pytest.mark.parametrize("path", ["auto", "plain"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_no_numbers_are_failed_calls(sound, tmp_path, path, temperature) -> None:
    def change(tensors) -> None:
        tensors["model.norm.weight"][3] = float("nan")

    folder = changed(sound, tmp_path / "nan", change)
    for response in generate(folder, Decoding(4, temperature=temperature), path):
        assert response.status == "error"
        assert response.text is None
        assert "no numbers" in (response.error or "")
    engine = HFEngine(folder, dtype="float32", path=path)
    requests = [ScoreRequest(prompt, (7, 8)) for prompt in PROMPTS]
    answers = [response for call in engine.score(requests) for _, response in call]
    assert len(answers) == len(requests)
    assert {(a.status, a.loglikelihood, a.greedy) for a in answers} == {("error", None, None)}


@pytest.mark.parametrize("path", ["auto", "plain"])
def test_endless_repetition_ends_at_its_length(sound, tmp_path, path) -> None:
    folder = changed(sound, tmp_path / "loop", always)
    for response in generate(folder, Decoding(6), path):
        assert (response.status, response.finish, response.tokens) == ("ok", "length", 6)


@pytest.mark.parametrize("path", ["auto", "plain"])
def test_an_end_at_once_is_an_empty_answer_that_ended(sound, tmp_path, path) -> None:
    import json

    folder = changed(sound, tmp_path / "ends", always)
    for name in ("config.json", "generation_config.json"):
        values = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**values, "eos_token_id": 0}))
    for response in generate(folder, Decoding(6), path):
        assert (response.status, response.text, response.finish) == ("ok", "", "eos")
        assert response.tokens == 1


SAID = {
    "empty": (Response("generation", text="", finish="eos", tokens=1), "unparseable"),
    "blank": (Response("generation", text=" \n\n ", finish="length", tokens=9), "unparseable"),
    "half a character": (Response("generation", text="\ufffd" * 9, tokens=9), "unparseable"),
    "a lone surrogate": (Response("generation", text="\ud800", tokens=1), "unparseable"),
    "endless": (Response("generation", text="the the " * 99, finish="length"), "unparseable"),
    "not a number": (Response("generation", status="error", error="no numbers"), "error"),
}


@pytest.mark.parametrize("name", SAID)
def test_a_record_says_what_a_degenerate_answer_was(tmp_path, name) -> None:
    """Unparseable answers score 0 and are counted; failed ones have no score at all."""
    import tasks
    from harness.ask import Asker
    from harness.lm import StoredLM
    from harness.progress import NullProgress
    from harness.record import read_record
    from harness.run import run_job
    from harness.store import ResponseStore
    from harness.suites.index import SuiteIndex
    from harness.types import Job, LocalModel, ModelSpec
    from tests.harness.fakes import ScriptedEngine

    said, status = SAID[name]

    class Broken(ScriptedEngine):
        def _generate(self, request):
            return said

    suite = {"biomed_mini": Path(tasks.__file__).parent / "biomed_mini"}
    task = SuiteIndex(suite).load(["mini_yesno"], shots=0, draw=0, data=None)["mini_yesno"]
    store = ResponseStore(tmp_path / "responses", {})
    lm = StoredLM(Asker(Broken(), store, None, NullProgress()), "m")
    local = LocalModel(ModelSpec("m", "path:x"), tmp_path, "digest")
    job = Job("m", "m", "", "biomed_mini", "mini_yesno", 0)
    run_job(job, task, {}, lm, local, None, None, None, tmp_path / "runs")
    record = read_record(tmp_path / "runs" / "m" / "mini_yesno@0.0")
    count, failed = len(record.items), status == "error"
    assert count > 0
    assert {item["status"] for item in record.items} == {status}
    assert record.summary["n_scored"] == (0 if failed else count)
    assert record.summary["n_unparseable"] == (0 if failed else count)
    assert record.summary["n_error"] == (count if failed else 0)
    assert all(bool(item["metrics"]) != failed for item in record.items)


def byte_model(folder: Path) -> Path:
    """A Llama over bytes, "th" and "he" merged, that always writes half of a character."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from tests.harness.tiny_models import byte_symbols

    torch.manual_seed(0)
    half = byte_symbols().index(chr(0xE2))  # the first of three bytes of a dash
    symbols = byte_symbols()
    symbols = [symbols[half], *(s for s in symbols if s != symbols[half]), "th", "he", "</s>"]
    merges = [("t", "h"), ("h", "e")]
    tokenizer = Tokenizer(models.BPE({s: i for i, s in enumerate(symbols)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", bos_token="</s>")
    fast.save_pretrained(folder)
    end = symbols.index("</s>")
    config = LlamaConfig(vocab_size=len(symbols), hidden_size=32, intermediate_size=48,
                         num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=96,
                         eos_token_id=end, bos_token_id=end)  # fmt: skip
    model = LlamaForCausalLM(config)
    model.model.norm.weight.data.zero_()
    model.save_pretrained(folder)
    return folder


def test_half_a_character_is_kept_as_what_it_is(tmp_path) -> None:
    response = generate(byte_model(tmp_path), Decoding(3))[0]
    assert (response.status, response.finish, response.tokens) == ("ok", "length", 3)
    assert set(response.text or "") == {"\ufffd"}
    assert (response.text or "").encode("utf-8")


def test_a_merge_over_the_prompts_end_is_scored_as_lm_eval_does_or_certain(tmp_path) -> None:
    """ "t" + "he" is "the", in tokens "th" and "e": what follows the prompt's own tokens counts."""
    from harness.ask import Asker
    from harness.lm import StoredLM
    from harness.progress import NullProgress
    from harness.store import ResponseStore

    engine = HFEngine(byte_model(tmp_path / "m"), dtype="float32")
    tokens = engine.tokens
    assert len(tokens.encode("the")) == 2
    assert tokens.encode("the") != tokens.encode("t") + tokens.encode("he")
    lm = StoredLM(Asker(engine, ResponseStore(tmp_path / "r", {}), None, NullProgress()), "m")
    assert lm._encode_pair("t", "he") == (tokens.encode("t"), tokens.encode("the")[1:])
    # The prompt's end swallows the whole continuation: nothing is left to ask, log p is 0.
    context, continuation = lm._encode_pair("t", "h")
    assert continuation == []
    (response,) = lm._loglikelihood_tokens([(None, context, continuation)])
    assert (response.status, response.loglikelihood) == ("ok", 0.0)


def test_missing_and_damaged_weights_are_refused(sound, tmp_path) -> None:
    gone = changed(sound, tmp_path / "gone", lambda t: t.pop("model.layers.0.mlp.up_proj.weight"))
    with pytest.raises(UserError, match=r"no weights model\.layers\.0\.mlp\.up_proj\.weight"):
        generate(gone, Decoding(2))

    def halve(tensors) -> None:
        name = "model.layers.0.mlp.up_proj.weight"
        tensors[name] = tensors[name][:10].clone()

    with pytest.raises(UserError, match="weights of other sizes"):
        generate(changed(sound, tmp_path / "half", halve), Decoding(2))
    torn = tmp_path / "torn"
    shutil.copytree(sound, torn)
    (torn / "model.safetensors").write_bytes(b"\x08")
    with pytest.raises(UserError, match="a file of weights is damaged"):
        generate(torn, Decoding(2))


def over(sound: Path, adapter: Path) -> None:
    engine = HFEngine(sound, dtype="float32")
    list(engine.generate([GenerateRequest((5, 6), Decoding(2))], adapter=adapter))


def test_a_sound_adapter_is_taken(sound, tmp_path) -> None:
    over(sound, write_adapter(tmp_path / "a", sound))


def tensor_lost(adapter: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(adapter / "adapter_model.safetensors")
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, adapter / "adapter_model.safetensors")


def rank_changed(adapter: Path) -> None:
    import json

    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "r": 3}))


def pickled(adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")


def torn(adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").write_bytes(b"\xff" * 20)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (tensor_lost, "no tensors base_model"),
        (rank_changed, "size mismatch"),
        (pickled, r"pickled \.bin"),
        (torn, "damaged adapter_model"),
    ],
)
def test_an_adapter_that_is_not_whole_is_refused(sound, tmp_path, harm, told) -> None:
    adapter = write_adapter(tmp_path / "a", sound)
    harm(adapter)
    with pytest.raises(UserError, match=told):
        over(sound, adapter)


def test_an_adapter_of_another_base_is_refused(sound, tmp_path) -> None:
    other = write_model(tmp_path / "other", "gpt_neox")
    with pytest.raises(UserError, match="does not fit the model"):
        over(sound, write_adapter(tmp_path / "a", other))
