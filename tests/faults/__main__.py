"""Strike the job in every way and print what it survived; exit code 1 if anything was lost."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

# Before any library is imported: a fork of a process with threads may stand still.
os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

from tests.faults import crowd, disks, job, kills, torn


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--small", action="store_true", help="the bounded part in `make test`")
    parser.add_argument("--kills", type=int, help="how many kills (default: 200; 6 with --small)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    count = args.kills if args.kills is not None else 6 if args.small else 200
    faults: list[str] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        work = job.make_workspace_apart(Path(folder))
        job.warm_up()
        whole = kills.undisturbed(work)
        print(f"undisturbed: {whole.seconds:.1f} s, {whole.answers_made} answers, "
              f"{whole.events} file operations, {len(whole.made)} files", flush=True)  # fmt: skip
        # The many kills last: what is wrong shows early.
        faults += torn.torn_stores(work, whole)
        faults += crowd.crowd(work, whole, 3, 1, args.seed)
        faults += disks.failed_allocations(work, whole)
        if not args.small:
            faults += disks.large_files(work, whole, SIZES)
            faults += disks.small_disks(work, whole, DISKS)
            faults += disks.little_memory(work, whole, MEMORY)
            faults += crowd.crowd(work, whole, 8, 2, args.seed)
        faults += disks.full_at_writes(work, whole, 2 if args.small else None, args.seed)
        faults += kills.kill_trials(work, whole, count, args.seed, chain=3 if args.small else 1)
    print(f"{time.monotonic() - began:.0f} s")
    print(f"{len(faults)} faults")
    for fault in faults:
        print(f"FAULT {fault}")
    return 1 if faults else 0


SIZES = (500, 2_000, 8_000, 20_000, 60_000)  # bytes
DISKS = (16, 64, 160, 400, 800)  # KiB
MEMORY = (2, 8, 16, 32, 160)  # MiB

if __name__ == "__main__":
    sys.exit(main())
