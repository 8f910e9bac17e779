"""The code of docs/python.md and of the notebook runs, as it stands, in a folder of its own.

`smollm2` is there a tiny random model of that name, so that nothing is fetched.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_large_models import write_model

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose bench.toml names the tiny model."""
    write_model(tmp_path / "tiny", "llama")
    (tmp_path / "bench.toml").write_text(
        '[models.smollm2]\nsource = "path:tiny"\nlicence = "Apache-2.0"\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_OUT", raising=False)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    root = str(DOCS.parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]))
    return tmp_path


def test_the_page_runs_from_top_to_bottom(project: Path) -> None:
    blocks = FENCE.findall((DOCS / "python.md").read_text(encoding="utf-8"))
    assert len(blocks) >= 5
    ending = "\nprint(runs.scores().shape, runs.items().shape, result.verdict, more.models)\n"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks) + ending],
        cwd=project, text=True, capture_output=True, check=False, timeout=800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "unknown model 'smolm2'. Did you mean 'smollm2'?" in done.stdout
    assert (project / "bench-out" / "board" / "index.html").is_file()
    assert list(project.glob("another-folder/runs/smollm2/*/record.json"))
    assert list(project.glob("bench-out/runs/selfspec-smollm2+*/mini_yesno@0*/record.json"))


def test_the_notebook_runs(project: Path) -> None:
    import nbclient
    import nbformat

    notebook = nbformat.read(DOCS / "notebook.ipynb", as_version=4)
    shown = "from bench.workspace import default_workspace\ndefault_workspace().progress"
    notebook.cells.append(nbformat.v4.new_code_cell(shown))
    nbclient.NotebookClient(
        notebook, timeout=800, kernel_name="python3", resources={"metadata": {"path": str(project)}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    html = [o["data"]["text/html"] for o in outputs if "text/html" in o.get("data", {})]
    assert any("gemma3-270m" in text for text in html)
    assert not any(output["output_type"] == "error" for output in outputs)
    streams = "".join(o["text"] for o in outputs if o["output_type"] == "stream")
    assert "generic-gemma3-270m" in streams
    assert "100%|" not in streams  # no library's own progress bar
    # Lines that are rewritten, where a log would get one after the other.
    assert "NotebookProgress" in outputs[-1]["data"]["text/plain"]
    assert not re.search(r" s left\)| in \d+ s$", streams, re.M)
    bars = [text for text in html if "<progress" in text]
    assert all(text.count("<progress") == 1 for text in bars)
    print(len(bars), "steps of over a second")
