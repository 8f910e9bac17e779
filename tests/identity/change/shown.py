"""What was changed in a folder of results, or beside it, and what every command then shows.

Each check is a line of the page: what is changed, and what happens.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench import cli
from harness.doors.seals import sealed
from harness.files import digest, write_json
from harness.identity.recorded import explained_of
from harness.record import read_record, write_record
from tests.leaderboards.artifact import write_artifact
from tests.leaderboards.records import item, record_of, store

MODEL = "selfspec-tiny"
ALL = ("board", "board check", "board export --format lm-eval --to x", "board publish --to y",
       f"explain {MODEL} --task one --embedding none")  # fmt: skip


@dataclass(frozen=True)
class Home:
    """A folder of results with a base and what was made of it, in the working folder."""

    path: Path
    capture: Any

    def bench(self, command: str) -> tuple[int, str]:
        """Exit code, and all that was said."""
        code = cli.main(command.split())
        said = self.capture.readouterr()
        return code, said.out + said.err

    def file(self, name: str, model: str = MODEL) -> Path:
        return self.path / "runs" / model / "one@0.0" / name

    def refused_by_all(self, *words: str) -> None:
        for command in ALL:
            code, told = self.bench(command)
            assert code in (1, 2), command
            assert all(word in told for word in words), (command, told)


@dataclass(frozen=True)
class Shown:
    what: str
    happens: str
    check: Callable[[Home], None]


SHOWN: list[Shown] = []


def shown(what: str, happens: str) -> Callable[[Callable[[Home], None]], Callable[[Home], None]]:
    def register(check: Callable[[Home], None]) -> Callable[[Home], None]:
        SHOWN.append(Shown(what, happens, check))
        return check

    return register


def make_home(folder: Path, capture: Any) -> Home:
    rows = [item(n, value, input=f"Is it {n}?") for n, value in enumerate([1, 0, 1, 0])]
    other = [item(n, value, input=f"Is it {n}?") for n, value in enumerate([1, 1, 1, 0])]
    store(folder / "bench-out/runs", record_of("tiny", "one", rows),
          record_of(MODEL, "one", other), record_of("gone", "one", rows))  # fmt: skip
    return Home(folder / "bench-out", capture)


def change(path: Path, *keys: str, value: Any) -> None:
    """One value of a table, in the file's own layout."""
    content = json.loads(path.read_text())
    table = content
    for key in keys[:-1]:
        table = table[key]
    assert table[keys[-1]] != value
    table[keys[-1]] = value
    write_json(path, content)


REFUSED = "refused by every command, with file and key"


@shown("a fact in a record's manifest", REFUSED)
def _manifest(home: Home) -> None:
    change(home.file("record.json"), "manifest", "model_source", value="path:elsewhere")
    home.refused_by_all("record.json", "manifest.model_source")


@shown("a number in a record's summary", REFUSED)
def _summary(home: Home) -> None:
    change(home.file("record.json"), "summary", "n_unparseable", value=3)
    home.refused_by_all("record.json", "summary.n_unparseable")


@shown("an item of a record", "refused by every command, with the file")
def _items(home: Home) -> None:
    path = home.file("items.jsonl")
    path.write_text(path.read_text().replace("Is it 2?", "Is it 3?"))
    home.refused_by_all("items.jsonl")


@shown("the seconds in a record's run.json", REFUSED)
def _run(home: Home) -> None:
    change(home.file("run.json"), "seconds", value=9.0)
    home.refused_by_all("run.json", "seconds")


@shown("the seal of a run.json, taken off", "refused by every command, with the file")
def _unsealed(home: Home) -> None:
    content = json.loads(home.file("run.json").read_text())
    write_json(home.file("run.json"), {"seconds": content["seconds"]})
    home.refused_by_all("run.json", "its seal is gone")


@shown("a run.json, put beside another record", "refused by every command, with the file")
def _swapped(home: Home) -> None:
    shutil.copy(home.file("run.json", "tiny"), home.file("run.json"))
    home.refused_by_all("run.json", "belongs to another record")


@shown("a record, copied into another model's folder", "refused by every command, with the file")
def _copied(home: Home) -> None:
    for name in ("record.json", "items.jsonl", "run.json"):
        shutil.copy(home.file(name, "tiny"), home.file(name))
    home.refused_by_all(f"{MODEL}/one@0.0", "is the record of tiny/one@0.0")


def of_an_earlier_version(home: Home, model: str, seconds: float) -> None:
    from harness.record import _canonical, _seal

    content = json.loads(home.file("record.json", model).read_text())
    for key in ("keys", "sha256"):
        del content[key]
    home.file("record.json", model).write_bytes(_canonical(content | {"sha256": _seal(content)}))
    write_json(home.file("run.json", model), {"seconds": seconds})


