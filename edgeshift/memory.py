"""What becomes of freed memory."""

from __future__ import annotations

import ctypes

#: glibc's numbers of these options (malloc.h).
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


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
