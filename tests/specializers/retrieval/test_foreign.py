"""Indexes that came with a corpus: whoever sealed them, what is read has the form it states."""

from __future__ import annotations

import json
import struct
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import UserError
from harness.files import sha256_file, write_json
from harness.progress import NullProgress
from specializers.corpus.layout import LAYOUT
from specializers.retrieval import bm25, dense, ranking, segment
from specializers.retrieval.embedding import passage_dtype
from specializers.retrieval.open import open_retriever
from tests.specializers.retrieval.test_dense import save_encoder
from tests.specializers.retrieval.test_retrieval import save_corpus
from tests.specializers.tiny import Told


def sealed_anew(folder: Path, **facts: Any) -> None:
    """The index's own digests, made to fit what lies there now."""
    made = json.loads((folder / ranking.INDEX).read_text())
    names = [path.name for path in folder.iterdir() if path.name != ranking.INDEX]
    made["files"] = {name: sha256_file(folder / name) for name in names}
    write_json(folder / ranking.INDEX, {**made, **facts})


def torn(path: Path) -> None:
    half = path.read_bytes()[: path.stat().st_size // 2]
    path.unlink()
    path.write_bytes(half)


def overwrite(path: Path, place: int, value: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[place : place + len(value)] = value
    path.unlink()  # a new inode, as a copy from elsewhere has
    path.write_bytes(content)


def saved(folder: Path, **columns: Any) -> None:
    for name, column in columns.items():
        (folder / f"{name}.npy").unlink(missing_ok=True)
        np.save(folder / f"{name}.npy", column)


def pickled(folder: Path) -> None:
    (folder / dense.VECTORS).unlink()
    np.save(folder / dense.VECTORS, np.array([Path("x")] * 5, dtype=object), allow_pickle=True)


ONES = np.ones((5, 16), np.float32)
FOREIGN = {
    "dense": {
        "of another count": lambda f: saved(f, vectors=ONES[:4]),
        "of other numbers": lambda f: saved(f, vectors=ONES.astype(np.float64)),
        "int8 without scales": lambda f: saved(f, vectors=ONES.astype(np.int8)),
        "int8 with scales": lambda f: saved(f, vectors=ONES.astype(np.int8), scales=ONES[:, 0]),
        "in three dimensions": lambda f: saved(f, vectors=ONES[:, :, None]),
        "without numbers": lambda f: saved(f, vectors=ONES[:, :0]),
        "keys of another count": lambda f: saved(f, texts=np.ones(6, np.uint64)),
        "keys of another kind": lambda f: saved(f, texts=np.ones(5, np.int32)),
        "pickled": pickled,
        "half a file": lambda f: torn(f / dense.VECTORS),
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
    told = Told()
    assert open_retriever(kind, corpus, root, told, name).search("ginger fever", 5) == whole
    assert [line for line in told.said if f"{folder}: the index is damaged" in line]


def test_vectors_of_another_model_under_this_ones_name_are_built_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    corpus, root = save_corpus(tmp_path / "c.jsonl"), tmp_path / "i"
    name = f"path:{save_encoder(tmp_path / 'encoder')}"
    open_retriever("dense", corpus, root, NullProgress(), name)
    (folder,) = root.glob("*/dense-*")
    sealed_anew(folder, embedding_digest="0" * 64)
    told = Told()
    open_retriever("dense", corpus, root, told, name)
    assert "vectors of another embedding model" in told.said[0]


def test_an_index_leads_nowhere_outside(tmp_path: Path) -> None:
    corpus, root = save_corpus(tmp_path / "c.jsonl"), tmp_path / "deep/er/i"
    whole = open_retriever("bm25", corpus, root, NullProgress()).search("ginger", 5)
    (folder,) = root.glob("*/bm25-*")
    made = json.loads((folder / ranking.INDEX).read_text())
    (tmp_path / "secret").write_text("x")
    found = {str(tmp_path / "secret"): sha256_file(tmp_path / "secret")}
    write_json(folder / ranking.INDEX, {**made, "files": {**made["files"], **found}})
    told = Told()
    assert open_retriever("bm25", corpus, root, told).search("ginger", 5) == whole
    assert "the index is damaged" in told.said[0]
    (layout,) = root.glob(f"*/{LAYOUT}")
    kept = json.loads(layout.read_text())
    write_json(layout, {**kept, "chunks": [[5, "../../../evil"]]})
    told.said.clear()
    assert open_retriever("bm25", corpus, root, told).search("ginger", 5) == whole
    assert "damaged; it is made anew" in told.said[0]
    assert not list(tmp_path.rglob("evil*"))


def shard_name(corpus: Path) -> str:
    """Of the shard of all its passages but the last, whose text is the first one's."""
    rows = [json.loads(line) for line in corpus.read_text().splitlines() if line][:-1]
    keys = [dense._text_key(f"{row['title']} {row['text']}".strip()) for row in rows]
    name = blake2b(np.array(keys, np.uint64).tobytes(), digest_size=16).hexdigest()
    return f"{name}-{passage_dtype()}.shard"


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
        left = f"{chunk}.seg" if kind == "bm25" else shard_name(corpus)
        (work / left).write_bytes(wrong)
        (work / ".half.0123").write_bytes(b"x")  # a file that was being written
        again = open_retriever(kind, corpus, tmp_path / "i", NullProgress(), name)
        assert again.search("tea", 5) == whole


def test_postings_of_passages_that_are_not_there_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.seg"
    segment.write_segment(["ginger tea", "tea"], path, segment.Words())
    overwrite(path, path.stat().st_size - 8, struct.pack("<3H", 9, 9, 9))
    with pytest.raises(UserError, match="passages that are not there"):
        bm25.Bm25([segment.read_segment(path)]).rank("tea ginger", 3)
