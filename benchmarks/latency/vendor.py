"""An artifact on a phone without Python: by the runtime vendors' own benchmark programs, pinned and warmed up.

They time the bare graph with inputs of their own and do not carry the state, so they give less than the agent does:
``told`` instead of samples where there are none, no end to end, no self-check. A report says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import sleep
from typing import NamedTuple

from edgeshift._system.files import sha256
from edgeshift.artifact.file import artifact_bytes, read_artifact
from edgeshift.benchmarks.devices.adb_client import last_line
from edgeshift.benchmarks.devices.adb_facts import taskset_mask
from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.latency.loop import SETTLED, WARM_SECONDS, WINDOW_STEPS
from edgeshift.benchmarks.latency.reading import cool_down, read
from edgeshift.benchmarks.latency.result import Energy, Repeat, Settings
from edgeshift.benchmarks.latency.vendor_output import Told, parse_benchmark_model, parse_executor_runner
from edgeshift.errors import DeviceError

#: Where a program may lie on an Android phone, in this order.
FOLDERS = ("/data/local/tmp/edgeshift", "/data/local/tmp")
PATIENCE, OVERHEAD, SLOWEST = 20.0, 300.0, 10.0
#: Executions of executor_runner that say how many are needed; those before timing are the first of one run.
PILOT, MOST = 10, 1_000_000
#: Runs a program; then prints what it wrote into Android's log, where ExecuTorch writes on Android.
_LOGGED = '"$@" & p=$!; wait $p; s=$?; logcat -d -v raw --pid=$p -s ExecuTorch:V 2>/dev/null; exit $s'


class Program(NamedTuple):
    """A vendor's program. ``time`` runs it: a device, a command's begin, an artifact's path there, the settings."""

    name: str
    inputs: str
    time: Callable[[Device, Sequence[str], str, Settings], tuple[Told, bool]]


def measure_vendor(
    device: Device,
    artifact: Path,
    settings: Settings,
    program: Path | None = None,
    patience: float = 300.0,
    rest: Callable[[float], None] = sleep,
) -> Repeat:
    """One repeat: a fresh process of the vendor's program on the phone.

    Args:
        artifact: .tflite or .pte. settings: steps, seconds, threads, cores, ceiling are heeded.
        program: built for the phone, brought there; None: one that is there is looked for in ``FOLDERS``.
        patience: seconds to wait for a phone that is too hot. rest: waits between looks at it.

    Raises:
        DeviceError: not such an artifact or settings, no program, or one that fails or says what is not understood.
    """
    spec = read_artifact(artifact).spec
    tool = find_program(artifact, settings)
    path = _bring(device, program, tool.name)
    there = device.push(artifact, sha256(artifact_bytes(artifact))[:12] + artifact.suffix.lower())
    pinned = ["taskset", taskset_mask(settings.cores), path] if settings.cores else [path]
    before, waited = cool_down(settings.ceiling, patience, lambda: read(device.facts), rest)
    told, warm = tool.time(device, pinned, there, settings)
    carried = "states not carried" if spec.state_form == "io" else "states as the file keeps them"
    untold = ", load not told" if told.load is None else ""
    return Repeat(
        load=(told.load or 0.0) / 1e6,
        first=(told.first or 0.0) / 1e6,
        warmup=told.warmup,
        warm=warm,
        pre=(),
        infer=told.samples,
        post=(),
        end_to_end=(),
        seconds=told.runs * told.figures["mean"] / 1e6,
        before=before,
        after=read(device.facts),
        waited=waited,
        energy=Energy(source=None, idle=None, joules=None, seconds=None, reason="a vendor's program was timed"),
        runtime=f"{tool.name} (its vendor's program; {tool.inputs}, {carried}{untold})",
        told=told.figures,
    )


def find_program(artifact: Path, settings: Settings) -> Program:
    """The vendor's program for an artifact.

    Raises:
        DeviceError: there is none, or it cannot do what is asked.
    """
    found = PROGRAMS.get(artifact.suffix.lower())
    if found is None:
        known = " and ".join(PROGRAMS)
        raise DeviceError(f"{artifact.name}: vendors' programs run {known} here, not {artifact.suffix or 'this'}")
    asked = {
        f"--mode {settings.mode}": settings.mode in ("paced", "sustained"),
        "--lock-clocks": settings.locked,
        "--option": bool(settings.options),
    }
    if refused := [name for name, given in asked.items() if given]:
        raise DeviceError(f"{found.name} has no {' or '.join(refused)}: leave it out, or measure with the agent")
    return found


