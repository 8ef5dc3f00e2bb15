"""When memory is looked for, and what becomes of it once it is free."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: glibc's numbers of these options (malloc.h).
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
#: Thresholds of Python's collector for work that makes millions of objects that stay.
RARE = (100_000, 20, 50)


def keep_freed_memory() -> bool:
    """Ask glibc to keep freed memory for this process instead of giving it back; True: it will.

    Activations of a batch are hundreds of megabytes that are freed and asked for again with every step. Each time they
    come back as new pages, which the kernel must clear first: on a virtual machine that was a seventh of a training
    step, and two thirds of a clip of 240 frames. The process stays as large as it ever was. Other C libraries have no
    such option.
    """
    try:
        option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(option(M_MMAP_MAX, 0)) and bool(option(M_TRIM_THRESHOLD, 2**31 - 1))


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage rarely while the block runs.

    The passes over a graph make millions of objects that stay, and Python's collector, which looks at all of them again
    and again, takes 10% to 30% of a conversion at its usual thresholds.
    """
    usual = gc.get_threshold()
    gc.set_threshold(*RARE)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
