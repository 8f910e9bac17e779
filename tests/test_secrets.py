"""What is planted in the environment is in no file and no line of a whole run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import cli
from tests.specializers.tiny import save_model

PLANTED = {
    name: f"planted-{number}-8c1f"
    for number, name in enumerate(
        ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY",
         "WANDB_API_KEY", "GITHUB_TOKEN"]
    )
}  # fmt: skip


def test_no_secret_leaves_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    save_model(tmp_path / "weights")
    (tmp_path / "bench.toml").write_text('[models.mine]\nsource = "path:weights"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    for name in ("BENCH_DATA", "BENCH_OUT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    run = ["run", "--tasks", "mini_yesno,mini_yesno_rank", "--limit", "3", "--models"]
    assert cli.main([*run, "mine"]) == 0
    assert cli.main(["board", "publish", "--to", "shared"]) == 0
    assert cli.main([*run, "planted"]) == 2
    said = "".join(capfd.readouterr()).encode()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "index.html" for path in files)
    for name, value in PLANTED.items():
        assert value.encode() not in said, name
        assert not [path for path in files if value.encode() in path.read_bytes()], name
