"""One run of ``edgeshift bench`` on this machine, for studies that judge its results."""

from __future__ import annotations

from edgeshift.benchmarks.devices.local import LocalDevice
from edgeshift.benchmarks.latency.bench import Candidate, Plan, measure
from edgeshift.benchmarks.latency.mode import MODES
from edgeshift.benchmarks.latency.result import Mode, Report, Settings
from edgeshift.errors import EdgeshiftError


def bench_settings(mode: Mode) -> Settings:
    """Return the settings of a mode, with drawn frames of 640x480."""
    length = MODES[mode]
    return Settings(
        mode=mode,
        steps=length.steps,
        seconds=length.seconds,
        repeats=length.repeats,
        frames="drawn",
        width=640,
        height=480,
        max_temperature=80.0,
    )


def bench_run(device: LocalDevice, candidate: Candidate, settings: Settings) -> Report:
    """Measure one artifact once. Memory and the power of the idle device are not measured.

    Raises:
        EdgeshiftError: a repeat is lost.
    """
    report = measure(Plan(device, [candidate], settings, "drawn", device.facts(), memory=False, idle_seconds=0.0))
    if report.subjects[0].lost:
        raise EdgeshiftError(report.subjects[0].lost)
    return report
