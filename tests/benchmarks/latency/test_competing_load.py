"""The competing load: from recorded counters, and beside a process that keeps a core busy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeshift.benchmarks.latency import competing_load as module
from edgeshift.benchmarks.latency.competing_load import competing_load, share_of_others

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]


def stat(user: int, steal: int = 0) -> str:
    """Return the text of /proc/stat. Every core has these ticks."""
    lines = [f"cpu{core} {user} 0 100 9000 50 0 10 {steal} 0 0" for core in CORES]
    return "\n".join([f"cpu  {user * len(CORES)} 0 0 0 0 0 0 0 0 0", *lines, "intr 1 2 3"]) + "\n"


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that returns the share between two texts of /proc/stat, ten seconds apart."""

    def measure(before: str, after: str, own: float = 0.0) -> float | None:
        file = tmp_path / "stat"
        times, used = iter([100.0, 110.0]), iter([5.0, 5.0 + own])
        monkeypatch.setattr(module, "perf_counter", lambda: next(times))
        monkeypatch.setattr(module, "_own", lambda: next(used))
        file.write_text(before)
        with competing_load(file) as load:
            file.write_text(after)
        return load.share

    return measure


def test_the_own_time_is_subtracted(measured):
    ticks = os.sysconf("SC_CLK_TCK")
    # Every core was busy for 5 of the 10 seconds.
    assert measured(stat(0), stat(5 * ticks)) == 0.5
    assert measured(stat(0), stat(5 * ticks), own=5.0 * len(CORES)) == 0.0
    assert measured(stat(0), stat(5 * ticks), own=2.0 * len(CORES)) == pytest.approx(0.3)


def test_time_that_a_virtual_machine_did_not_get_counts(measured):
    assert measured(stat(0), stat(0, steal=os.sysconf("SC_CLK_TCK"))) == 0.1


@pytest.mark.parametrize("text", ["", "cpu 1 2 3\n", "cpu0 1 2\n", "cpux 1 2 3 4 5 6 7 8 9 0\n", "\x00\xff"])
def test_without_counters_the_load_is_not_known(measured, text):
    assert measured(text, text, own=1.0) is None


def test_a_system_without_the_file_has_no_known_load(tmp_path: Path):
    with competing_load(tmp_path / "gone") as load:
        pass
    assert load.share is None


def test_counters_that_stand_still_are_not_trusted(measured):
    assert measured(stat(7), stat(7), own=1.0) is None
    assert share_of_others(0.0, 0.0, 0.0) is None


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="this system has no /proc/stat")
@pytest.mark.slow
def test_a_busy_process_beside_is_seen():
    command = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(command) for _ in CORES]
    try:
        with competing_load() as load:
            end = module.perf_counter() + 2.0
            while module.perf_counter() < end:
                pass
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert load.share is not None and load.share > 0.3
