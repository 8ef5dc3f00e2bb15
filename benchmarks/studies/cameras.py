"""Cameras in one call: the throughput of an artifact for N cameras, beside N calls of an artifact for one camera.

    python -m edgeshift.benchmarks.studies.cameras ONE.onnx SEVERAL.onnx [--provider cuda] [--rounds N] [--json]

ONE is the artifact of a network for one camera, SEVERAL the artifact of the same network with ``--batch``. Both run in
one process, in turns, with one thread. A turn is one frame of every camera: one call of SEVERAL, or N calls of ONE,
with N streams. On a GPU: not verified here, because nobody has run this study on an NVIDIA GPU yet.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.benchmarks.statistics import Interval, ratio
from edgeshift.benchmarks.studies.command import NO_GPU_YET, Json, Rounds, one_thread, print_json, print_table, study
from edgeshift.benchmarks.studies.interleave import Turn, calling, interleave
from edgeshift.benchmarks.studies.machine import Machine, load_average, this_machine
from edgeshift.benchmarks.studies.repeats import ROUNDS
from edgeshift.errors import EdgeshiftError
from edgeshift.runtimes import load
from edgeshift.stream.placement import Placement


class CameraStudy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The result of the study.

    Attributes:
        cameras: number of cameras.
        runtime: the runtime of both artifacts.
        ran_on: where both ran, as the runtime says.
        calls: median time of one frame of every camera in a call for each camera, milliseconds.
        together: median time of one frame of every camera in one call, milliseconds.
        speedup: ``calls`` divided by ``together``.
        machine: the machine.
        note: what to know about the result; None: nothing.
    """

    cameras: int
    runtime: str
    ran_on: Placement
    calls: float
    together: float
    speedup: Interval
    machine: Machine
    note: str | None = None


@study
def main(
    one: Annotated[Path, typer.Argument(metavar="ONE", help="An artifact for one camera.")],
    several: Annotated[Path, typer.Argument(metavar="SEVERAL", help="The same network, converted with --batch.")],
    provider: Annotated[
        str, typer.Option(help="Provider of ONNX Runtime: cpu, cuda, tensorrt. On a GPU: not verified here.")
    ] = "cpu",
    rounds: Rounds = ROUNDS,
    as_json: Json = False,
) -> int:
    """Measure one call for N cameras beside N calls."""
    result = measure(one, several, rounds, provider)
    if as_json:
        print_json(result)
    else:
        show(result)
    return 0


def measure(one: Path, several: Path, rounds: int, provider: str = "cpu") -> CameraStudy:
    """Time both artifacts in turns.

    Raises:
        EdgeshiftError: the artifacts are not of one network in one precision, or SEVERAL takes one camera.
    """
    before = load_average()
    with one_thread():
        single, batched = (load(path, provider=provider) for path in (one, several))
        same = single.spec.weights == batched.spec.weights and single.spec.model == batched.spec.model
        if not same or single.spec.precision != batched.spec.precision:
            raise EdgeshiftError(f"{one} and {several} are not the same network in the same precision")
        cameras = batched.cameras()
        streams = [single.stream(paced=False) for _ in range(len(cameras))]
        size = single.spec.frame
        shape = (len(cameras), size.height, size.width, 3)
        frames = list(np.random.default_rng(0).integers(0, 256, shape, np.uint8))

        def each() -> None:
            for stream, frame in zip(streams, frames, strict=True):
                stream.step(frame)

        turns: dict[str, Turn] = {"calls": calling(each), "together": calling(lambda: cameras.step(frames))}
        with ProgressBars(live=False).stage("time", rounds) as advance:
            samples = interleave(turns, rounds, advance=advance)
    calls, together = (1000 * float(np.median(samples[name])) for name in ("calls", "together"))
    return CameraStudy(
        cameras=len(cameras),
        runtime=batched.runtime,
        ran_on=batched.placement,
        calls=round(calls, 3),
        together=round(together, 3),
        speedup=ratio(samples["calls"], samples["together"]),
        machine=this_machine(before, load_average()),
        note=NO_GPU_YET if provider in ("cuda", "tensorrt") else None,
    )


def show(result: CameraStudy) -> None:
    """Print the result as a table."""
    rows = [
        (f"{result.cameras} calls", f"{result.calls:.2f} ms"),
        (f"one call for {result.cameras} cameras", f"{result.together:.2f} ms"),
        (f"{result.cameras} calls / one call", str(result.speedup)),
        ("ran on", result.ran_on.text),
    ]
    print_table((result.runtime, "measured"), rows)
    if result.note is not None:
        print(result.note)


if __name__ == "__main__":
    sys.exit(main())
