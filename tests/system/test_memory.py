"""Freed memory is kept where glibc can keep it; the collector runs rarely where that is asked for."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys

import pytest

from edgeshift._system.memory import RARE_THRESHOLDS, rare_garbage_collection

# In a process of its own: what is set cannot be unset.
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
    """Pages that had to be made for 20 arrays of 8 MiB, one after the other."""
    return int(subprocess.check_output([sys.executable, "-c", COUNT, how]))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the option")
def test_an_array_that_was_freed_is_not_made_of_new_pages():
    assert faults("keep") < faults("plain") / 10


def test_the_collector_is_as_it_was_afterwards() -> None:
    usual = gc.get_threshold()
    with pytest.raises(RuntimeError), rare_garbage_collection():
        assert gc.get_threshold() == RARE_THRESHOLDS != usual
        raise RuntimeError
    assert gc.get_threshold() == usual
