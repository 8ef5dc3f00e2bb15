"""The time that the native runtime adds to LiteRT, needs to fit a frame, and needs from its start to an answer.

    python -m edgeshift.benchmarks.studies.native_speed FILE.tflite [--build DIR] [--rounds N] [--json] [--strict]

    step       a step of the native stream less ``pre``, divided by ``LiteRtRunCompiledModel`` with the same buffers
               every time. Only the step writes an input tensor to LiteRT and reads the logits. A frame of 640x480 is
               fitted before each of them, because that evicts a part of the network from the caches.
    fitting    fitting a frame of 640x480, divided by OpenCV's ``resize`` with ``INTER_LINEAR`` on one thread.
    start      CPU milliseconds of a program that opens the artifact and runs one frame, from its start to its end. CPU
               time is compared with the goal, because elapsed time depends on other programs on the machine. The
               elapsed time of its parts is printed: reading and checking the file, opening LiteRT's library, compiling
               the graph, making a stream, and the first step.

``make native`` builds the programs in ``build/native``. The two sides of a ratio are timed in turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer

from edgeshift.artifact.file import read_artifact
from edgeshift.benchmarks.statistics import ratio
from edgeshift.benchmarks.studies.command import (
    Json,
    Strict,
    print_if_busy,
    print_json,
    print_table,
    require_stream,
    study,
)
from edgeshift.benchmarks.studies.figures import COLUMNS, Figure, figure, figure_cells, milliseconds
from edgeshift.benchmarks.studies.interleave import Samples, calling, interleave
from edgeshift.benchmarks.studies.machine import Machine, load_average, this_machine
from edgeshift.benchmarks.studies.native_library import NativeFitter, litert_library, rgb_image
from edgeshift.errors import EdgeshiftError
from edgeshift.video.fit import FrameSpec, opencv

BUILD = Path("build/native")
CAMERA = (480, 640)
SIDES = (112, 224)
STEP_GOAL, FIT_GOAL, START_GOAL = 1.01, 1.0, 50.0
#: Number of processes whose median is the time from the start.
STARTS = 15


class NativeSpeed(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one run.

    Attributes:
        machine: the machine, and how busy it was.
        rounds: rounds of timing.
        figures: the ratios and their goals.
        start: median of CPU milliseconds from the start of a program to its end.
        start_goal: largest acceptable value of ``start``.
        parts: medians of milliseconds of elapsed time of the parts of a start.
        milliseconds: {name: median of one call}. Only ratios are compared.
    """

    machine: Machine
    rounds: int
    figures: tuple[Figure, ...]
    start: float
    start_goal: float
    parts: dict[str, float]
    milliseconds: dict[str, float]

    @property
    def met(self) -> bool:
        """True if all goals are reached."""
        return self.start <= self.start_goal and all(figure.met is not False for figure in self.figures)


@study
def main(
    file: Annotated[
        Path, typer.Argument(help="A TFLite artifact of a stream, as `edgeshift convert --target tflite` makes it.")
    ],
    build: Annotated[Path, typer.Option(metavar="DIR", help="Folder in which `make native` has built.")] = BUILD,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of timing.")] = 300,
    as_json: Json = False,
    strict: Strict = False,
) -> int:
    """Measure what the native runtime adds to LiteRT, its fitting of frames, and its start."""
    result = measure(file, build, rounds)
    print_json(result) if as_json else show(result)
    return 0 if result.met or not strict else 1


def measure(path: Path, build: Path, rounds: int) -> NativeSpeed:
    """Run the programs in ``build``.

    Raises:
        EdgeshiftError: the native runtime is not built, a program fails, or the artifact takes a whole clip.
    """
    require_stream(path, read_artifact(path).spec)
    program, fitting = build / "bench" / "native_speed", build / "bench" / "fit_speed.so"
    for needed in (program, fitting):
        if not needed.is_file():
            raise EdgeshiftError(f"{needed} does not exist: run make native first, or give its folder with --build")
    before = load_average()
    steps = {name: np.array(times) for name, times in _run(program, "step", path, str(rounds))[0].items()}
    fits = _fits(fitting, rounds)
    starts = [_run(program, "start", path) for _ in range(STARTS)]
    figures = [figure("step", "step / LiteRtRunCompiledModel", ratio(steps["step"], steps["bare"]), STEP_GOAL)]
    for side in SIDES:
        interval = ratio(fits[f"fit {side}"], fits[f"resize {side}"])
        figures.append(figure("fitting", f"640x480 to {side}x{side} / OpenCV's resize", interval, FIT_GOAL))
    parts = {name: round(1e3 * float(np.median([part[name] for part, _ in starts])), 3) for name in starts[0][0]}
    return NativeSpeed(
        machine=this_machine(before, load_average()),
        rounds=rounds,
        figures=tuple(figures),
        start=round(1e3 * float(np.median([cpu for _, cpu in starts])), 1),
        start_goal=START_GOAL,
        parts=parts,
        milliseconds=milliseconds(steps | fits),
    )


def _run(program: Path, what: str, path: Path, *arguments: str) -> tuple[dict[str, Any], float]:
    """Run a program, and return what it prints, and its CPU seconds."""
    command = [str(program), what, str(litert_library()), str(path), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout is not None and process.stderr is not None
        output, errors = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise EdgeshiftError(f"{program} failed: {errors.decode(errors='replace').strip().splitlines()[-1:]}")
    return msgspec.json.decode(output, type=dict[str, Any]), usage.ru_utime + usage.ru_stime


def _fits(library: Path, rounds: int) -> Samples:
    cv2 = opencv("the comparison with its resize")
    cv2.setNumThreads(1)
    frame = np.random.default_rng(0).integers(0, 256, (*CAMERA, 3), dtype=np.uint8)
    turns = {}
    for side in SIDES:
        fitter = NativeFitter(library, FrameSpec(side, side))
        turns[f"fit {side}"] = calling(_fitting(fitter, frame))
        turns[f"resize {side}"] = calling(_resizing(cv2, frame, side))
    return interleave(turns, rounds)


def _fitting(fitter: NativeFitter, frame: Any) -> Callable[[], object]:
    image = rgb_image(frame)
    return lambda: fitter.fit(image)


def _resizing(cv2: Any, frame: Any, side: int) -> Callable[[], object]:
    out = np.empty((side, side, 3), np.uint8)
    return lambda: cv2.resize(frame, (side, side), dst=out, interpolation=cv2.INTER_LINEAR)


def show(result: NativeSpeed) -> None:
    """Print the figures."""
    print_table(COLUMNS, [figure_cells(figure) for figure in result.figures])
    print(f"start to first answer: {result.start:.1f} ms of CPU (goal: at most {result.start_goal:g})")
    print("elapsed, median: " + ", ".join(f"{name} {value:.1f} ms" for name, value in result.parts.items()))
    print_if_busy(result.machine.quiet)


if __name__ == "__main__":
    sys.exit(main())
