"""What runs on the device, in a fresh process each time: from an installation of edgeshift, or out of the agent's file.

    probe                       what is here: facts, Python, runtimes
    bench JOB.json              one repeat of a measurement
    memory JOB.json             the pass that reads memory
    logits ARTIFACT CLIPS.npz   the logits of every frame of every clip, each from the start of the states
    sample UNIT FILE...         power, until it is stopped

Answers are lines of JSON on standard output behind a mark. Needs numpy and a runtime; OpenCV only to resize frames.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
import numpy as np

from edgeshift.benchmarks.devices.facts import read_facts
from edgeshift.benchmarks.devices.protocol import MARK, TIED
from edgeshift.benchmarks.latency import power
from edgeshift.benchmarks.latency.clocks import locked
from edgeshift.benchmarks.latency.job import Job
from edgeshift.benchmarks.latency.loop import Kept, Steps, run_paced, run_steps, warm_up
from edgeshift.benchmarks.latency.memory import measure_memory
from edgeshift.benchmarks.latency.reading import cool_down, read
from edgeshift.benchmarks.latency.result import Begun, Minute, Repeat, Settings
from edgeshift.errors import DeviceError, EdgeshiftError, RuntimeMissingError
from edgeshift.runtimes import load
from edgeshift.stream import Model, Stream
from edgeshift.stream.percentiles import percentile
from edgeshift.stream.selfcheck import self_check
from edgeshift.targets import RUNTIMES, find_runtime

MINUTE = 60.0
#: The largest frames and clips that are read.
MAX_BYTES = 1 << 31


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked. Returns the exit status; a problem is one line on standard error."""
    arguments = sys.argv[1:] if arguments is None else arguments
    commands: dict[str, Callable[..., None]] = {
        "probe": probe,
        "bench": bench,
        "memory": memory,
        "logits": logits,
        "sample": lambda unit, *files: power.sample(files, float(unit)),
    }
    # Asked to stop, it unwinds as from Ctrl-C: clocks that were locked are put back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if arguments[:1] == [TIED]:
        arguments = arguments[1:]
        threading.Thread(target=_watch, daemon=True).start()
    try:
        if not arguments or arguments[0] not in commands:
            raise EdgeshiftError(f"commands: {', '.join(commands)}")
        commands[arguments[0]](*arguments[1:])
    except (EdgeshiftError, OSError, ValueError, MemoryError) as error:
        print(f"edgeshift: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        return 2
    return 0


def probe() -> None:
    """Say what is here."""
    runtimes = {}
    for name, runtime in RUNTIMES.items():
        found = (_version(package) for module, package in runtime.packages.items() if _there(module))
        runtimes[name] = next(filter(None, found), None)
    _say(
        {
            "facts": msgspec.to_builtins(read_facts()),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "opencv": _there("cv2"),
            "runtimes": {target: version for target, version in runtimes.items() if version},
        }
    )


def bench(path: str) -> None:
    """One repeat."""
    job = _job(path)
    settings = job.settings
    if settings.cores is not None:
        _pin(settings.cores)
    frames = _frames(job)
    before, waited = cool_down(settings.ceiling, job.patience)
    meter = power.Meter(power.find_source())
    meter.rest(job.idle)
    with locked() if settings.locked else nullcontext():
        begin = perf_counter()
        model = _open(job)
        stream = _stream(model, job)
        ready = perf_counter()
        stream.step(frames[0])
        first = perf_counter() - ready
        steps, warm = warm_up(stream, frames)
        minutes: list[Minute] = []
        begun = Begun(
            load=ready - begin,
            first=first,
            warmup=steps,
            warm=warm,
            before=before,
            waited=waited,
            runtime=model.runtime,
        )
        found: Steps | Kept
        with meter.measured():
            if settings.mode == "sustained":
                _say({"begun": msgspec.to_builtins(begun)})
                found = _sustained(stream, frames, settings, minutes, meter.tick)
            elif settings.mode == "paced":
                found = run_paced(stream, frames, settings.steps, settings.seconds, settings.fps or 30.0)
            else:
                found = run_steps(stream, frames, settings.steps, settings.seconds)
        after = read()
    paced = settings.mode == "paced"
    _say(
        msgspec.to_builtins(
            Repeat(
                **{name: getattr(begun, name) for name in Begun.__struct_fields__},
                pre=_microseconds([timing.pre for timing in found.timings]),
                infer=_microseconds([timing.infer for timing in found.timings]),
                post=_microseconds([timing.post for timing in found.timings]),
                end_to_end=_microseconds(found.totals),
                seconds=found.seconds,
                steps=found.steps if isinstance(found, Kept) and found.steps > len(found.totals) else None,
                offered=found.offered if isinstance(found, Steps) and paced else None,
                missed=found.late if isinstance(found, Steps) and paced else None,
                minutes=tuple(minutes),
                after=after,
                energy=meter.energy,
                checked=_checked(model),
            )
        )
    )


def memory(path: str) -> None:
    """The pass that reads memory."""
    job = _job(path)
    frames = _frames(job)
    _say(msgspec.to_builtins(measure_memory(lambda: _stream(_open(job), job), frames)))


def logits(artifact: str, clips: str) -> None:
    """The logits of every frame of every clip: uint8 [T, H, W, 3] by name in an .npz, as the network takes them."""
    model = _load(artifact)
    stream = model.fitted().stream()
    with np.load(clips, allow_pickle=False) as file:
        for name in file.files:
            stream.reset()
            answers = [stream.step(frame).logits.tolist() for frame in _checked_frames(file[name], clips)]
            _say({"clip": name, "logits": answers, "runtime": model.runtime})


def _sustained(
    stream: Stream, frames: list[Any], settings: Settings, minutes: list[Minute], tick: Callable[[], None]
) -> Kept:
    """Minute by minute; each is said as it ends, so that a run that is lost leaves what it had."""
    whole = Kept()
    begin = perf_counter()
    for index in range(settings.minutes or 1):
        offset = perf_counter() - begin
        found = run_steps(stream, frames, 1, MINUTE)
        p50, p90 = (percentile(found.totals, name) for name in ("p50", "p90"))
        minute = Minute(minute=index, steps=len(found.totals), p50=p50, p90=p90, reading=read())
        minutes.append(minute)
        _say({"minute": msgspec.to_builtins(minute)})
        tick()
        whole.add(found, offset)
    return whole


def _job(path: str) -> Job:
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=Job)
    except msgspec.MsgspecError as error:
        raise EdgeshiftError(f"{path}: no job of ours: {error}") from error


