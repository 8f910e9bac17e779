"""What a specializer reads beside base and domain is part of what it makes."""

from harness.artifacts.make import inputs_of
from harness.identity.things import artifact_identity

MADE = ("rag", 1, "base", {"dtype": "float32"}, {}, "domain", {"k": 1})


def test_another_input_is_another_artifact_and_none_is_as_before() -> None:
    # The digest of an artifact made before inputs were known.
    before = artifact_identity(*MADE, {})
    assert before == artifact_identity(*MADE, inputs_of(object(), {"k": 1}))  # type: ignore[arg-type]
    one, two = (artifact_identity(*MADE, {"embedding": name}) for name in ("a", "b"))
    assert len({before, one, two}) == 3


def test_an_embedding_model_is_read_where_meaning_counts() -> None:
    from specializers.controls.rag import Rag

    assert Rag().inputs({"retrieval": "bm25", "embedding": "minilm"}) == {}
