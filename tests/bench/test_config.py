"""bench.config: bench.toml is read whole, and every fault of it is told at once."""

from pathlib import Path

import pytest

from bench.config import Config, load_config
from harness.errors import UserError, UserErrors


def written(folder: Path, text: str) -> Path:
    path = folder / "bench.toml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(folder: Path, text: str) -> list[str]:
    """The messages for a file, without its path, which each begins with."""
    path = written(folder, text)
    with pytest.raises(UserErrors) as error:
        load_config(path)
    assert all(message.startswith(f"{path}: ") for message in error.value.messages)
    return [message.removeprefix(f"{path}: ") for message in error.value.messages]


def test_no_file_sets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config() == Config()


def test_everything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("suite", "domain"):
        (tmp_path / folder).mkdir()
    (tmp_path / "board.toml").write_text("")
    path = written(
        tmp_path,
        """
        [models.mine]
        source = "path:weights/mine"
        kind = "instruct"
        dtype = "bfloat16"
        sampling = { temperature = 0.7 }
        [models.rented]
        source = "hf:owner/name@main"
        engine = "vllm"
        engine_args = { tensor_parallel_size = 2 }
        [specializers]
        plain = "my_package.plain:Plain"
        [suites]
        law = "suite"
        [domains]
        law = "domain"
        [boards]
        law = "board.toml"
        [defaults]
        domain = "law"
        out = "results"
        data = "/mirror"
        shots = [0, 5]
        """,
    )
    monkeypatch.chdir(tmp_path)
    config = load_config()
    assert config == load_config(path)
    mine = config.models["mine"]
    assert mine.name == "mine"
    assert mine.source == f"path:{tmp_path / 'weights' / 'mine'}"
    assert mine.origin == str(path)
    assert mine.sampling == {"temperature": 0.7}
    assert config.models["rented"].engine_args == {"tensor_parallel_size": 2}
    assert config.specializers == {"plain": "my_package.plain:Plain"}
    assert config.suites == {"law": tmp_path / "suite"}
    assert config.domains == {"law": tmp_path / "domain"}
    assert config.boards == {"law": tmp_path / "board.toml"}
    assert config.defaults.domain == "law"
    assert config.defaults.out == tmp_path / "results"
    assert config.defaults.data == Path("/mirror")
    assert config.defaults.corpus is None
    assert config.defaults.shots == (0, 5)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        """
        colour = 1
        suites = "suite"
        [model.x]
        [models.a]
        source = "hf:owner/name@main"
        kin = "base"
        kind = "chat"
        trust_remote_code = "no"
        [models.b]
        source = "hub:owner/name"
        [models."c d"]
        source = "path:x"
        [specializers]
        s = "no target"
        [domains]
        law = "absent"
        [defaults]
        shots = [0, -1]
        limit = 3
        """,
    )
    tables = "models, specializers, suites, boards, domains, defaults"
    expected = [
        f"colour: unknown table. Expected one of: {tables}.",
        "suites: found 'suite'; expected a table [suites].",
        f"model: unknown table. Did you mean 'models'? Expected one of: {tables}.",
        "models.a.kin: unknown key. Did you mean 'kind'? Expected one of: source, kind, ",
        'models.a.kind: found \'chat\'; expected one of "base", "instruct", "reference", ',
        "models.a.trust_remote_code: found 'no'; expected true or false.",
        "models.b.source: found 'hub:owner/name'; expected pypi:PACKAGE==VERSION, ",
        "models: found the name 'c d'; expected letters, digits, ",
        "specializers.s: found 'no target'; expected a string \"module:attribute\".",
        f"domains.law: found nothing at {tmp_path / 'absent'}; expected a folder.",
        "defaults.limit: unknown key. Expected one of: "
        "domain, out, data, corpus, developer, shots.",
        "defaults.shots: found [0, -1]; expected a list of whole numbers, 0 or more.",
    ]
    assert len(found) == len(expected)
    for message, start in zip(found, expected, strict=True):
        assert message.startswith(start)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sha256 = 'abc'", "sha256: found 'abc'; expected 64 hexadecimal digits"),
        ("parts = 'p==1'", "parts: found 'p==1'; expected a list of strings"),
        ("engine = 'tgi'", 'engine: found \'tgi\'; expected one of "auto", "hf", "vllm", "openai"'),
        ("dtype = 16", "dtype: found 16; expected one of"),
        ("trust_remote_code = 1", "trust_remote_code: found 1; expected true or false"),
        ("note = true", "note: found true; expected a string"),
        ("sampling = { heat = 1 }", "sampling: found {'heat': 1}; expected a table of numbers"),
        ("engine_args = []", "engine_args: found []; expected a table"),
    ],
)
def test_a_wrong_type_is_told_with_what_was_expected(tmp_path: Path, line: str, said: str) -> None:
    (message,) = faults(tmp_path, f"[models.m]\nsource = 'path:x'\n{line}\n")
    assert message.startswith(f"models.m.{said}")
    assert message.endswith("Change the value.")


def test_a_syntax_error_names_file_and_line(tmp_path: Path) -> None:
    path = written(tmp_path, "[models.m]\nsource = \n")
    with pytest.raises(UserError) as error:
        load_config(path)
    assert str(error.value).startswith(f"{path}: not TOML: ")
    assert "line 2" in str(error.value)


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.toml: no such file"):
        load_config(tmp_path / "absent.toml")
