"""Synthetic latency reports with realistic noise: between processes, between neighbouring steps, and outliers."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.benchmarks.latency.result import (
    ArtifactResult,
    Energy,
    Memory,
    Minute,
    Mode,
    Repeat,
    Report,
    SensorReading,
    Settings,
)

COOL = SensorReading(temperatures={"cpu-thermal": 51.0}, clock={"cpu0": 1800.0, "cpu1": 1800.0}, throttled=())
NO_POWER = Energy(reason="this device has no power sensor")
FACTS = Facts(
    board="Some Board 4 Model B",
    processor="Cortex-A72",
    features=("asimddp",),
    cores=4,
    memory=4 << 30,
    system="Linux aarch64, Python 3.11.2",
    governors=("performance",),
    clock={"cpu0": (1800.0, 1800.0), "cpu1": (1800.0, 1800.0)},
    temperatures={"cpu-thermal": 50.0},
    throttled=(),
    power_mode=None,
)


def times(middle: float, steps: int, random: np.random.Generator, *, between: float = 0.015) -> np.ndarray[Any, Any]:
    """Return the latencies of one process's steps, microseconds.

    Args:
        middle: median latency over all processes.
        steps: number of steps.
        random: source of the noise.
        between: relative standard deviation of the medians of different processes.
    """
    noise = random.normal(0, 0.01, steps)
    for index in range(1, steps):  # neighbouring steps are correlated
        noise[index] += 0.9 * noise[index - 1]
    late = np.where(random.random(steps) < 0.02, random.exponential(0.3, steps), 0)
    return np.round(middle * np.exp(random.normal(0, between) + noise + late), 1)


def repeat(middle: float = 5000.0, steps: int = 1500, seed: int = 0, between: float = 0.015, **changes: Any) -> Repeat:
    """Return one repeat. ``middle``: its median latency, microseconds. ``changes`` replace its fields."""
    total = times(middle, steps, np.random.default_rng(seed), between=between)
    fields: dict[str, Any] = {
        "load": 0.02,
        "first": 0.011,
        "warmup": 200,
        "warm": True,
        "pre": tuple(np.round(total * 0.1, 1).tolist()),
        "infer": tuple(np.round(total * 0.85, 1).tolist()),
        "post": tuple(np.round(total * 0.01, 1).tolist()),
        "end_to_end": tuple(total.tolist()),
        "seconds": 61.0,
        "before": COOL,
        "after": COOL,
        "competing": 0.01,
        "energy": NO_POWER,
        "runtime": "LiteRT 2.3.0 (compiled, 1 thread)",
        "checked": True,
    }
    return Repeat(**{**fields, **changes})


def subject(
    middle: float = 5000.0, *, file: str = "tsm_int8.tflite", seed: int = 0, repeats: int = 3, **changes: Any
) -> ArtifactResult:
    """Return the result of one artifact. ``changes`` replace fields of the result or of its repeats."""
    own = {name: changes.pop(name) for name in list(changes) if name in ArtifactResult.__struct_fields__}
    fields: dict[str, Any] = {
        "file": file,
        # Another seed is another build of the file.
        "sha256": (f"{seed:02x}" * bool(seed) + file.encode().hex() * 8)[:64].ljust(64, "0"),
        "bytes": 2_790_000,
        "target": "tflite",
        "model": "tsm_mobilenet_v2",
        "precision": "int8",
        "input": (1, 112, 112, 3),
        "repeats": tuple(repeat(middle, seed=1000 * seed + at, **changes) for at in range(repeats)),
        "memory": Memory(before=40 << 20, loaded=52 << 20, peak=55 << 20, closed=45 << 20),
    }
    return ArtifactResult(**{**fields, **own})


def settings(mode: Mode = "normal", **changes: Any) -> Settings:
    """Return the settings of a mode. ``changes`` replace its fields."""
    minimum = {"normal": (1024, 60.0), "quick": (128, 10.0), "rapid": (64, 6.0)}
    steps, seconds = minimum.get(mode, (1, 0.0))
    fields: dict[str, Any] = {
        "mode": mode,
        "steps": steps,
        "seconds": seconds,
        "repeats": 3,
        "frames": "drawn",
        "width": 320,
        "height": 240,
        "max_temperature": 60.0,
    }
    return Settings(**{**fields, **changes})


def report(*subjects: ArtifactResult, facts: Facts = FACTS, device: str = "local", **changes: Any) -> Report:
    """Return a report of some artifacts. ``changes`` replace fields of its settings."""
    return Report(
        device=device,
        facts=facts,
        settings=settings(**changes),
        edgeshift="0.1.0",
        subjects=subjects or (subject(),),
    )


def minutes(count: int, first: float = 5000.0, last: float = 8000.0, degrees: float = 55.0) -> tuple[Minute, ...]:
    """Return the minutes of a sustained run in which p90 rises from ``first`` to ``last``, microseconds."""
    values = np.linspace(first, last, count) / 1e6
    return tuple(
        Minute(minute=at, steps=9000, p50=value * 0.9, p90=value, reading=reading(degrees + at))
        for at, value in enumerate(values.tolist())
    )


def reading(degrees: float | None = None, clock: float | None = 1800.0, throttled: Any = ()) -> SensorReading:
    """Return a reading of one sensor and two cores."""
    return SensorReading(
        temperatures={} if degrees is None else {"cpu-thermal": degrees},
        clock={} if clock is None else {"cpu0": clock, "cpu1": clock},
        throttled=throttled,
    )
