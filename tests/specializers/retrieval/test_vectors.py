"""Indexes that came with a corpus: whoever sealed them, what is read has the form it states."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.files import sha256_file, write_json
from harness.progress import NullProgress
from specializers.corpus.layout import LAYOUT
from specializers.retrieval import bm25, dense, ranking, segment
from specializers.retrieval.open import open_retriever
from specializers.retrieval.vectors import check_vectors
from tests.specializers.retrieval.test_dense import save_encoder, save_shards
from tests.specializers.retrieval.test_retrieval import Saying, save_corpus

COUNT = 400


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A flat and an inverted index, by kind; lists that are mostly empty are written otherwise."""
    home = tmp_path_factory.mktemp("vectors")
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((COUNT, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shards = save_shards(home, vectors, 150)
    made = {}
    for kind, limit in (("flat", COUNT), ("inverted", 10)):
        made[kind] = home / kind
        faiss.write_index(dense.make_index(shards, COUNT, limit=limit)[0], str(made[kind]))
    index = faiss.index_factory(16, "IVF9,PQ4", faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(np.repeat(vectors[:1], COUNT, axis=0))
    made["sparse"] = home / "sparse"
    faiss.write_index(index, str(made["sparse"]))
    return made


KINDS = ["flat", "inverted", "sparse"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_faiss_writes_is_taken(files: dict[str, Path], kind: str) -> None:
    assert check_vectors(files[kind], COUNT) == 16


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_no_other_length_is_taken(files: dict[str, Path], kind: str, data: Any) -> None:
    whole = files[kind].read_bytes()
    changed = data.draw(
        st.integers(0, len(whole) - 1).map(lambda end: whole[:end])
        | st.binary(min_size=1, max_size=9).map(lambda more: whole + more)
    )
    path = files[kind].with_name("changed")
    path.write_bytes(changed)
    with pytest.raises(ValueError):
        check_vectors(path, COUNT)
    with pytest.raises(ValueError):
        check_vectors(files[kind], data.draw(st.integers(0, 2**40).filter(COUNT.__ne__)))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_what_is_taken_is_read_by_faiss(files: dict[str, Path], kind: str, data: Any) -> None:
    """Any four bytes of the parts that state sizes, replaced: refused, or read and searched."""
    whole = bytearray(files[kind].read_bytes())
    near = st.sampled_from(
        [0, 1, 2, 3, 4, 9, 15, 16, 17, COUNT, COUNT + 1, 2**20, 2**31, 2**32 - 1]
    )
    heads = [at for at in range(len(whole) - 4) if at < 130 or at > len(whole) - 13 * COUNT]
    place = data.draw(st.sampled_from(heads))
    struct.pack_into("<I", whole, place, data.draw(near))
    path = files[kind].with_name("changed")
    path.write_bytes(whole)
    try:
        check_vectors(path, COUNT)
    except ValueError:
        return
    index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    assert index.search(np.ones((1, index.d), np.float32), 5)[1].shape == (1, 5)


def sealed_anew(folder: Path, **facts: Any) -> None:
    """The index's own digests, made to fit what lies there now."""
    made = json.loads((folder / ranking.INDEX).read_text())
    names = [path.name for path in folder.iterdir() if path.name != ranking.INDEX]
    made["files"] = {name: sha256_file(folder / name) for name in names}
    write_json(folder / ranking.INDEX, {**made, **facts})


def overwrite(path: Path, place: int, value: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[place : place + len(value)] = value
    path.unlink()  # a new inode, as a copy from elsewhere has
    path.write_bytes(content)


def other_vectors(folder: Path) -> None:
    index = faiss.IndexFlatIP(7)
    index.add(np.ones((9, 7), np.float32))
    faiss.write_index(index, str(folder / dense.VECTORS))


FOREIGN = {
    "dense": {
        "of another size": other_vectors,
        "a length of 2^60": lambda f: overwrite(f / dense.VECTORS, 37, struct.pack("<Q", 2**60)),
        "2^40 vectors": lambda f: overwrite(f / dense.VECTORS, 8, struct.pack("<Q", 2**40)),
        "another kind": lambda f: overwrite(f / dense.VECTORS, 0, b"IHNf"),
        "a file beside": lambda f: (f / "more.pkl").write_bytes(b"x"),
    },
    "bm25": {
        "2^60 words": lambda f: overwrite(*f.glob("*.seg"), 8, struct.pack("<Q", 2**60)),
        "2^60 postings": lambda f: overwrite(*f.glob("*.seg"), 16, struct.pack("<Q", 2**60)),
        "counts of 200 bytes": lambda f: overwrite(*f.glob("*.seg"), 32, struct.pack("<Q", 200)),
        "another magic": lambda f: overwrite(*f.glob("*.seg"), 0, b"x"),
    },
}  # fmt: skip


@pytest.mark.parametrize(("kind", "how"), [(k, how) for k, hows in FOREIGN.items() for how in hows])
def test_an_index_sealed_by_its_maker_is_named_and_built_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, how: str
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    corpus, root = save_corpus(tmp_path / "c.jsonl"), tmp_path / "i"
    name = f"path:{save_encoder(tmp_path / 'encoder')}"
    whole = open_retriever(kind, corpus, root, NullProgress(), name).search("ginger fever", 5)
    (folder,) = root.glob(f"*/{kind}-*")
    FOREIGN[kind][how](folder)
    sealed_anew(folder)
    told = Saying()
    assert open_retriever(kind, corpus, root, told, name).search("ginger fever", 5) == whole
    assert [line for line in told.lines if f"{folder}: the index is damaged" in line]


def test_vectors_of_another_model_under_this_ones_name_are_built_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    corpus, root = save_corpus(tmp_path / "c.jsonl"), tmp_path / "i"
    name = f"path:{save_encoder(tmp_path / 'encoder')}"
    open_retriever("dense", corpus, root, NullProgress(), name)
    (folder,) = root.glob("*/dense-*")
    sealed_anew(folder, embedding_digest="0" * 64)
    told = Saying()
    open_retriever("dense", corpus, root, told, name)
    assert "vectors of another embedding model" in told.lines[0]


def test_an_index_leads_nowhere_outside(tmp_path: Path) -> None:
    corpus, root = save_corpus(tmp_path / "c.jsonl"), tmp_path / "deep/er/i"
    whole = open_retriever("bm25", corpus, root, NullProgress()).search("ginger", 5)
    (folder,) = root.glob("*/bm25-*")
    made = json.loads((folder / ranking.INDEX).read_text())
    (tmp_path / "secret").write_text("x")
    found = {str(tmp_path / "secret"): sha256_file(tmp_path / "secret")}
    write_json(folder / ranking.INDEX, {**made, "files": {**made["files"], **found}})
    told = Saying()
    assert open_retriever("bm25", corpus, root, told).search("ginger", 5) == whole
    assert "the index is damaged" in told.lines[0]
    (layout,) = root.glob(f"*/{LAYOUT}")
    kept = json.loads(layout.read_text())
    write_json(layout, {**kept, "chunks": [[5, "../../../evil"]]})
    told.lines.clear()
    assert open_retriever("bm25", corpus, root, told).search("ginger", 5) == whole
    assert "damaged; it is made anew" in told.lines[0]
    assert not list(tmp_path.rglob("evil*"))


def test_what_an_interrupted_build_left_has_its_form_or_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    corpus = save_corpus(tmp_path / "c.jsonl")
    name = f"path:{save_encoder(tmp_path / 'encoder')}"
    for kind, wrong in (("bm25", b"bm25seg1" + bytes(31)), ("dense", b"\x93NUMPY\x01")):
        whole = open_retriever(kind, corpus, tmp_path / "i", NullProgress(), name).search("tea", 5)
        (folder,) = (tmp_path / "i").glob(f"*/{kind}-*")
        chunk = json.loads((folder.parent / LAYOUT).read_text())["chunks"][0][1]
        ranking.shutil.rmtree(folder)
        work = folder.with_name(f".{folder.name}.unfinished")
        work.mkdir()
        (work / (f"{chunk}.seg" if kind == "bm25" else f"{chunk}-00000-5.npy")).write_bytes(wrong)
        again = open_retriever(kind, corpus, tmp_path / "i", NullProgress(), name)
        assert again.search("tea", 5) == whole


def test_postings_of_passages_that_are_not_there_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.seg"
    segment.write_segment(["ginger tea", "tea"], path, segment.Words())
    overwrite(path, path.stat().st_size - 8, struct.pack("<3H", 9, 9, 9))
    with pytest.raises(UserError, match="passages that are not there"):
        bm25.Bm25([segment.read_segment(path)]).rank("tea ginger", 3)
