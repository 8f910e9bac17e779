"""Control: no training; passages are retrieved for each prompt.

What this gains, having the corpus at hand at inference gains. The artifact
holds no weights but says how prompts are rewritten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from harness.errors import UserError
from harness.files import cache_folder, write_json
from harness.progress import NullProgress
from harness.types import BaseModel, Domain, Json, Progress
from specializers.corpus.open import content_digest, find_corpus
from specializers.needs import parameter_faults, raise_needs, search_faults
from specializers.retrieval.embedding import embedding_inputs
from specializers.retrieval.open import Retriever, open_retriever
from specializers.selfspec.budgets import BUDGETS, CHOICES
from specializers.stages import read_report

SETTINGS = "rag.json"
PARAMETERS = ("retrieval", "embedding", "passages", "passage_words")
# A question stands at the end of an input; what is far before it is its context.
QUERY_WORDS = 120


class Rag:
    """Retrieval-augmented prompts over the unchanged base."""

    name = "rag"
    version = 2
    summary = "control: no training, retrieved passages in the prompt"
    kind: Literal["adapter", "prompt"] = "prompt"
    budgets: Mapping[str, Mapping[str, Any]] = {
        budget: {key: params[key] for key in PARAMETERS} for budget, params in BUDGETS.items()
    }

    def specialize(
        self,
        base: BaseModel,
        domain: Domain,
        params: Mapping[str, Any],
        out: Path,
        progress: Progress,
    ) -> Json:
        """Build the index and write rag.json into `out`.

        Raises:
            UserError: the domain has no corpus, or retrieval is "none".
        """
        raise_needs(self.faults(domain, params))
        if domain.corpus is None:
            raise AssertionError("a fault")
        _open(params, domain.corpus, progress)
        held = {"corpus": domain.corpus.name, "corpus_sha256": content_digest(domain.corpus)}
        write_json(out / SETTINGS, {**params, **held})
        return held

    def inputs(self, params: Mapping[str, Any]) -> Mapping[str, str]:
        """The embedding model, where one is used."""
        return embedding_inputs(params)

    def faults(self, domain: Domain, params: Mapping[str, Any]) -> list[str]:
        """Wrong parameters, nothing to retrieve from, or nothing to retrieve with."""
        if faults := parameter_faults(self.name, params, self.budgets["paper"], CHOICES):
            return faults
        if domain.corpus is None or params["retrieval"] == "none" or not params["passages"]:
            return [
                f"rag: there is nothing to retrieve from (corpus of '{domain.name}': "
                f"{domain.corpus or 'none'}, retrieval: {params['retrieval']}, passages: "
                f"{params['passages']}). Give a corpus with --corpus FILE and a retrieval other "
                "than none."
            ]
        return search_faults(self.name, domain, params)

    def rewrite_input(self, folder: Path) -> Callable[[str], str]:
        """A function that puts passages before an item's input.

        Instruction and demonstrations stay as they are and so stay common to
        all items.

        Raises:
            UserError: the corpus that the artifact was made with is not on this machine.
        """
        settings = read_report(folder / SETTINGS)
        if "corpus_sha256" not in settings:  # version 1 kept a path
            raise UserError(
                f"{folder / SETTINGS}: of an older version, which kept its corpus's path and not "
                f"its content. Delete the artifact's folder and run again."
            )
        corpus = find_corpus(settings["corpus_sha256"], folder / SETTINGS)
        retriever = _open(settings, corpus, NullProgress())

        def rewrite(text: str) -> str:
            query = " ".join(text.split()[-QUERY_WORDS:])
            passages = [
                f"Background: {' '.join(passage.text.split()[: settings['passage_words']])}\n"
                for passage in retriever.search(query, settings["passages"])
            ]
            return "".join(passages) + text

        return rewrite


def _open(settings: Mapping[str, Any], corpus: Path, progress: Progress) -> Retriever:
    indexes = cache_folder() / "indexes"
    return open_retriever(settings["retrieval"], corpus, indexes, progress, settings["embedding"])
