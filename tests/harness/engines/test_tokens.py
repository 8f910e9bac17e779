"""Token rules against lm-eval's own backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.engines.tokens import HFTokens, longest_input
from harness.errors import UserError
from tests.harness.engines.test_hf import hflm
from tests.harness.engines.tiny import write_model


@pytest.mark.parametrize("bos", [False, True])
def test_encoding_equals_lm_evals(bos: bool, tmp_path: Path) -> None:
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
