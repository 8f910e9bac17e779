"""Memory of one pass serves the next."""

import resource
import subprocess
import sys

from harness.engines.heap import keep_freed_memory

FAULTS = """
import resource
import numpy
from harness.engines.heap import keep_freed_memory
if {kept}:
    assert keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        [numpy.ones(2**20) for _ in range(8)]  # 64 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def page_faults(kept: bool) -> int:
    code = FAULTS.format(kept=kept)
    return int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)


def test_freed_memory_is_not_fetched_again():
    page = resource.getpagesize()
    assert page_faults(kept=False) > 4 * 2**26 / page
    assert page_faults(kept=True) < 2**26 / page


RESIDENT = """
import numpy
from harness.engines.heap import give_back_freed_memory, keep_freed_memory
assert keep_freed_memory()
def resident():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1])
arrays = [numpy.ones(2**21) for _ in range(32)]  # 512 MiB
kept = arrays[-1]  # at the end of the heap: what lies before it cannot be cut off
del arrays
before = resident()
give_back_freed_memory()
print(before, resident())
"""


def test_what_a_stage_freed_is_given_back():
    said = subprocess.run([sys.executable, "-c", RESIDENT], check=True, capture_output=True).stdout
    before, after = map(int, said.split())  # KiB
    assert before > 500 * 1024
    assert after < before - 400 * 1024


def test_it_is_done_once():
    assert keep_freed_memory() is keep_freed_memory()