def _frames(job: Job) -> list[Any]:
    if Path(job.frames).stat().st_size > MAX_BYTES:
        raise EdgeshiftError(f"{job.frames}: larger than {MAX_BYTES:,} bytes, the limit for frames")
    return _checked_frames(np.load(job.frames, allow_pickle=False), job.frames)


def _checked_frames(frames: Any, name: str) -> list[Any]:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not frames.size:
        raise EdgeshiftError(f"{name}: frames are uint8 [N, H, W, 3], not {frames.dtype} {list(frames.shape)}")
    return list(frames)


def _open(job: Job) -> Model:
    options: dict[str, Any] = dict(job.settings.options)
    return _load(job.artifact, job.runtime, threads=job.settings.threads, **options)


def _load(path: str, runtime: str | None = None, **options: Any) -> Model:
    try:
        return load(path, runtime=runtime, **options)
    except RuntimeMissingError as error:
        if not sys.argv[0].endswith(".pyz"):
            raise
        # edgeshift is not installed here, and need not be.
        package = next(iter(find_runtime(Path(path), runtime).packages.values()))
        raise EdgeshiftError(
            f"this device has no {package}: on it, {sys.executable} -m pip install {package}"
        ) from error


def _stream(model: Model, job: Job) -> Stream:
    return (model.fitted() if job.fitted else model).stream()


def _checked(model: Model) -> bool | None:
    return self_check(model).ok if model.spec.check is not None else None


def _pin(cores: tuple[int, ...]) -> None:
    if not hasattr(os, "sched_setaffinity"):
        raise DeviceError("this system does not pin processes to cores: run without --cores")
    try:
        os.sched_setaffinity(0, cores)
    except OSError as error:
        words = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        raise DeviceError(f"cores {', '.join(map(str, cores))}: this device has {words}") from error


def _microseconds(seconds: list[float]) -> tuple[float, ...]:
    return tuple(round(value * 1e6, 1) for value in seconds)


def _watch() -> None:
    while os.read(0, 1 << 12):  # not through sys.stdin, whose lock the end of the program would wait for
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _say(document: Any) -> None:
    print(MARK + msgspec.json.encode(document).decode(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
