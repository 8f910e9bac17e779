"""Keep the memory of a pass for the next one, and give it back when a stage ends.

A forward pass on a CPU allocates and frees the same few hundred tensors again and again. glibc
fetches each of more than 128 KiB from the system by itself and returns it when it is freed, so
that every pass pays anew for pages that the kernel has to find and clear: of SmolLM2-135M's
passes of 256 tokens that is a sixth of the time. With a higher threshold they come from the heap
and stay there.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import sys

# mallopt's parameters, from glibc's <malloc.h>.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
# The highest threshold that glibc takes on 64-bit machines.
LARGEST_FROM_HEAP = 32 * 2**20
# Freed memory at the end of the heap that is kept, and how much the heap grows at a time.
KEPT, GROWTH = 2**30, 64 * 2**20


@functools.cache
def keep_freed_memory() -> bool:
    """Set the allocator of this process so; False where it is not glibc's."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, another system
        return False
    wishes = ((M_MMAP_THRESHOLD, LARGEST_FROM_HEAP), (M_TRIM_THRESHOLD, KEPT), (M_TOP_PAD, GROWTH))
    return all(mallopt(parameter, value) == 1 for parameter, value in wishes)


def give_back_freed_memory() -> None:
    """Return to the system, and to a GPU's driver, what a stage no longer refers to."""
    gc.collect()  # models, trainers and their callbacks refer to one another
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another allocator than glibc's
        ctypes.CDLL(None).malloc_trim(0)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