@shown("the run.json of an earlier version, which has no seal, put beside another record",
       "costs change, no score does; `bench board check` says that they are unproved")  # fmt: skip
def _swapped(home: Home) -> None:
    for number, model in enumerate((MODEL, "tiny")):
        of_an_earlier_version(home, model, 2.0 + number)
    assert home.bench("board")[0] == 0
    board = (home.path / "board/board.json").read_bytes()
    shutil.copy(home.file("run.json", "tiny"), home.file("run.json"))
    assert home.bench("board")[0] == 0
    assert (home.path / "board/board.json").read_bytes() == board
    code, told = home.bench("board check")
    assert code == 0
    assert "without a seal: whose costs they are is not proved" in told


@shown("a record of an earlier version, which has no digests of keys and no sealed run.json",
       "shown as it was")  # fmt: skip
def _earlier(home: Home) -> None:
    of_an_earlier_version(home, MODEL, 2.0)
    for command in ("board", "board check", "board publish --to y"):
        assert home.bench(command)[0] == 0, command


@shown(
    "the weights behind a base's name, and the base run again",
    "what was made of the old weights has no difference to the new, and a note says why",
)
def _other_weights(home: Home) -> None:
    rows = [item(n, 1, input=f"Is it {n}?") for n in range(4)]
    for name in ("tiny", "gone"):
        shutil.rmtree(home.path / "runs" / name)
    store(home.path / "runs", record_of("tiny", "one", rows, model_digest="c" * 64))
    code, told = home.bench("board build --markdown")
    assert code == 0
    assert "other weights" in told
    code, told = home.bench(ALL[-1])
    assert code == 2
    assert "'model_digest' differs" in told


@shown("the name of a base", "what was made of it is compared with it under its new name")
def _renamed(home: Home) -> None:
    shutil.rmtree(home.path / "runs" / "tiny")
    code, told = home.bench("board build --json")
    assert code == 0
    (made,) = [row for row in json.loads(told)["sections"][0]["rows"] if row["label"] == MODEL]
    assert made["cells"][0]["difference"]["other"] == "gone"


def of_task(rows: str) -> dict[str, str]:
    return {"digest": digest(rows), "yaml": "y", "code": "", "rows": rows, "examples": ""}


@shown(
    "a task's expected answers, its version kept, and one of two models run again",
    "two columns; a note names what differs",
)
def _task(home: Home) -> None:
    rows = [item(n, 1, input=f"Is it {n}?") for n in range(4)]
    shutil.rmtree(home.path / "runs")
    store(home.path / "runs", record_of("tiny", "one", rows, task_identity=of_task("x")),
          record_of("new", "one", rows, task_identity=of_task("z")))  # fmt: skip
    code, told = home.bench("board build --markdown")
    assert code == 0
    assert told.count("one v1+") >= 2
    assert "its test rows differ" in told


@shown("the same, against a baseline", "`bench board gate` compares nothing: exit code 2")
def _gate(home: Home) -> None:
    rows = [item(n, 1, input=f"Is it {n}?") for n in range(4)]
    for folder, content in (("before", "x"), ("after", "z")):
        made = record_of("tiny", "one", rows, task_identity=of_task(content))
        store(home.path.parent / folder / "runs", made)
    code, told = home.bench("board gate --baseline before --out after")
    assert code == 2
    assert "its test rows differ" in told


@shown("how many of a set's rows are there", "a note: so many of so many, a partial mirror")
def _partial(home: Home) -> None:
    rows = [item(n, 1) for n in range(4)]
    store(home.path / "runs", record_of("part", "two", rows, data={"rows": 4, "of": 3626}))
    assert "4 of 3,626 items were there" in home.bench("board build --markdown")[1]


ARTIFACT = "the pages are refused, with the file"


def artifact(home: Home) -> Path:
    """As a run makes one: everything under its seal."""
    from hashlib import sha256

    folder = write_artifact(home.path, MODEL, examples=3)
    content = json.loads((folder / "manifest.json").read_text())
    for name in ("sources.json", "training.jsonl"):
        content["files"][name] = sha256((folder / name).read_bytes()).hexdigest()
    write_json(folder / "manifest.json", sealed(content))
    assert home.bench("board")[0] == 0
    return folder


@shown("a seed behind a training example", ARTIFACT)
def _seed(home: Home) -> None:
    path = artifact(home) / "sources.json"
    path.write_text(path.read_text().replace("a seed of the domain", "another"))
    code, told = home.bench("board")
    assert (code, "sources.json: changed" in told) == (2, True)


