"""Token rules against lm-eval's own backend, for each kind of tokenizer in use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.engines.tokens import HFTokens, longest_input
from harness.errors import UserError
from tests.harness.engines.hf.test_engine import hflm
from tests.harness.engines.tiny import write_model

CORPUS = [
    "Context: the cells grew and the tumour spread.\nQuestion: did it spread?\nAnswer: yes",
    "Sentence: no mutation was found in these six animals.\nAnswer: None",
    "the answer is no, true, false, maybe; two words, three words ...",
]
CONTEXTS = [
    "Context: the cells grew.\nAnswer:",
    "Answer: ",
    "Answer:  \n",
    "the tumour\t",
    "cells—grew, naïve α",
    "<s> the cells",
    "<bos>the cells",
    "<|endoftext|>the cells",
    "x",
]
CONTINUATIONS = [" yes", "yes", " no mutation", "\n", "  two words", " true.", "ß"]


def byte_level(folder: Path, bos: bool) -> Any:
    """GPT-NeoX's and MPT's kind (and Llama 3's, with BOS): bytes, no normalisation."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|begin|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=380, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|begin|> $A", special_tokens=[("<|begin|>", 1)]
        )
    names = {"bos_token": "<|begin|>"} if bos else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", model_max_length=96, **names
    )


