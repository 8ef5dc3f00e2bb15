"""The worker measures on the device. It is a fresh process for every command, of the installed module or of the agent.

    probe                       report facts, versions and runtimes
    bench JOB.json              measure one repeat
    memory JOB.json             measure memory
    logits ARTIFACT CLIPS.npz [OPTION=VALUE]
                                compute the logits of every frame of every clip, each clip from fresh states
    sample UNIT VOLTAGE CURRENT sample power until stopped; used by ``bench``

It prints its results to standard output, as messages (see ``messages``). It needs numpy, msgspec and a runtime, and
OpenCV only to resize frames.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
import numpy as np

from edgeshift._system.memory import limit_memory
from edgeshift.benchmarks.devices.facts import read_facts
from edgeshift.benchmarks.devices.messages import STOP_WITH_STDIN, write_message
from edgeshift.benchmarks.devices.probe import Probe, Probed
from edgeshift.benchmarks.latency import power
from edgeshift.benchmarks.latency.clocks import locked_clocks
from edgeshift.benchmarks.latency.competing_load import competing_load
from edgeshift.benchmarks.latency.loop import Item, Steps, run_paced, run_steps, warm_up
from edgeshift.benchmarks.latency.memory import measure_memory
from edgeshift.benchmarks.latency.messages import ClipLogits, Job, MemoryMeasured, MinuteEnded, RepeatEnded, Started
from edgeshift.benchmarks.latency.result import Energy, Minute, Repeat, Settings
from edgeshift.benchmarks.latency.sensors import cool_down, read_sensors
from edgeshift.benchmarks.latency.steps import Stepper, timed_steps
from edgeshift.errors import DeviceError, EdgeshiftError, RuntimeMissingError
from edgeshift.runtimes import load
from edgeshift.stream import Model, Stream
from edgeshift.stream.percentiles import percentile
from edgeshift.stream.selfcheck import self_check
from edgeshift.stream.sequence import answers
from edgeshift.targets import RUNTIMES, find_runtime

#: Seconds of a minute of a sustained run; tests shorten it.
MINUTE = 60.0
#: Maximum size of a file of frames, bytes.
MAX_BYTES = 1 << 31


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit status. An error is one line on standard error and exit status 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    commands: dict[str, Callable[..., None]] = {
        "probe": probe,
        "bench": bench,
        "memory": memory,
        "logits": logits,
        "sample": power.sample,
    }
    # SIGTERM raises SystemExit, so that locked clocks are restored.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if arguments[:1] == [STOP_WITH_STDIN]:
        arguments = arguments[1:]
        threading.Thread(target=_stop_with_stdin, daemon=True).start()
    try:
        if not arguments or arguments[0] not in commands:
            raise EdgeshiftError(f"give one of the commands {', '.join(commands)}")
        commands[arguments[0]](*arguments[1:])
    except (EdgeshiftError, OSError, ValueError, MemoryError) as error:
        print(f"edgeshift: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        return 2
    return 0


def probe() -> None:
    """Report the facts of the device, and the versions of Python, numpy and the installed runtimes."""
    versions = {name: filter(None, map(_version, runtime.packages.values())) for name, runtime in RUNTIMES.items()}
    result = Probe(
        facts=read_facts(),
        python=platform.python_version(),
        numpy=np.__version__,
        opencv=importlib.util.find_spec("cv2") is not None,
        runtimes={name: version for name, known in versions.items() for version in islice(known, 1)},
    )
    write_message(Probed(probe=result))


def bench(path: str) -> None:
    """Measure one repeat: cool down, load, first step, warm-up, timed steps, self-check."""
    job, frames = _read_job(path)
    settings = job.settings
    if settings.cores is not None:
        _pin(settings.cores)
    before, waited = cool_down(settings.max_temperature, job.cool_down_timeout)
    meter = power.Meter(power.find_source())
    meter.measure_idle(job.idle_seconds)
    with locked_clocks() if settings.locked else nullcontext():
        start = perf_counter()
        model, stream = _open(job)
        load_seconds = perf_counter() - start
        stepper, items = timed_steps(stream, frames)
        start = perf_counter()
        stepper.step(items[0])
        first = perf_counter() - start
        steps, warm = warm_up(stepper, items)
        started = Repeat(
            load=load_seconds,
            first=first,
            warmup=steps,
            warm=warm,
            seconds=0.0,
            partial=True,
            before=before,
            after=before,
            waited=waited,
            energy=Energy(reason="the device was lost"),
            runtime=model.runtime,
            ran_on=model.placement,
        )
        minutes: list[Minute] = []
        with competing_load() as load, meter.measured():
            if settings.mode == "sustained":
                write_message(Started(repeat=started))
                timed = _run_sustained(stepper, items, settings, minutes, meter.tick)
            elif settings.mode == "paced":
                timed = run_paced(stream, frames, settings.steps, settings.seconds, settings.fps or 30.0)
            else:
                timed = run_steps(stepper, items, settings.steps, settings.seconds)
        after = read_sensors()
    repeat = msgspec.structs.replace(
        started,
        partial=False,
        pre=_microseconds([timing.pre for timing in timed.timings]),
        infer=_microseconds([timing.infer for timing in timed.timings]),
        post=_microseconds([timing.post for timing in timed.timings]),
        end_to_end=_microseconds(timed.totals),
        seconds=timed.seconds,
        steps=timed.count if timed.every > 1 else None,
        offered=timed.offered,
        missed=timed.late,
        minutes=tuple(minutes),
        after=after,
        competing=load.share,
        energy=meter.energy,
        checked=self_check(model).ok if model.spec.check is not None else None,
    )
    write_message(RepeatEnded(repeat=repeat))


def memory(path: str) -> None:
    """Measure the memory of a process that only runs the artifact."""
    job, frames = _read_job(path)
    write_message(MemoryMeasured(memory=measure_memory(lambda: _open(job)[1], frames)))


def logits(artifact: str, clips: str, *options: str) -> None:
    """Compute the logits of every answer for every clip.

    Args:
        artifact: path of the artifact.
        clips: path of an .npz file with clips by name, each uint8 [T, H, W, 3] of the network's size.
        options: options of the runtime, such as "accelerator=gpu".
    """
    model = _load(artifact, **dict(option.split("=", 1) for option in options))
    stream = model.fitted().stream()
    with np.load(clips, allow_pickle=False) as file:
        for name in file.files:
            rows = [answer.logits.tolist() for answer in answers(stream, _checked_frames(file[name], clips))]
            write_message(ClipLogits(clip=name, logits=rows, runtime=model.runtime, ran_on=model.placement))


def _run_sustained(
    stepper: Stepper[Item], items: Sequence[Item], settings: Settings, minutes: list[Minute], tick: Callable[[], None]
) -> Steps:
    """Run steps for some minutes, and send each minute when it ends, so that it is not lost if the device is."""
    run = Steps()
    start = perf_counter()
    for index in range(settings.minutes or 1):
        offset = perf_counter() - start
        part = run_steps(stepper, items, 1, MINUTE)
        p50, p90 = percentile(part.totals, "p50"), percentile(part.totals, "p90")
        minutes.append(Minute(minute=index, steps=len(part.totals), p50=p50, p90=p90, reading=read_sensors()))
        write_message(MinuteEnded(minute=minutes[-1]))
        tick()
        run.add(part, offset)
    return run


def _read_job(path: str) -> tuple[Job, list[Any]]:
    """Return a job and its frames."""
    try:
        job = msgspec.json.decode(Path(path).read_bytes(), type=Job)
    except msgspec.MsgspecError as error:
        raise EdgeshiftError(f"{path}: this is not a job of edgeshift: {error}") from error
    if Path(job.frames).stat().st_size > MAX_BYTES:
        raise EdgeshiftError(f"{job.frames}: larger than {MAX_BYTES:,} bytes, the limit for frames")
    return job, _checked_frames(np.load(job.frames, allow_pickle=False), job.frames)


def _checked_frames(frames: Any, path: str) -> list[Any]:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not frames.size:
        raise EdgeshiftError(f"{path}: frames are uint8 [N, H, W, 3], not {frames.dtype} {list(frames.shape)}")
    return list(frames)


def _open(job: Job) -> tuple[Model, Stream]:
    options: dict[str, Any] = dict(job.settings.options)
    model = _load(job.artifact, job.runtime, threads=job.settings.threads, **options)
    return model, (model.fitted() if job.fitted else model).stream()


#: A hostile graph must not take all memory of a board. The runtimes in ``LIMITED`` may allocate ``MEMORY`` bytes, and
#: ``SHARE`` bytes for each byte of the file. The libraries of a GPU reserve more than they use, so they have no limit.
LIMITED, GRAPHS = (None, "tflite", "onnxruntime", "executorch"), (".tflite", ".onnx", ".pte")
MEMORY, SHARE = 2 << 30, 8


def _load(path: str, runtime: str | None = None, **options: Any) -> Model:
    unlimited = "provider" in options or options.get("accelerator") == "gpu"
    if runtime in LIMITED and not unlimited and path.endswith(GRAPHS) and Path(path).is_file():
        limit_memory(MEMORY + SHARE * Path(path).stat().st_size)
    try:
        return load(path, runtime=runtime, **options)
    except RuntimeMissingError as error:
        if not sys.argv[0].endswith(".pyz"):
            raise
        # edgeshift is not installed on the device, so the error's advice to install an extra of it does not help.
        package = next(iter(find_runtime(Path(path), runtime).packages.values()))
        command = f"{sys.executable} -m pip install {package}"
        raise EdgeshiftError(f"the device has no {package}: run {command} on it") from error


def _pin(cores: tuple[int, ...]) -> None:
    if not hasattr(os, "sched_setaffinity"):
        raise DeviceError("this system cannot pin processes to cores: run without --cores")
    try:
        os.sched_setaffinity(0, cores)
    except OSError as error:
        available = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        raise DeviceError(f"cores {', '.join(map(str, cores))}: this device has {available}") from error


def _microseconds(seconds: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value * 1e6, 1) for value in seconds)


def _stop_with_stdin() -> None:
    """Send SIGTERM to this process when its standard input closes."""
    while os.read(0, 1 << 12):  # not sys.stdin, whose lock would block the end of the process
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
