"""A model folder's tokenizer with lm-eval's rules for special tokens.

Everything that is scored or stored is token ids, so two programs agree on a
number only if they agree on the ids. The rules are those of lm-eval 0.4.13's
transformers backend with its defaults: the tokenizer's own habit decides
whether BOS is prepended (Gemma's prepends it, SmolLM2's does not), and a text
that already starts with the prefix token gets no second one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import MissingExtra, UserError

log = logging.getLogger(__name__)


class HFTokens:
    """The tokenizer of a transformers folder; needs transformers, not torch.

    Attributes:
        eos_id: the end-of-text token, -1 where the tokenizer has none.
        prefix_id: what stands before a text scored without context: BOS, else EOS.
        bos_id: the beginning-of-text token, -1 where the tokenizer has none.
    """

    def __init__(self, folder: Path, trust_remote_code: bool = False) -> None:
        try:
            from transformers import AutoTokenizer
        except ImportError as error:
            raise MissingExtra("transformers", "hf", "reading a model's tokenizer") from error
        if not (folder / "config.json").is_file():
            raise UserError(
                f"{folder} is no transformers model folder: it has no config.json. "
                "Give the folder that 'save_pretrained' wrote."
            )
        self.folder = folder
        self.trust_remote_code = trust_remote_code
        self.tokenizer: Any = AutoTokenizer.from_pretrained(
            str(folder), trust_remote_code=trust_remote_code
        )
        eos, bos = self.tokenizer.eos_token_id, self.tokenizer.bos_token_id
        if eos is None and bos is None:
            raise UserError(
                f"the tokenizer in {folder} names neither eos_token nor bos_token; one of them "
                "is needed as prefix of empty contexts. Add it to tokenizer_config.json."
            )
        self.eos_id: int = -1 if eos is None else int(eos)
        self.bos_id: int = -1 if bos is None else int(bos)
        self.prefix_id: int = int(eos if bos is None else bos)
        self._prefix_text: str = self.tokenizer.decode(self.prefix_id)

    @property
    def eos_text(self) -> str:
        """The end-of-text token as written, "" where there is none."""
        return str(self.tokenizer.decode([self.eos_id])) if self.eos_id >= 0 else ""

    def encode(self, text: str, add_special_tokens: bool | None = None) -> list[int]:
        """Token ids of `text`.

        Args:
            text: any string.
            add_special_tokens: None leaves it to the tokenizer, except for a
                text that already starts with the prefix token.
        """
        if add_special_tokens is None and text.startswith(self._prefix_text):
            add_special_tokens = False
        options = {} if add_special_tokens is None else {"add_special_tokens": add_special_tokens}
        return list(self.tokenizer.encode(text, **options))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids` without special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def decode_all(self, ids: Sequence[int]) -> str:
        """Text of `ids`, special tokens written out (stop strings may be special tokens)."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False))

    @property
    def has_chat_template(self) -> bool:
        return bool(self.tokenizer.chat_template)

    @property
    def chat_template(self) -> str:
        """The template's text, "" where there is none."""
        return str(self.tokenizer.chat_template or "")

    def apply_chat_template(
        self, messages: Sequence[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Write `messages` as the model was trained to read them.

        A template that refuses a system turn gets the messages without it, as in lm-eval.
        """
        from jinja2.exceptions import TemplateError

        if not self.has_chat_template:
            raise UserError(f"the model in {self.folder} has no chat template; use --chat off.")
        options = {
            "tokenize": False,
            "add_generation_prompt": add_generation_prompt,
            "continue_final_message": not add_generation_prompt,
        }
        try:
            return str(self.tokenizer.apply_chat_template(list(messages), **options))
        except TemplateError:
            log.warning("the chat template takes no system turn; it is left out")
            rest = [message for message in messages if message["role"] != "system"]
            return str(self.tokenizer.apply_chat_template(rest, **options))


def longest_input(tokens: HFTokens) -> int:
    """The longest input in tokens: from the configuration, else the tokenizer, else 2048.

    lm-eval's own function, so that over-long inputs are cut at the same place.
    """
    from lm_eval.models.utils import resolve_max_length
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(
        str(tokens.folder), trust_remote_code=tokens.trust_remote_code
    )
    return int(resolve_max_length(config, tokens.tokenizer))
