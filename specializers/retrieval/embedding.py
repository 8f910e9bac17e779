"""An embedding model: named, fetched and digested as the harness's models are, run on texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.doors.files import read_object, read_toml
from harness.doors.model import check_embedding
from harness.errors import MissingExtra, UserError, UserErrors, did_you_mean
from harness.files import cache_folder
from harness.identity.things import embedding_identity
from harness.models.sources import fetch, spec_faults
from harness.models.table import model_specs
from harness.progress import NullProgress
from harness.types import ModelSpec, Progress

DEFAULT = "minilm"
_NAMED = Path(__file__).with_name("embeddings.toml")


class Embedder:
    """Texts -> vectors of length 1, by sentence-transformers.

    Pooling is what the model's folder says, the mean over the tokens where it
    says nothing. The weights are loaded when the first text comes.

    Attributes:
        digest: its identity, `harness.identity.things.embedding_identity`.
    """

    def __init__(self, name: str, folder: Path, digest: str) -> None:
        self.name = name
        self.digest = digest
        self._folder = folder
        self._models: dict[str, Any] = {}  # by dtype

    def passages(self, texts: Sequence[str], dtype: str = "float32") -> Any:
        """float32 (texts, dimension). Batches are sorted by length by the library.

        Args:
            dtype: what is computed in; see `passage_dtype`.
        """
        import numpy

        found = self._load(dtype).encode_document(list(texts), **_ENCODING)
        vectors = numpy.asarray(found, dtype=numpy.float32)
        if dtype == "float32":
            return vectors
        lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)  # rounded as the numbers are
        return vectors / numpy.where(lengths > 0, lengths, 1)

    def query(self, text: str) -> Any:
        """float32 (1, dimension), with the model's own prompt for queries where it has one."""
        return self._load("float32").encode_query([text], **_ENCODING)

    def _load(self, dtype: str) -> Any:
        if dtype not in self._models:
            from sentence_transformers import SentenceTransformer

            try:
                self._models[dtype] = SentenceTransformer(
                    str(self._folder),
                    local_files_only=True,
                    trust_remote_code=False,
                    model_kwargs={"use_safetensors": True, "dtype": dtype},
                )
            except (OSError, ValueError, KeyError, TypeError) as error:
                said = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise UserError(
                    f"embedding model '{self.name}': sentence-transformers cannot load "
                    f"{self._folder} ({said}). Expected a folder it saved, or an encoder such as "
                    f"BERT saved by transformers."
                ) from error
        return self._models[dtype]


def passage_dtype() -> str:
    """What passages of a corpus are embedded in here: bfloat16 where the processor has it.

    A GPU embeds in float32: there it is fast enough.
    """
    import torch

    if torch.cuda.is_available() or not hasattr(torch.cpu, "get_capabilities"):
        return "float32"
    able = torch.cpu.get_capabilities()
    return "bfloat16" if able.get("avx512_bf16") or able.get("amx_bf16") else "float32"


_ENCODING = {"batch_size": 16, "normalize_embeddings": True, "show_progress_bar": False}


def open_embedder(name: str, progress: Progress) -> Embedder:
    """The embedding model of that name or source, fetched if it is not there.

    Raises:
        UserError: an unknown name, or no embedding model at the source.
        MissingExtra: sentence-transformers is not installed.
    """
    from importlib.util import find_spec

    if find_spec("sentence_transformers") is None:
        raise MissingExtra("sentence-transformers", "retrieval", "Dense retrieval")
    local = fetch(embedding_spec(name), progress=progress)
    _refuse_generative(name, local.folder)
    check_embedding(local.folder)
    identity = embedding_identity(local.folder, local.digest, cache_folder())
    return Embedder(name, local.folder, identity)


def embedding_inputs(params: Mapping[str, Any]) -> dict[str, str]:
    """The embedding model among what a specializer reads, where its parameters need one.

    See `harness.types.ReadingSpecializer`.
    """
    by_meaning = params.get("retrieval") in ("dense", "hybrid")
    if not by_meaning and not params.get("semantic_threshold"):
        return {}
    return {"embedding": open_embedder(str(params["embedding"]), NullProgress()).digest}


def embedding_spec(name: str) -> ModelSpec:
    """The spec of a named embedding model, or of a source (`path:FOLDER`, `hf:OWNER/NAME@REV`).

    Raises:
        UserError: neither.
    """
    faults: list[str] = []
    named = model_specs(read_toml(_NAMED)["models"], _NAMED, "built in", faults)
    if faults:
        raise UserErrors(faults)
    if name in named:
        return named[name]
    given = ModelSpec(name=name, source=name, origin="an embedding model")
    if name.startswith(("path:", "hf:")) and not spec_faults(given):
        return given
    raise UserError(
        f"unknown embedding model '{name}'.{did_you_mean(name, named)} It is one of: "
        f"{', '.join(named)}; or a source: path:FOLDER or hf:OWNER/NAME@REVISION."
    )


def _refuse_generative(name: str, folder: Path) -> None:
    """A language model's mean-pooled states make poor vectors; nothing would tell."""
    config = read_object(folder / "config.json")
    kinds = [kind for kind in config.get("architectures") or () if kind.endswith("ForCausalLM")]
    if kinds and not (folder / "modules.json").exists():
        raise UserError(
            f"embedding model '{name}': {folder} is a generative model ({kinds[0]}); expected an "
            f"encoder, or a folder saved by sentence-transformers (with modules.json)."
        )
