"""A GGUF file -> an ordinary transformers folder, once.

Dequantised to float32: a GGUF model loaded as it is can neither be saved nor
trained. The same file gives the same bytes, so its digest names the model.
"""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partialmethod
from pathlib import Path
from typing import Any

from harness.doors.files import read_object
from harness.doors.gguf import check_gguf
from harness.doors.model import read_table
from harness.doors.text import plain
from harness.errors import MissingExtra, UserError
from harness.files import share, write_json

# Raised whenever the same GGUF would give another folder.
CONVERSION = 1


def require_converter() -> None:
    """Name the missing extra before anything large is downloaded."""
    for package in ("torch", "transformers", "gguf"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, "hf", "Converting a GGUF model")


def convert(gguf: Path, folder: Path) -> None:
    """Write weights (float32 safetensors), configuration and tokenizer of `gguf` into `folder`.

    The saved tokenizer knows the model's real context length; GGUF tokenizers
    arrive with 1e30.

    Raises:
        UserError: the file is no whole GGUF, or of a model that transformers cannot read.
    """
    require_converter()
    with _quiet():
        tokenizer, model = _read(gguf)
        limit = model.config.get_text_config().max_position_embeddings
        tokenizer.model_max_length = min(tokenizer.model_max_length, limit)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    for name in ("config.json", "generation_config.json"):
        _forget_version(folder / name)
    share(folder)


def _read(gguf: Path) -> tuple[Any, Any]:
    """Tokenizer and model of the file."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    from harness.errors import out_of_memory

    check_gguf(gguf)
    place = {"gguf_file": gguf.name, "local_files_only": True}
    refuse_own_code(gguf.parent)
    try:
        # use_safetensors has no say over a GGUF file: gguf_file alone names what is read.
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, trust_remote_code=False, **place)
        model, found = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            trust_remote_code=False,
            use_safetensors=True,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
            output_loading_info=True,
            **place,
        )
    # What a reader of bytes meets where they are torn or mean something else.
    except (LookupError, RuntimeError, TypeError, ValueError, struct.error) as error:
        if out_of_memory(error):
            raise
        sizes = "weights of other sizes than its metadata says"
        told = sizes if "mismatch" in str(error) else " ".join(str(error).split())[:200]
        told = f"no metadata {told}" if isinstance(error, KeyError) else told
        raise UserError(_unfit(gguf, told)) from error
    # transformers would go on with random numbers in their place.
    if missing := sorted(found["missing_keys"]):
        raise UserError(_unfit(gguf, f"no weights {', '.join(missing[:3])}"))
    return tokenizer, model


def refuse_own_code(folder: Path) -> None:
    """Refuse configurations beside a GGUF file that name Python code of their own.

    Raises:
        UserError: config.json or tokenizer_config.json has an auto_map.
    """
    for name in ("config.json", "tokenizer_config.json"):
        path = folder / name
        if path.is_file() and "auto_map" in read_table(path):
            raise UserError(
                f"{plain(path)}: auto_map: found Python code of its own beside a GGUF file; "
                f"expected the file alone. Move the GGUF into a folder of its own."
            )


def _unfit(gguf: Path, found: str) -> str:
    return (
        f"{gguf}: found {found}; expected a whole GGUF file of a model that transformers reads. "
        "Fetch the file again, or name another."
    )


def has_own_class(model_type: str) -> bool:
    """Whether transformers itself carries this architecture, so that no foreign code is needed."""
    if importlib.util.find_spec("transformers") is None:
        raise MissingExtra("transformers", "hf", "Loading a model")
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the library's own progress bars and advice: the caller shows its own."""
    from tqdm.auto import tqdm  # type: ignore[import-untyped]
    from transformers.utils import logging

    verbosity, begin = logging.get_verbosity(), tqdm.__init__
    logging.set_verbosity_error()
    tqdm.__init__ = partialmethod(begin, disable=True)
    try:
        yield
    finally:
        tqdm.__init__ = begin
        logging.set_verbosity(verbosity)


def _forget_version(path: Path) -> None:
    """The writer's version is no property of the model and would change its digest."""
    if path.exists():
        values = read_object(path)
        values.pop("transformers_version", None)
        write_json(path, values)
