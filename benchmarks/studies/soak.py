"""A long stream: does memory grow, does the carried state drift?

    python -m edgeshift.benchmarks.studies.soak INT8.tflite --reference FP32.tflite [--minutes 30] [--json]

One stream that is never reset runs for the time asked for, over drawn streams of gestures in an order that never ends,
beside the same frames through the reference. After each of ``WINDOWS`` equal parts of the time: resident memory, the
error of the worst state over its spread (as in parity), and how alike the logits are. Memory may not grow by more than
``GROWTH`` after the first window (it has buffers and caches to fill), and no window's states may be off by more than
parity allows an artifact of this precision. Exit status 1 if either does.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import msgspec
import numpy as np

from edgeshift.benchmarks.latency.memory import resident
from edgeshift.benchmarks.studies.options import run
from edgeshift.errors import EdgeshiftError
from edgeshift.gestures import SPACING, draw_stream
from edgeshift.runtimes import load
from edgeshift.stream import Model
from edgeshift.stream.parity import MAX_STATE_ERROR, Spread, real_states
from edgeshift.video.fit import Frame, FrameSpec, fit_frame

MINUTES = 30.0
WINDOWS = 30
#: Bytes: a leak of one state a minute would pass it within the half hour.
GROWTH = 2 << 20
#: Drawn streams, seconds of each: more than a network remembers, little enough to keep.
STREAMS, SECONDS, SEED = 8, 60.0, 900_000_000
#: States are compared on every so manieth step, as reading them costs more than a step; steps that a part has at least.
EVERY, LEAST = 4, 64


class Window(msgspec.Struct, frozen=True):
    """A part of the time.

    Attributes:
        steps: in it. memory: resident bytes at its end.
        state_error: of the worst state, root mean square over spread. cosine: of the centred logits.
    """

    steps: int
    memory: int
    state_error: float
    cosine: float


class Soak(msgspec.Struct, frozen=True):
    """A run. grown: bytes from the end of the first window to the most of any later one."""

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


def main(arguments: list[str] | None = None) -> int:
    """Run and print; the exit status is 1 if memory grows or a state drifts."""
    parser = argparse.ArgumentParser(description="A long stream: does memory grow, does the state drift?")
    parser.add_argument("file", type=Path, metavar="FILE", help="the artifact")
    parser.add_argument(
        "--reference", type=Path, required=True, metavar="FILE", help="its float artifact or checkpoint"
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"(default: {MINUTES:g})")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    given = parser.parse_args(arguments)
    if not 0.001 <= given.minutes <= 10_000:
        parser.error(f"--minutes must be 0.001 to 10000, not {given.minutes}")

    def work() -> int:
        found = soak(given.file, given.reference, given.minutes, advance=_progress if sys.stderr.isatty() else _quiet)
        _print(found, as_json=given.json)
        return 1 if found.problems else 0

    return run(work)


def soak(
    file: Path,
    reference: Path,
    minutes: float,
    *,
    windows: int = WINDOWS,
    advance: Callable[[Window], None] = lambda _: None,
) -> Soak:
    """Run both and look.

    Args:
        file: the artifact. reference: the same network in float. windows: parts of the time. advance: takes each.

    Raises:
        EdgeshiftError: two networks that are not the same, or not a number as an answer.
    """
    model, original = load(file), load(reference)
    _require_same(model, original)
    frames = _endless(model.spec.frame, model.spec.frame_spacing or SPACING)
    ours, theirs = model.stream(), original.stream()
    found: list[Window] = []
    for _ in range(windows):
        end, steps, spreads, pairs = perf_counter() + 60 * minutes / windows, 0, dict[str, Spread](), []
        while perf_counter() < end or steps < LEAST:
            frame = next(frames)
            one, other = ours.step(frame).logits, theirs.step(frame).logits
            if steps % EVERY == 0:
                pairs.append((one - one.mean(), other - other.mean()))
                mine, wanted = real_states(ours), real_states(theirs)
                for name in mine.keys() & wanted.keys():
                    spreads.setdefault(name, Spread()).add(mine[name], wanted[name])
            steps += 1
        a, b = (np.stack(side).astype(np.float64) for side in zip(*pairs, strict=True))
        cosine = float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12))
        error = max(spread.error for spread in spreads.values())
        del a, b, pairs  # what looking costs is not what the stream holds
        gc.collect()
        found.append(Window(steps=steps, memory=resident(), state_error=round(error, 5), cosine=round(cosine, 6)))
        advance(found[-1])
    grown = max(window.memory for window in found[1:]) - found[0].memory if len(found) > 1 else 0
    allowed = MAX_STATE_ERROR[model.spec.precision]
    return Soak(
        file=file.name,
        reference=reference.name,
        runtime=model.runtime,
        minutes=minutes,
        windows=tuple(found),
        grown=grown,
        allowed=allowed,
        problems=tuple(_problems(found, grown, allowed)),
    )


def _problems(windows: list[Window], grown: int, allowed: float) -> Iterator[str]:
    if grown > GROWTH:
        yield f"memory grew by {grown / 1e6:.1f} MB after the first part; {GROWTH / 1e6:.1f} MB are allowed"
    for index, window in enumerate(windows):
        if not window.state_error <= allowed:  # also catches not a number
            yield f"part {index + 1}: a state is off by {window.state_error:.2g} of its spread; {allowed:g} is allowed"


def _require_same(model: Model, original: Model) -> None:
    ours, theirs = model.spec, original.spec
    if (ours.labels, ours.frame, ours.model) != (theirs.labels, theirs.frame, theirs.model) or not ours.states:
        raise EdgeshiftError("the two are not one network with a state: give an artifact and the float one beside it")


def _endless(spec: FrameSpec, spacing: float) -> Iterator[Frame]:
    """Frames of drawn streams, one after the other in an order drawn anew, for ever; the same for everybody."""
    size = min(max(spec.height, spec.width), 224)
    streams = [draw_stream(SEED + n, seconds=SECONDS, spacing=spacing, size=size).frames for n in range(STREAMS)]
    fitted = [[fit_frame(np.ascontiguousarray(frame), spec) for frame in frames] for frames in streams]
    random = np.random.default_rng(SEED)
    while True:
        yield from fitted[random.integers(STREAMS)]


def _print(found: Soak, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
        return
    steps = sum(window.steps for window in found.windows)
    print(f"{found.file} against {found.reference}: {steps:,} steps in {found.minutes:g} minutes, never reset")
    print("part      steps  memory MB  worst state  cosine")
    shown = range(0, len(found.windows), max(1, len(found.windows) // 10))
    for index in sorted({*shown, len(found.windows) - 1}):
        window = found.windows[index]
        figures = f"{window.memory / 1e6:>9.1f}  {window.state_error:>11.4f}  {window.cosine:.6f}"
        print(f"{index + 1:>4}  {window.steps:>9,}  {figures}")
    print(f"memory after the first part: {found.grown / 1e6:+.2f} MB; states: {found.allowed:g} is allowed")
    print("\n".join(found.problems) or "nothing grows, nothing drifts")


def _progress(window: Window) -> None:
    sys.stderr.write(f"{window.steps:,} steps, {window.memory / 1e6:.1f} MB, worst state {window.state_error:.4f}\n")


def _quiet(_: Window) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
