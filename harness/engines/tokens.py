"""A model folder's tokenizer with lm-eval's rules for special tokens.

Everything that is scored or stored is token ids, so two programs agree on a
number only if they agree on the ids. The rules are those of lm-eval 0.4.13's
transformers backend with its defaults: the tokenizer's own habit decides
whether BOS is prepended (Gemma's prepends it, SmolLM2's does not), and a text
that already starts with the prefix token gets no second one.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2.exceptions import TemplateError

from harness.doors import limits
from harness.doors.text import plain
from harness.doors.timed import template_fault, within
from harness.errors import MissingExtra, UserError

# What a chat template may raise: its own refusal, and what becomes of a fault in it.
_REFUSED = (
    TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError,
    RecursionError, SyntaxError,
)  # fmt: skip


class HFTokens:
    """The tokenizer of a transformers folder; needs transformers, not torch.

    Args:
        add_bos: None leaves BOS to the tokenizer's habit; else it is always, or never, prepended.
        prefix_id: instead of the tokenizer's own (see below).

    Attributes:
        eos_id: the end-of-text token, -1 where the tokenizer has none.
        prefix_id: what stands before a text scored without context: BOS, else EOS.
        bos_id: the beginning-of-text token, -1 where the tokenizer has none.
    """

    def __init__(
        self,
        folder: Path,
        trust_remote_code: bool = False,
        add_bos: bool | None = None,
        prefix_id: int | None = None,
    ) -> None:
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
        self._add_bos = add_bos
        bos_option = {} if add_bos is None else {"add_bos_token": add_bos}
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(
                str(folder), trust_remote_code=trust_remote_code, **bos_option
            )
        except Exception as error:  # the tokenizers library raises nothing narrower
            raise UserError(
                f"{folder}: its tokenizer cannot be read ({type(error).__name__}: {error!s:.300}). "
                "Expected the files that 'save_pretrained' wrote. Fetch or save them again."
            ) from error
        eos, bos = self.tokenizer.eos_token_id, self.tokenizer.bos_token_id
        if eos is None and bos is None and prefix_id is None:
            raise UserError(
                f"the tokenizer in {folder} names neither eos_token nor bos_token; one of them "
                "is needed as prefix of empty contexts. Add it to tokenizer_config.json."
            )
        self.eos_id: int = -1 if eos is None else int(eos)
        self.bos_id: int = -1 if bos is None else int(bos)
        own_prefix = eos if bos is None else bos
        self.prefix_id: int = int(own_prefix if prefix_id is None else prefix_id)
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
        if add_special_tokens is None:
            begun = text.startswith(self._prefix_text)
            add_special_tokens = False if begun else self._add_bos
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

    @functools.cached_property
    def takes_system_turn(self) -> bool:
        """Whether the chat template writes a system turn; some refuse it, some just drop it."""
        turns = [{"role": "system", "content": "1st?"}, {"role": "user", "content": "2nd?"}]
        try:
            return "1st?" in self._render(turns, True)
        except _REFUSED:
            return False

    def apply_chat_template(
        self, messages: Sequence[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Write `messages` as the model was trained to read them.

        A template without a place for a system turn (Gemma's) gets its text at the head of
        the first user turn, so that the model is told the same. lm-eval leaves it out there.
        """
        if not self.has_chat_template:
            raise UserError(f"the model in {self.folder} has no chat template; use --chat off.")
        turns = list(messages)
        if turns and turns[0]["role"] == "system" and not self.takes_system_turn:
            turns = fold_system_turn(turns)
        return self._written(turns, add_generation_prompt, not add_generation_prompt)

    def whole_chat(self, messages: Sequence[dict[str, str]]) -> str:
        """A conversation that ended, as the model was trained to read it."""
        return self._written(list(messages), False, False)

    def _written(self, turns: list[dict[str, str]], ask: bool, go_on: bool) -> str:
        try:
            text = self._render(turns, ask, go_on)
        except _REFUSED as error:  # transformers renders in Jinja's sandbox
            raise UserError(
                f"{self.folder}: its chat template refuses these turns or fails "
                f"({type(error).__name__}: {plain(error):.300}). Correct the template, or use "
                "--chat off."
            ) from error
        if not text.strip() and any(str(turn.get("content") or "").strip() for turn in turns):
            raise UserError(
                f"{self.folder}: its chat template writes nothing of {len(turns)} turns, so the "
                "model would be asked nothing. Correct the template, or use --chat off."
            )
        return text

    def _render(
        self, turns: list[dict[str, str]], add_generation_prompt: bool, go_on: bool = False
    ) -> str:
        if self._template_fault:
            raise UserError(
                f"{self.folder}: its chat template {self._template_fault}; expected one that only "
                "writes turns. Correct the template, or use --chat off."
            )
        what = f"{self.folder}: its chat template"
        with within(what, limits.TEMPLATE_SECONDS, memory=limits.TEMPLATE_BYTES):
            return str(
                self.tokenizer.apply_chat_template(
                    turns,
                    tokenize=False,
                    add_generation_prompt=add_generation_prompt,
                    continue_final_message=go_on,
                )
            )

    @functools.cached_property
    def _template_fault(self) -> str:
        return template_fault(self.chat_template)


def fold_system_turn(messages: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The messages with the system turn's text at the head of the first user turn."""
    system, *rest = messages
    text = system["content"].rstrip()
    if not rest or rest[0]["role"] != "user":
        return [{"role": "user", "content": text}, *rest]
    return [{**rest[0], "content": f"{text}\n\n{rest[0]['content']}"}, *rest[1:]]


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


def end_tokens(tokens: HFTokens) -> frozenset[int]:
    """The tokens that end a generation: those of the model's generation configuration, and EOS."""
    from transformers import AutoConfig, GenerationConfig

    folder = str(tokens.folder)
    try:
        generation = GenerationConfig.from_pretrained(folder, trust_remote_code=False)
    except OSError:  # a folder without generation_config.json
        config = AutoConfig.from_pretrained(folder, trust_remote_code=tokens.trust_remote_code)
        generation = GenerationConfig.from_model_config(config)
    ends = generation.eos_token_id
    found = {ends} if isinstance(ends, int) else set(ends or ())
    return frozenset(found | ({tokens.eos_id} if tokens.eos_id >= 0 else set()))