def _bring(device: Device, program: Path | None, name: str) -> str:
    """The program's path on the phone."""
    if program is None:
        paths = [f"{folder}/{name}" for folder in FOLDERS]
        find = 'for f in "$@"; do if [ -x "$f" ] && [ -f "$f" ]; then echo "$f"; exit 0; fi; done; exit 1'
        found = device.run(["sh", "-c", find, "sh", *paths], PATIENCE)
        if found.status or found.out.strip() not in paths:
            raise DeviceError(f"{device.name} has no {name} in {' or '.join(FOLDERS)}: give one built for it")
        return found.out.strip()
    if not program.is_file():
        raise DeviceError(f"{program}: there is no such file; {name} must be built for the phone")
    path = device.push(program, name)
    done = device.run(["chmod", "755", path], PATIENCE)
    if done.status:
        raise DeviceError(f"{device.name}: {name} cannot be made a program: {last_line(done.err)}")
    return path


def _time_benchmark_model(device: Device, begin: Sequence[str], artifact: str, settings: Settings) -> tuple[Told, bool]:
    limit = settings.seconds + settings.steps * SLOWEST
    flags = {
        "graph": artifact,
        "num_threads": settings.threads,
        "warmup_runs": 2 * WINDOW_STEPS,
        "warmup_min_secs": 2 * WARM_SECONDS,
        "num_runs": settings.steps,
        "min_secs": settings.seconds,
        "max_secs": limit,
    }
    told = parse_benchmark_model(_said(device, [*begin, *_flags(flags)], limit, begin[-1]))
    usual = told.figures.get("p50", told.figures["mean"])
    return told, told.usual is not None and abs(usual - told.usual) <= SETTLED * told.usual


def _time_executor_runner(device: Device, begin: Sequence[str], artifact: str, settings: Settings) -> tuple[Told, bool]:
    def run(count: int, limit: float) -> Told:
        flags = {"model_path": artifact, "num_executions": count, "cpu_threads": settings.threads}
        command = ["sh", "-c", _LOGGED, "sh", *begin, *_flags(flags)]
        return parse_executor_runner(_said(device, command, limit, begin[-1]))

    pilot = run(PILOT, PILOT * SLOWEST)
    first = pilot.first if pilot.first is not None else run(1, SLOWEST).first or 0.0
    mean = max((pilot.runs * pilot.figures["mean"] - first) / (pilot.runs - 1), 1.0) / 1e6
    warmup = max(2 * WINDOW_STEPS, math.ceil(2 * WARM_SECONDS / mean))
    # A fifth more: it may be faster once it is warm.
    timed = max(settings.steps, math.ceil(1.2 * settings.seconds / mean))
    count = min(warmup + timed, MOST)
    told = run(count, 10 * count * mean)
    if not told.samples:
        # It tells one time for all: there is no warm-up that could be left out, and nothing shows that it was warm.
        return told._replace(first=first), False
    early, late = told.samples[: warmup // 2], told.samples[warmup // 2 : warmup]
    kept = told.samples[warmup:]
    settled = abs(median(late) - median(early)) <= SETTLED * median(early)
    figures = {"mean": sum(kept) / len(kept)}
    return told._replace(first=first, warmup=warmup, runs=len(kept), figures=figures, samples=kept), settled


def _said(device: Device, command: Sequence[str], limit: float, program: str) -> str:
    """What a program prints on either stream, if it ends well."""
    done = device.run(command, OVERHEAD + limit)
    if done.status:
        words = " / ".join(last_line(text) for text in (done.out, done.err) if text.strip()) or "it says nothing"
        raise DeviceError(f"{device.name}: {program.rpartition('/')[2]} failed with {done.status}: {words}")
    return f"{done.out}\n{done.err}"


def _flags(values: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]


#: {suffix of an artifact: the program of its runtime's vendor}.
PROGRAMS = {
    ".tflite": Program("benchmark_model", "random inputs", _time_benchmark_model),
    ".pte": Program("executor_runner", "inputs of ones", _time_executor_runner),
}
