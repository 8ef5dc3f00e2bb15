"""Run one stream for a long time, and check that memory does not grow and the carried states do not drift.

    python -m edgeshift.benchmarks.studies.soak INT8.tflite --reference FP32.tflite [--minutes 30] [--json]

One stream is fed drawn gestures for the given time and is never reset. The reference is fed the same frames. The time
is divided into ``WINDOWS`` equal parts. At the end of each part the study records resident memory, the largest state
error (as in parity) and the cosine of the logits. Memory may grow by ``GROWTH`` bytes at most after the first part, in
which buffers and caches fill. The state error may not exceed the limit of parity for the artifact's precision. The exit
status is 1 if a limit is exceeded.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Annotated

import msgspec
import numpy as np
import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.benchmarks.latency.memory import resident
from edgeshift.benchmarks.studies.command import Json, print_json, study
from edgeshift.errors import EdgeshiftError
from edgeshift.gestures import SPACING, draw_stream
from edgeshift.runtimes import load
from edgeshift.stream import Model, Stream
from edgeshift.stream.parity import MAX_STATE_ERROR, StateError, real_states
from edgeshift.video.fit import Frame, FrameSpec, fit_frame

MINUTES = 30.0
WINDOWS = 30
#: Largest growth of memory, bytes. A leak of one state per minute exceeds it within half an hour.
GROWTH = 2 << 20
#: Number of drawn streams, their length in seconds (longer than a state remembers a frame), and their first seed.
STREAMS, SECONDS, SEED = 8, 60.0, 900_000_000
#: States are compared at every fourth step, because reading them takes longer than a step. A part has 64 steps or more.
EVERY, LEAST = 4, 64


class Window(msgspec.Struct, frozen=True):
    """One part of the time.

    Attributes:
        steps: number of steps.
        memory: resident memory at the end of the part, bytes.
        state_error: root mean square error of the state that differs most, in standard deviations of that state.
        cosine: cosine similarity of the centred logits of artifact and reference.
    """

    steps: int
    memory: int
    state_error: float
    cosine: float


class Soak(msgspec.Struct, frozen=True):
    """One run.

    Attributes:
        file, reference: names of the artifact and of the reference.
        runtime: the runtime of the artifact.
        minutes: length of the run.
        windows: the parts of the time.
        grown: growth of memory from the end of the first part to its maximum in later parts, bytes.
        allowed: the largest state error that is allowed.
        problems: the limits that were exceeded.
    """

    file: str
    reference: str
    runtime: str
    minutes: float
    windows: tuple[Window, ...]
    grown: int
    allowed: float
    problems: tuple[str, ...]
    benchmark: str = "soak"
    version: int = 1


@study
def main(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The artifact.")],
    reference: Annotated[
        Path, typer.Option(metavar="FILE", help="The float artifact or checkpoint of the same network.")
    ],
    minutes: Annotated[float, typer.Option(min=0.001, max=10_000, help="Minutes to run.")] = MINUTES,
    as_json: Json = False,
) -> int:
    """Run one stream for a long time and check that memory does not grow and states do not drift."""
    result = soak(file, reference, minutes)
    print_json(result) if as_json else show(result)
    return 1 if result.problems else 0


def soak(file: Path, reference: Path, minutes: float, *, windows: int = WINDOWS) -> Soak:
    """Run the artifact and the reference over the same frames.

    Args:
        file: the artifact.
        reference: the same network in float.
        minutes: length of the run.
        windows: number of parts.

    Raises:
        EdgeshiftError: the networks differ, or have no states.
    """
    model, original = load(file), load(reference)
    _require_same(model, original)
    frames = _endless(model.spec.frame, model.spec.frame_spacing or SPACING)
    stream, expected = model.stream(), original.stream()
    parts: list[Window] = []
    with ProgressBars(live=False).stage("soak", windows) as advance:
        for _ in range(windows):
            parts.append(_window(stream, expected, frames, 60 * minutes / windows))
            advance()
    grown = max(part.memory for part in parts[1:]) - parts[0].memory if len(parts) > 1 else 0
    allowed = MAX_STATE_ERROR[model.spec.precision]
    problems = tuple(_problems(parts, grown, allowed))
    return Soak(file.name, reference.name, model.runtime, minutes, tuple(parts), grown, allowed, problems)


def _window(stream: Stream, reference: Stream, frames: Iterator[Frame], seconds: float) -> Window:
    """Step both streams for ``seconds``, and compare their logits and states."""
    end, steps, errors, pairs = perf_counter() + seconds, 0, dict[str, StateError](), []
    while perf_counter() < end or steps < LEAST:
        frame = next(frames)
        logits, expected = stream.step(frame).logits, reference.step(frame).logits
        if steps % EVERY == 0:
            pairs.append((logits - logits.mean(), expected - expected.mean()))
            states, expected_states = real_states(stream), real_states(reference)
            for name in states.keys() & expected_states.keys():
                errors.setdefault(name, StateError()).add(states[name], expected_states[name])
        steps += 1
    a, b = (np.stack(side).astype(np.float64) for side in zip(*pairs, strict=True))
    cosine = float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12))
    error = max(error.relative for error in errors.values())
    del a, b, pairs  # the memory of the stream is measured without that of the comparison
    gc.collect()
    return Window(steps=steps, memory=resident(), state_error=round(error, 5), cosine=round(cosine, 6))


def _problems(windows: list[Window], grown: int, allowed: float) -> Iterator[str]:
    if grown > GROWTH:
        yield f"memory grew by {grown / 1e6:.1f} MB after the first part; at most {GROWTH / 1e6:.1f} MB are allowed"
    for index, window in enumerate(windows):
        if not window.state_error <= allowed:  # also catches not a number
            error = f"largest state error {window.state_error:.2g} standard deviations"
            yield f"part {index + 1}: {error}; at most {allowed:g} is allowed"


def _require_same(model: Model, original: Model) -> None:
    identities = [(spec.labels, spec.frame, spec.model) for spec in (model.spec, original.spec)]
    if identities[0] != identities[1] or not (model.spec.states and original.spec.states):
        raise EdgeshiftError(
            "FILE and --reference must be the same network, with states: give an artifact and its float artifact"
        )


def _endless(spec: FrameSpec, spacing: float) -> Iterator[Frame]:
    """Yield the frames of drawn streams in a random order, without end. Every run gets the same frames."""
    size = min(max(spec.height, spec.width), 224)
    streams = [draw_stream(SEED + n, seconds=SECONDS, spacing=spacing, size=size).frames for n in range(STREAMS)]
    fitted = [[fit_frame(np.ascontiguousarray(frame), spec) for frame in frames] for frames in streams]
    random = np.random.default_rng(SEED)
    while True:
        yield from fitted[random.integers(STREAMS)]


def show(result: Soak) -> None:
    """Print about ten of the parts, and the verdict."""
    steps, count = sum(window.steps for window in result.windows), len(result.windows)
    print(f"{result.file} against {result.reference}: {steps:,} steps in {result.minutes:g} minutes without a reset")
    print("part      steps  memory MB  state error  cosine")
    for index in sorted({*range(0, count, max(1, count // 10)), count - 1}):
        window = result.windows[index]
        figures = f"{window.memory / 1e6:>9.1f}  {window.state_error:>11.4f}  {window.cosine:.6f}"
        print(f"{index + 1:>4}  {window.steps:>9,}  {figures}")
    print(f"memory after the first part: {result.grown / 1e6:+.2f} MB; largest state error allowed: {result.allowed:g}")
    print("\n".join(result.problems) or "memory does not grow and no state drifts")


if __name__ == "__main__":
    sys.exit(main())
