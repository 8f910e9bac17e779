"""The check for a machine with a GPU, dry: each step ends with figures, a cut one leaves some."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import __main__ as check
from benchmarks.gpu.prepare import cut


@pytest.mark.parametrize(("name", "least"), [("a", 6), ("b", 14), ("c", 9), ("d", 4), ("e", 4)])
def test_a_step_runs_dry(name: str, least: int, tmp_path: Path) -> None:
    step = next(step for step in check.STEPS if step.name == name)
    check.work(step, tmp_path, dry=True, weights=None)
    found = json.loads((tmp_path / f"{name}.json").read_text())
    assert found["status"] == "done"
    assert found["machine"]["dry"] is True
    assert len(found["figures"]) >= least
    cosines = [f["cosine"] for f in found["figures"] if "cosine" in f]
    assert all(cosine > 0.999 for cosine in cosines)


def test_what_is_cut_leaves_what_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = check.Step("d", "decoding", 3)
    writes = (
        "import json, pathlib, sys, time\n"
        "out = pathlib.Path(sys.argv[-2] if sys.argv[-1] == '--dry' else sys.argv[-1])\n"
        "(out / 'd.json').write_text(json.dumps({'status': 'running', 'figures': [1]}))\n"
        "time.sleep(60)\n"
    )
    script = tmp_path / "python"
    script.write_text(f"#!{sys.executable}\n{writes}")
    script.chmod(0o755)
    monkeypatch.setattr(check.sys, "executable", str(script))
    assert check.run([slow, slow], tmp_path / "out", 4, True, None) == 0
    assert json.loads((tmp_path / "out" / "d.json").read_text()) == {
        "status": "cut",
        "figures": [1],
    }


def test_what_travels_is_cut_down(tmp_path: Path) -> None:
    for name in (
        "lm_eval/tasks/pile/a.yaml", "lm_eval/tasks/__init__.py", "lm_eval/api/task.py",
        "bitsandbytes/libbitsandbytes_cuda121.so", "bitsandbytes/libbitsandbytes_cuda130.so",
        "bitsandbytes/libbitsandbytes_cpu.so", "bitsandbytes/nn.py",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    cut(tmp_path)
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert left == [
        "bitsandbytes/libbitsandbytes_cpu.so", "bitsandbytes/libbitsandbytes_cuda130.so",
        "bitsandbytes/nn.py", "lm_eval/api/task.py", "lm_eval/tasks/__init__.py",
    ]  # fmt: skip
