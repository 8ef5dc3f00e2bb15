"""Measure latency for `edgeshift bench` on this machine, on a board, or on a phone that is connected with adb."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeshift._system.progress import ProgressBars
from edgeshift.cli.board import remember_choice
from edgeshift.cli.effect import decide
from edgeshift.cli.output import print_note
from edgeshift.errors import DeviceError, DeviceLostError, EdgeshiftError

if TYPE_CHECKING:
    from edgeshift.benchmarks.devices.device import Device
    from edgeshift.benchmarks.devices.facts import Facts
    from edgeshift.benchmarks.latency.bench import Plan
    from edgeshift.benchmarks.latency.journal import Journal
    from edgeshift.benchmarks.latency.result import Minute, Report, Settings


#: Why options about frames have no effect if a vendor's program measures.
VENDOR_INPUTS = "with a vendor's program, which makes its own inputs: leave it out"


def measure_on_device(
    device: Device,
    files: list[Path],
    settings: Settings,
    out: Path | None,
    plan: dict[str, Any],
    *,
    resume: bool,
    python: str | None = None,
) -> Report:
    """Measure artifacts and return the report.

    Args:
        device: the device.
        files: the artifacts.
        settings: how to measure.
        out: path of the report. Completed repeats are stored in a file beside it. None: they are not stored.
        plan: more fields of ``Plan``: source, runtime, program and memory.
        resume: continue an interrupted run to the same ``out``.
        python: the value of --python, which is remembered for the board.

    Raises:
        EdgeshiftError: an artifact, a device or the program cannot be used.
        KeyboardInterrupt: the run was interrupted. Completed repeats are kept.
    """
    import msgspec

    from edgeshift._system.json_lines import require_resume, resume_without_effect
    from edgeshift._system.signals import interrupt_on_stop
    from edgeshift.benchmarks.devices.adb import AdbDevice
    from edgeshift.benchmarks.devices.find import device_lock
    from edgeshift.benchmarks.devices.native import NativeDevice
    from edgeshift.benchmarks.latency.bench import Plan, open_candidate
    from edgeshift.benchmarks.latency.journal import Journal

    if out is not None:
        decide(resume=resume_without_effect(Journal.beside(out)))
    bars = ProgressBars()
    with bars.stage("load"):
        candidates = [open_candidate(file) for file in files]
    native = isinstance(device, NativeDevice)
    if isinstance(device, NativeDevice):
        for file in files:
            device.accept(file, plan["runtime"])
    if len({candidate.sha256 for candidate in candidates}) < len(candidates):
        raise EdgeshiftError("the same artifact is named twice: use --repeats to measure it more often")
    if out is not None:
        require_resume(Journal.beside(out), out, resume=resume)
    with interrupt_on_stop(), device_lock(device):
        with bars.stage("device"):
            facts, opencv, vendor = _examine_native(device) if native else _examine(device, plan["program"])
        remember_choice(device, python)
        reason = VENDOR_INPUTS if vendor else None
        memory = None if reason is None else "with a vendor's program, which does not measure memory: leave it out"
        frame_size = f"on {device.name}, which has no OpenCV to resize frames: give --frame-size fitted"
        resizes = opencv or not settings.width
        decide(source=reason, runtime=reason, no_memory=memory, frame_size=reason or (None if resizes else frame_size))
        board = device.board if isinstance(device, NativeDevice) else device
        if settings.cores is None and isinstance(board, AdbDevice):
            # Android moves a process between fast and slow cores, which changes its latency.
            settings = msgspec.structs.replace(settings, cores=board.big_cores(settings.threads) or None)
        if not opencv and not vendor and settings.width:
            print_note(f"{device.name} has no OpenCV to resize frames: frames of the network's size are used")
            settings = msgspec.structs.replace(settings, width=0, height=0)
        journal = Journal(Journal.beside(out), resume=resume) if out is not None else None
        try:
            return _measure(Plan(device, candidates, settings, facts=facts, vendor=vendor, **plan), journal, bars)
        except KeyboardInterrupt:
            if journal is not None and journal.holds_results:
                print_note(f"completed repeats are kept: continue with --out {out} --resume")
            raise


def _measure(plan: Plan, journal: Journal | None, bars: ProgressBars) -> Report:
    from edgeshift.benchmarks.latency.bench import measure
    from edgeshift.benchmarks.latency.table import minute_text

    def show_minute(minute: Minute) -> None:
        if sys.stderr.isatty():
            hottest = max(minute.reading.temperatures.values(), default=None)
            temperature = "" if hottest is None else f", {hottest:.0f} C"
            print_note(f"{minute_text(minute.minute, minute.p50, minute.p90)}{temperature}")

    total = len(plan.candidates) * (plan.settings.repeats + plan.memory)
    with bars.stage(plan.settings.mode, total) as advance:
        return measure(plan, journal, advance, show_minute)


def _examine_native(device: Device) -> tuple[Facts, bool, bool]:
    """Return the facts of a device on which the native agent measures; it resizes frames itself."""
    from edgeshift.benchmarks.devices.probe import ask_probe

    probe = ask_probe(device)
    # adb's shell may read facts that a program may not: the board's name and the reasons for throttling.
    return device.facts() if device.name.startswith("adb") else probe.facts, True, False


def _examine(device: Device, program: Path | None) -> tuple[Facts, bool, bool]:
    """Return the facts of a device, whether it can resize frames, and whether a vendor's program must measure there."""
    phone = device.name.startswith("adb")
    if device.name == "local":
        return device.facts(), importlib.util.find_spec("cv2") is not None, False
    from edgeshift.benchmarks.devices.probe import ask_probe

    if program is None:
        try:
            probe = ask_probe(device)
            # adb's shell may read facts that an app may not: the board's name and the reasons for throttling.
            return device.facts() if phone else probe.facts, probe.opencv, False
        except DeviceLostError:
            raise
        except DeviceError as error:
            if not phone:
                raise
            print_note(error)
    print_note("a vendor's program measures: inputs are random, states are not carried, there is no end-to-end time")
    return device.facts(), False, True
