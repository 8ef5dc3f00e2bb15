"""Settings of the C allocator and of Python's garbage collector that make long work faster, and a limit of memory."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: Numbers of these options in glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
#: Thresholds of Python's garbage collector for work that creates millions of objects and keeps them.
RARE_THRESHOLDS = (100_000, 20, 50)


def keep_freed_memory() -> bool:
    """Ask glibc to keep freed memory for this process instead of returning it to the kernel.

    Every training step frees and allocates the activations of a batch again, hundreds of megabytes. If the memory went
    back to the kernel in between, the kernel would have to clear every page: on a virtual machine this took a seventh
    of a training step, and two thirds of the time of a clip of 240 frames. The process then never shrinks.

    Returns:
        True if the options were set. Other C libraries than glibc do not have them.
    """
    try:
        option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(option(M_MMAP_MAX, 0)) and bool(option(M_TRIM_THRESHOLD, 2**31 - 1))


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Collect garbage rarely while the block runs.

    Passes over a graph create millions of objects and keep them. With its usual thresholds, the garbage collector scans
    all of them again and again, which takes 10% to 30% of the time of a conversion.
    """
    usual = gc.get_threshold()
    gc.set_threshold(*RARE_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def limit_memory(limit: int) -> None:
    """Limit the memory that this process may allocate, so that a hostile file cannot take all of the machine's.

    Linux has such a limit. Other systems are not changed. The process also writes no core file if it crashes.

    Args:
        limit: bytes of data, which includes the stacks of threads but not the code of libraries.
    """
    if sys.platform != "linux":
        return
    import resource

    _, highest = resource.getrlimit(resource.RLIMIT_DATA)
    if highest == resource.RLIM_INFINITY or highest > limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, highest))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
