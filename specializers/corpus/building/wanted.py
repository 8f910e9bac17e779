"""What is asked of a corpus beside its inputs."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.files import digest
from harness.leaks.index import MATCHING_VERSION, LeakIndex
from harness.types import Json
from specializers.corpus.fields import Fields


@dataclass(frozen=True)
class Wanted:
    """What is asked of a corpus beside its inputs.

    Attributes:
        words: the most a passage may have. The command's 120 are what the `paper`
            budget shows of one, and about 200 word pieces of an embedding model's 256.
        fields: which keys hold a document, and which documents are left out.
        skip_bad: the share of rows, 0 to 1, that may be unreadable.
        without: test items; a document with a passage that holds one is left out.
    """

    words: int = 120
    fields: Fields = field(default_factory=Fields)
    skip_bad: float = 0.0
    without: LeakIndex | None = None

    def facts(self) -> Json:
        """What of it makes another corpus; only what is not the default."""
        fields = self.fields
        more = {
            "keys": [fields.id, fields.text, fields.title],
            "where": [[c.key, c.operator, c.value] for c in fields.where],
            "exclude": digest(sorted(fields.exclude)) if fields.exclude else "",
            "skip_bad": self.skip_bad,
            "without": [MATCHING_VERSION, self.without.digest] if self.without else [],
        }
        plain = {"keys": ["", "", ""], "where": [], "exclude": "", "skip_bad": 0.0, "without": []}
        return {"words": self.words, **{k: v for k, v in more.items() if v != plain[k]}}