@shown("the training curve", ARTIFACT)
def _curve(home: Home) -> None:
    path = artifact(home) / "training.jsonl"
    path.write_text(path.read_text().replace("2.9", "1.9"))
    code, told = home.bench("board")
    assert (code, "training.jsonl: changed" in told) == (2, True)


@shown("a training example", ARTIFACT)
def _example(home: Home) -> None:
    path = artifact(home) / "data.jsonl"
    path.write_text(path.read_text().replace("Word1 ", "Word9 "))
    code, told = home.bench("board")
    assert (code, "data.jsonl: changed" in told) == (2, True)


@shown("a fact of an artifact's manifest", "the pages are refused, with file and key")
def _fact(home: Home) -> None:
    change(artifact(home) / "manifest.json", "facts", "instructions", value={"accepted": 9})
    code, told = home.bench("board")
    assert (code, "manifest.json: changed in facts.instructions" in told) == (2, True)


@shown("a training curve, added to an artifact that had none", ARTIFACT)
def _added(home: Home) -> None:
    folder = write_artifact(home.path, MODEL, examples=3)
    content = json.loads((folder / "manifest.json").read_text())
    (folder / "sources.json").unlink()
    write_json(folder / "manifest.json", sealed(content))
    code, told = home.bench("board")
    assert (code, "training.jsonl: added" in told) == (2, True)


def explanation(home: Home, **of: str) -> str:
    """A page of item data with an explanation beside it."""
    write_artifact(home.path, MODEL, examples=3)
    held = explained_of(read_record(home.file("record.json").parent).manifest)
    near = [{"example": "task-00002", "similarity": 0.777}]
    content = {"of": held | of, "items": [{"id": "i0000", "nearest": near}]}
    write_json(home.path / "explain" / MODEL / "one@0.json", sealed(content))
    assert home.bench("board")[0] == 0
    return "".join(p.read_text() for p in (home.path / "board/items").rglob("*.js"))


@shown("the artifact, after it was explained", "the old explanation is on no page")
def _explained(home: Home) -> None:
    assert "0.777" not in explanation(home, artifact="d" * 64)


@shown("nothing, after it was explained", "the explanation is on the pages")
def _explained_same(home: Home) -> None:
    assert "0.777" in explanation(home)


def sweep(home: Home, weights: str) -> str:
    curve = {"label": "average", "points": [[1, 40.0, None, None], [2, 50.0, None, None]]}
    section = {"shots": 0, "base": {"average": {"score": 0.31}}, "curves": [curve]}
    named = {"model": MODEL, "base": "tiny", "parameter": "examples", "name": "s"}
    content = {**named, "weights": weights, "sections": [section]}
    write_json(home.path / "sweeps/s.json", sealed(content))
    assert home.bench("board")[0] == 0
    return (home.path / "board/index.html").read_text()


@shown("the base's weights, after a sweep", "the old curve is on no page")
def _sweep(home: Home) -> None:
    assert "by examples" in sweep(home, "b" * 64) or "examples" in sweep(home, "b" * 64)
    assert "examples" not in sweep(home, "d" * 64)


@shown("a point of a sweep's curve", "the pages are refused, with file and key")
def _point(home: Home) -> None:
    sweep(home, "b" * 64)
    change(home.path / "sweeps/s.json", "parameter", value="rank")
    code, told = home.bench("board")
    assert (code, "s.json" in told, "parameter" in told) == (2, True, True)


@shown("a model's records are removed, and its results exported again", "its files are gone")
def _exported(home: Home) -> None:
    assert home.bench("board export --format lm-eval --to x")[0] == 0
    (Path("x") / "mine.txt").write_text("my own")
    there = {path.name for path in Path("x").rglob("*") if "gone" in str(path)}
    shutil.rmtree(home.path / "runs" / "gone")
    assert home.bench("board export --format lm-eval --to x")[0] == 0
    assert there
    assert not [path for path in Path("x").rglob("*") if "gone" in str(path)]
    assert (Path("x") / "mine.txt").read_text() == "my own"


@shown("a model's records are removed, and the board published again", "nothing of it is left")
def _published(home: Home) -> None:
    assert home.bench("board publish --to y")[0] == 0
    shutil.rmtree(home.path / "runs" / "gone")
    assert home.bench("board publish --to y")[0] == 0
    assert not [p for p in Path("y").rglob("*") if p.is_file() and "gone" in p.read_text() + p.name]


@shown("a model's records are removed, and the board written again", "its pages are gone")
def _pages(home: Home) -> None:
    assert home.bench("board")[0] == 0
    shutil.rmtree(home.path / "runs" / "gone")
    assert home.bench("board")[0] == 0
    assert not [p for p in (home.path / "board").rglob("*") if "gone" in p.name]


