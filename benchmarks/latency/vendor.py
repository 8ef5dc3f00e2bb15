"""Time an artifact on a phone without Python, with the runtime vendors' own benchmark programs.

These programs time the bare graph with inputs of their own and do not carry the states. Their result has only the
phase "infer", no self-check, and often statistics instead of samples. The report notes this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from edgeshift._system.files import sha256
from edgeshift._system.process import last_line
from edgeshift.artifact.file import artifact_bytes, read_artifact
from edgeshift.benchmarks.devices.adb_facts import taskset_mask
from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.latency.loop import SETTLED, WARM_SECONDS, WINDOW_STEPS
from edgeshift.benchmarks.latency.result import Energy, Repeat, Settings
from edgeshift.benchmarks.latency.sensors import cool_down, read_sensors
from edgeshift.benchmarks.latency.vendor_output import VendorTimes, parse_benchmark_model, parse_executor_runner
from edgeshift.errors import DeviceError

#: The folders of an Android phone that are searched for a program, in this order.
FOLDERS = ("/data/local/tmp/edgeshift", "/data/local/tmp")
#: Seconds for a short command, for the cool-down, for starting a program, and for one execution on a slow phone.
TIMEOUT, COOL_DOWN_TIMEOUT, OVERHEAD, SLOWEST_STEP = 20.0, 300.0, 300.0, 10.0
#: Number of executions in a pilot run of executor_runner, which estimates how many are needed, and the maximum number.
PILOT_RUNS, MAX_RUNS = 10, 1_000_000
#: A script that runs a program and then prints its lines in Android's log, because ExecuTorch writes there on Android.
_WITH_LOG = '"$@" & p=$!; wait $p; s=$?; logcat -d -v raw --pid=$p -s ExecuTorch:V 2>/dev/null; exit $s'


class Program(NamedTuple):
    """A vendor's program: its name, the inputs that it feeds to the artifact, and the function that runs it.

    The function takes a device, the start of the command, the artifact's path on the device, and the settings. It
    returns the times, and whether the latency had settled before the timed executions.
    """

    name: str
    inputs: str
    time: Callable[[Device, Sequence[str], str, Settings], tuple[VendorTimes, bool]]


def measure_vendor(device: Device, artifact: Path, settings: Settings, program: Path | None = None) -> Repeat:
    """Measure one repeat: a fresh process of the vendor's program on the phone.

    Args:
        artifact: a .tflite or .pte file.
        settings: steps, seconds, threads, cores and the maximum temperature are used.
        program: path of the program, which is copied to the phone; None: the phone has it in one of ``FOLDERS``.

    Raises:
        DeviceError: the program cannot run this artifact or these settings, is missing, fails, or prints no result.
    """
    spec = read_artifact(artifact).spec
    tool = find_program(artifact, settings)
    path = _push_program(device, program, tool.name)
    remote = device.push(artifact, sha256(artifact_bytes(artifact))[:12] + artifact.suffix.lower())
    command = ["taskset", taskset_mask(settings.cores), path] if settings.cores else [path]
    before, waited = cool_down(settings.max_temperature, COOL_DOWN_TIMEOUT, lambda: read_sensors(device.facts))
    times, warm = tool.time(device, command, remote, settings)
    states = "states not carried" if spec.state_form == "io" else "states as the file keeps them"
    load = ", load not reported" if times.load is None else ""
    return Repeat(
        load=(times.load or 0.0) / 1e6,
        first=(times.first or 0.0) / 1e6,
        warmup=times.warmup,
        warm=warm,
        infer=times.samples,
        seconds=times.runs * times.figures["mean"] / 1e6,
        before=before,
        after=read_sensors(device.facts),
        waited=waited,
        energy=Energy(reason="not measured with a vendor's program"),
        runtime=f"{tool.name} (its vendor's program; {tool.inputs}, {states}{load})",
        reported=times.figures,
    )


def find_program(artifact: Path, settings: Settings) -> Program:
    """Return the vendor's program for an artifact.

    Raises:
        DeviceError: there is none, or it does not support the settings.
    """
    program = PROGRAMS.get(artifact.suffix.lower())
    if program is None:
        known = " and ".join(PROGRAMS)
        raise DeviceError(f"{artifact.name}: the vendors' programs run {known}, not {artifact.suffix or 'this file'}")
    given = [f"--mode {settings.mode}"] if settings.mode in ("paced", "sustained") else []
    given += ["--lock-clocks"] * settings.locked
    given += ["--accelerator"] * ("accelerator" in settings.options)
    given += ["--option"] * bool(settings.options.keys() - {"accelerator"})
    if given:
        raise DeviceError(f"{program.name} has no {' or '.join(given)}: leave it out, or measure with the agent")
    return program


def _push_program(device: Device, program: Path | None, name: str) -> str:
    """Copy the program to the phone, if one was given, and return its path there."""
    if program is None:
        paths = [f"{folder}/{name}" for folder in FOLDERS]
        find = 'for f in "$@"; do if [ -x "$f" ] && [ -f "$f" ]; then echo "$f"; exit 0; fi; done; exit 1'
        done = device.run(["sh", "-c", find, "sh", *paths], TIMEOUT)
        if done.status or done.out.strip() not in paths:
            folders = " or ".join(FOLDERS)
            raise DeviceError(f"{device.name} has no {name} in {folders}: give one that was built for it by --program")
        return done.out.strip()
    if not program.is_file():
        raise DeviceError(f"{program}: there is no such file; {name} must be built for the phone")
    path = device.push(program, name)
    done = device.run(["chmod", "755", path], TIMEOUT)
    if done.status:
        raise DeviceError(f"{device.name}: {name} cannot be made executable: {done.problem}")
    return path


def _time_benchmark_model(
    device: Device, command: Sequence[str], artifact: str, settings: Settings
) -> tuple[VendorTimes, bool]:
    limit = settings.seconds + settings.steps * SLOWEST_STEP
    flags = [f"--graph={artifact}", f"--num_threads={settings.threads}"]
    flags += [f"--warmup_runs={2 * WINDOW_STEPS}", f"--warmup_min_secs={2 * WARM_SECONDS}"]
    flags += [f"--num_runs={settings.steps}", f"--min_secs={settings.seconds}", f"--max_secs={limit}"]
    times = parse_benchmark_model(_output(device, [*command, *flags], limit, command[-1]))
    timed, warmup = times.figures.get("p50", times.figures["mean"]), times.warmup_time
    return times, warmup is not None and abs(timed - warmup) <= SETTLED * warmup


def _time_executor_runner(
    device: Device, command: Sequence[str], artifact: str, settings: Settings
) -> tuple[VendorTimes, bool]:
    def run(count: int, limit: float) -> VendorTimes:
        flags = [f"--model_path={artifact}", f"--num_executions={count}", f"--cpu_threads={settings.threads}"]
        script = ["sh", "-c", _WITH_LOG, "sh", *command, *flags]
        return parse_executor_runner(_output(device, script, limit, command[-1]))

    pilot = run(PILOT_RUNS, PILOT_RUNS * SLOWEST_STEP)
    first = pilot.first if pilot.first is not None else run(1, SLOWEST_STEP).first or 0.0
    mean = max((pilot.runs * pilot.figures["mean"] - first) / (pilot.runs - 1), 1.0) / 1e6
    warmup = max(2 * WINDOW_STEPS, math.ceil(2 * WARM_SECONDS / mean))
    # 20% more than estimated, because executions may become faster when caches and clocks have warmed up.
    timed = max(settings.steps, math.ceil(1.2 * settings.seconds / mean))
    count = min(warmup + timed, MAX_RUNS)
    times = run(count, 10 * count * mean)
    if not times.samples:
        # Only the total time is reported, so warm-up cannot be excluded, and whether the latency settled is unknown.
        return times._replace(first=first), False
    early, late, kept = times.samples[: warmup // 2], times.samples[warmup // 2 : warmup], times.samples[warmup:]
    settled = abs(median(late) - median(early)) <= SETTLED * median(early)
    figures = {"mean": sum(kept) / len(kept)}
    return times._replace(first=first, warmup=warmup, runs=len(kept), figures=figures, samples=kept), settled


def _output(device: Device, command: Sequence[str], limit: float, program: str) -> str:
    """Run a program and return what it printed on both streams."""
    done = device.run(command, OVERHEAD + limit)
    if done.status:
        reason = " / ".join(filter(None, (last_line(done.out), last_line(done.err)))) or "it printed nothing"
        raise DeviceError(f"{device.name}: {program.rpartition('/')[2]} failed with {done.status}: {reason}")
    return f"{done.out}\n{done.err}"


#: {suffix of an artifact: the program of its runtime's vendor}.
PROGRAMS = {
    ".tflite": Program("benchmark_model", "random inputs", _time_benchmark_model),
    ".pte": Program("executor_runner", "inputs of ones", _time_executor_runner),
}
