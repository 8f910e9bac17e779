"""Every line of the page on what is shown."""

from pathlib import Path

import pytest

from tests.identity.change.shown import SHOWN, Shown, make_home


@pytest.mark.parametrize("line", SHOWN, ids=lambda line: line.what)
def test_what_is_shown(
    line: Shown,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_OUT", raising=False)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    line.check(make_home(tmp_path, capsys))