@shown("records, after the pages were written", "`bench board serve` says that they are newer")
def _served(home: Home) -> None:
    from leaderboards.folder import newer_records

    home.bench("board")
    assert newer_records(home.path, home.path / "board") == 0
    rows = [item(n, 0, input=f"Is it {n}?") for n in range(4)]
    made = record_of("late", "one", rows)
    manifest = {k: v for k, v in made.manifest.items() if k != "engine_report"}
    write_record(home.path / "runs/late/one@0.0", manifest, rows, dict(made.summary), {})
    assert newer_records(home.path, home.path / "board") >= 1


PUBLISHED = "`bench board check` names the file"


def published(home: Home, *options: str) -> Path:
    artifact(home)
    command = " ".join(("board publish --to y --examples", *options))
    code, told = home.bench(command)
    assert code == 0, told
    assert home.bench("board check --out y")[0] == 0
    return Path("y")


def named(home: Home, *words: str, options: str = "") -> None:
    code, told = home.bench(f"board check --out y {options}".strip())
    assert code == 2, told
    assert all(word in told for word in words), told


@shown("a published run.json, its seal made anew", PUBLISHED)
def _resealed(home: Home) -> None:
    path = published(home) / "runs" / MODEL / "one@0.0" / "run.json"
    content = {k: v for k, v in json.loads(path.read_text()).items() if k != "seal"}
    write_json(path, sealed({**content, "seconds": 1.0}))
    named(home, "run.json: changed since it was published", "sealed anew")


@shown("a published artifact's sources", "`bench board check` names file and key")
def _published_sources(home: Home) -> None:
    path = next(published(home).glob("artifacts/*/sources.json"))
    change(path, "seeds", "seed-1", value="another seed")
    named(home, "sources.json: changed since it was published, in seeds.seed-1")


@shown("the published costs", PUBLISHED)
def _costs(home: Home) -> None:
    path = published(home) / "costs.csv"
    path.write_text(path.read_text() + "tiny,one,9,9,1,1,1,1\n")
    named(home, "costs.csv: changed")


@shown("a published board's declaration", PUBLISHED)
def _declared(home: Home) -> None:
    path = next(published(home).glob("*.board.toml"))
    path.write_text(path.read_text() + '\ntitle = "Another"\n')
    named(home, "board.toml: changed")


@shown("a record, added to a published board", PUBLISHED)
def _more(home: Home) -> None:
    folder = published(home) / "runs"
    shutil.copytree(folder / "gone", folder / "more")
    named(home, "more/one@0.0/record.json: added")


@shown("a record, removed from a published board", PUBLISHED)
def _less(home: Home) -> None:
    shutil.rmtree(published(home) / "runs" / "gone")
    named(home, "gone/one@0.0/record.json: missing")


@shown("a published board's own seal", PUBLISHED)
def _seal(home: Home) -> None:
    path = published(home) / "seal.json"
    change(path, "files", "costs.csv", value={"sha256": "0" * 64})
    named(home, "seal.json: changed in files.costs.csv")


def ssh_key(name: str) -> Path:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh-keygen")
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name]
    subprocess.run(command, check=True, capture_output=True)
    return Path(name)


def allowed(key: Path) -> Path:
    path = Path("signers")
    path.write_text(f"me@example.org {key.with_suffix('.pub').read_text()}")
    return path


@shown(
    "everything of a signed board, sealed anew by somebody else",
    "`bench board check` says that the signature does not fit",
)
def _signature(home: Home) -> None:
    from leaderboards.writing.seals import write_seal

    key = ssh_key("mine")
    folder = published(home, "--sign", str(key))
    code, told = home.bench(f"board check --out y --signers {allowed(key)}")
    assert code == 0, told
    assert "signed by me@example.org" in told
    assert "signed with SHA256:" in home.bench("board check --out y")[1]
    path = folder / "costs.csv"
    path.write_text(path.read_text() + "\n")
    write_seal(folder)
    named(home, "seal.json.sig: does not fit seal.json")
    named(home, "seal.json.sig: does not fit seal.json", options="--signers signers")


@shown("who signed a board", "`bench board check --signers` refuses a key that is not on the list")
def _signer(home: Home) -> None:
    published(home, "--sign", str(ssh_key("theirs")))
    named(home, "its key is not among those", options=f"--signers {allowed(ssh_key('mine'))}")


@shown("a signature, taken off", "`bench board check --signers` says that it is missing")
def _unsigned(home: Home) -> None:
    published(home)
    named(home, "seal.json.sig: missing", options=f"--signers {allowed(ssh_key('mine'))}")
