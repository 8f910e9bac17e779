"""The one folder that travels: packages that a machine with torch and transformers lacks.

Wheels are fetched for Python 3.12 and unpacked, so that `PYTHONPATH` is all it takes there. What
the check does not use is left out: lm-eval's tasks, and bitsandbytes' libraries for other CUDA
versions. The repository itself travels beside it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

MOST = 45 << 20  # bytes
CUDA = "130"
# What importing lm-eval's transformers backend, the engine and the training needs beside what is
# there. lm-eval's tasks need `datasets` and pyarrow (over 40 MiB): the check asks its own.
PACKAGES = ("lm-eval", "bitsandbytes", "more-itertools", "dill", "filelock", "sacrebleu")
UNUSED = ("lm_eval/tasks/*/", "bitsandbytes/libbitsandbytes_*.so")


def prepare(folder: Path) -> int:
    """Fetch, unpack, cut, and say how large it is; 1 if that is too large."""
    shutil.rmtree(folder, ignore_errors=True)
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(wheels),
    ]
    command += ["--only-binary=:all:", "--python-version=3.12", "--implementation=cp"]
    command += ["--platform=manylinux_2_24_x86_64", "--platform=manylinux2014_x86_64"]
    command += [f"{name}=={version(name)}" for name in PACKAGES]
    subprocess.run(command, check=True)
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(folder)
    shutil.rmtree(wheels)
    cut(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 2**20:.1f} MiB of at most {MOST >> 20}")
    return int(size > MOST)


def cut(folder: Path, cuda: str = CUDA) -> None:
    """Remove what the check does not use."""
    for pattern in UNUSED:
        for path in sorted(folder.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in (f"libbitsandbytes_cuda{cuda}.so", "libbitsandbytes_cpu.so"):
                path.unlink()