def sentence_piece(folder: Path, kind: str) -> Any:
    """Llama's kind (prepends a space, BOS and EOS) or Gemma's (keeps spaces, BOS first)."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    gemma = kind == "gemma"
    begin, end = ("<bos>", "<eos>") if gemma else ("<s>", "</s>")
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    spaces = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = (
        spaces if gemma else normalizers.Sequence([normalizers.Prepend("▁"), spaces])
    )
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=["<unk>", begin, end, *fallback], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    strip = [] if gemma else [decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=begin,
        eos_token=end,
        unk_token="<unk>",
        model_max_length=96,
    )


def unigram(folder: Path, _: str) -> Any:
    """A SentencePiece model of the unigram kind, as T5's and ALBERT's; EOS alone is named."""
    from tokenizers import SentencePieceUnigramTokenizer
    from transformers import PreTrainedTokenizerFast

    trained = SentencePieceUnigramTokenizer()
    trained.train_from_iterator(
        CORPUS, vocab_size=90, special_tokens=["<unk>", "</s>"], unk_token="<unk>",
        show_progress=False,
    )  # fmt: skip
    return PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer,
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=96,
    )


KINDS: dict[str, tuple[Callable[[Path, Any], Any], Any]] = {
    "gpt-neox, mpt": (byte_level, False),
    "llama 3": (byte_level, True),
    "llama": (sentence_piece, "llama"),
    "gemma": (sentence_piece, "gemma"),
    "sentencepiece unigram": (unigram, ""),
}


def write_kind(folder: Path, kind: str) -> Path:
    """A model folder whose tokenizer is of this kind."""
    write_model(folder, "llama")
    make, option = KINDS[kind]
    make(folder, option).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_encodings_equal_lm_evals(kind: str, tmp_path: Path) -> None:
    from harness.lm import BenchHF

    folder = write_kind(tmp_path / "m", kind)
    for options in ({}, {"add_bos_token": True}, {"add_bos_token": False}, {"prefix_token_id": 5}):
        ours, theirs = BenchHF(str(folder), **options), hflm(folder, **options)
        assert ours.prefix_token_id == theirs.prefix_token_id
        assert ours.eot_token_id == theirs.eot_token_id
        for context in CONTEXTS:
            for special in (None, False, True):
                assert ours.tok_encode(context, special) == theirs.tok_encode(context, special)
            for continuation in CONTINUATIONS:
                # Among them contexts that end in spaces, which move to the continuation.
                asked = (context, continuation)
                assert ours._encode_pair(*asked) == theirs._encode_pair(*asked)
    tokens = HFTokens(folder)
    assert longest_input(tokens) == theirs.max_length
    ids = tokens.encode(CORPUS[0])
    assert tokens.decode(ids) == theirs.tok_decode(ids)
    # The tokenizer's own habit: it prepends BOS or it does not, and never a second one.
    begun = tokens.encode("the cells")[0] == tokens.bos_id
    assert begun == (kind in ("llama 3", "llama", "gemma"))
    if begun:
        again = tokens.encode(tokens.decode_all([tokens.bos_id]) + "the cells")
        assert again.count(tokens.bos_id) == 1


@pytest.mark.parametrize("bos", [False, True])
def test_encoding_of_special_and_unknown_words(bos: bool, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", "llama", bos=bos)
    tokens, lm = HFTokens(folder), hflm(folder)
    for text in (" w1 w2", "<s> w1 w2", "", " w3 unknown", "</s> w1"):
        for special in (None, False, True):
            assert tokens.encode(text, special) == lm.tok_encode(text, special)
    assert tokens.prefix_id == lm.prefix_token_id
    assert tokens.eos_id == lm.eot_token_id
    assert longest_input(tokens) == lm.max_length == 96
    assert tokens.decode([1, 4, 5, 2]) == lm.tok_decode([1, 4, 5, 2])


def test_a_folder_without_model_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.json"):
        HFTokens(tmp_path)


def test_a_missing_chat_template_is_the_users_mistake(tmp_path: Path) -> None:
    tokens = HFTokens(write_model(tmp_path / "m", "llama"))
    assert not tokens.has_chat_template
    with pytest.raises(UserError, match="no chat template"):
        tokens.apply_chat_template([{"role": "user", "content": "w1"}])


TURNS = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
REFUSES = (
    "{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}" + TURNS
)
DROPS = TURNS.replace("in messages", "in messages if m['role'] != 'system'")
SYSTEM = {"role": "system", "content": "Answer yes or no.\n\n"}
QUESTION = {"role": "user", "content": "Is it so?"}
ANSWER = {"role": "assistant", "content": "yes"}


def with_template(folder: Path, template: str) -> HFTokens:
    write_model(folder, "llama")
    (folder / "chat_template.jinja").write_text(template)
    return HFTokens(folder)


@pytest.mark.parametrize(
    "template", ["", " \n", "{{ messages | attr('__class__') }}", "{% set all = messages %}"]
)
def test_a_chat_template_that_writes_nothing_asks_nothing(tmp_path: Path, template: str) -> None:
    tokens = with_template(tmp_path / "m", template or "{# nothing #}")
    for written in (tokens.apply_chat_template, tokens.whole_chat):
        with pytest.raises(UserError, match="chat template"):
            written([QUESTION])
    assert with_template(tmp_path / "n", TURNS).whole_chat([{"role": "user", "content": ""}])


def test_a_system_turn_has_its_own_place_where_there_is_one(tmp_path: Path) -> None:
    tokens = with_template(tmp_path / "m", TURNS)
    assert tokens.takes_system_turn
    text = tokens.apply_chat_template([SYSTEM, QUESTION])
    assert text == "[system]Answer yes or no.\n\n[user]Is it so?"


@pytest.mark.parametrize("template", [REFUSES, DROPS], ids=["refuses", "drops"])
def test_without_a_system_turn_the_first_user_turn_says_it(template: str, tmp_path: Path) -> None:
    tokens = with_template(tmp_path / "m", template)
    assert not tokens.takes_system_turn
    turns = [SYSTEM, QUESTION, ANSWER, QUESTION]
    assert tokens.apply_chat_template(turns) == (
        "[user]Answer yes or no.\n\nIs it so?[assistant]yes[user]Is it so?"
    )
    assert turns[0] == SYSTEM
    assert tokens.apply_chat_template([QUESTION]) == "[user]Is it so?"
    assert tokens.apply_chat_template([SYSTEM]) == "[user]Answer yes or no."


def test_a_template_that_fails_for_another_reason_is_not_hidden(tmp_path: Path) -> None:
    tokens = with_template(tmp_path / "m", "{{ raise_exception('never') }}")
    with pytest.raises(UserError, match="never"):
        tokens.apply_chat_template([SYSTEM, QUESTION])
