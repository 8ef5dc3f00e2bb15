"""Settings of the allocator and of the garbage collector."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys

import pytest

from edgeshift._system.memory import RARE_THRESHOLDS, rare_garbage_collection

#: Program that prints the number of page faults. It runs in its own process, because the option cannot be unset.
COUNT = """
import resource, sys
import numpy as np
from edgeshift._system.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
np.ones(1 << 23, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(1 << 23, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Return the number of page faults while 20 arrays of 8 MiB are made and freed."""
    return int(subprocess.check_output([sys.executable, "-c", COUNT, how]))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the option")
def test_freed_arrays_are_reused_without_new_pages():
    assert faults("keep") < faults("plain") / 10


def test_the_usual_thresholds_of_garbage_collection_are_restored_after_the_block() -> None:
    usual = gc.get_threshold()
    with pytest.raises(RuntimeError), rare_garbage_collection():
        assert gc.get_threshold() == RARE_THRESHOLDS != usual
        raise RuntimeError
    assert gc.get_threshold() == usual
