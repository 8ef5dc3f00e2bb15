"""The time that edgeshift adds to a network, compared with a network without shift, LiteRT alone and PyTorch.

    python -m edgeshift.benchmarks.studies.overhead [--size N] [--rounds N] [--repeats N] [--quick] [--json] [--strict]

    shift          the step of TSM or STSM, divided by the step of the same network without shift (TSN), in two ways.
                   step: ``Timings.infer`` of ``Stream.step``, which carries the states. graph: the operators alone
                   (``Interpreter.invoke``), without carrying the states.
    PyTorch        the step in eager PyTorch, divided by the int8 step of edgeshift; both are ``Timings.infer``.
    naive route    the int8 graph of edgeshift, divided by the graph that LiteRT's tools make with their defaults; both
                   are ``Interpreter.invoke``.
    pointwise      multiply-adds per second of the graph, divided by those of plain 1x1 convolutions (the fastest of
                   several shapes); both are ``Interpreter.invoke``.
    stream         ``Stream.step`` less its ``Timings.pre``, divided by ``CompiledModel.run_by_index`` with the same
                   buffers every time. A frame is prepared before each of these calls, because that evicts a part
                   of the network from the caches. The difference is the copy of the frame, the exchange of the state
                   buffers, the copy of the logits, the label, and the work between the two clock readings.
    preprocessing  ``Timings.pre`` of a 640x480 frame, divided by ``Stream.step`` less its ``Timings.pre``.

The networks are untrained (``timing_networks``), int8 is calibrated on the clips that set the batch norms, and every
runtime has one thread. All candidates are timed in turns (``interleave``), in several processes (``repeats``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import perf_counter

import msgspec
import numpy as np

from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.file import Artifact
from edgeshift.benchmarks.statistics import median, ratio
from edgeshift.benchmarks.studies.artifacts import Artifacts
from edgeshift.benchmarks.studies.command import artifact_folder, one_thread
from edgeshift.benchmarks.studies.figures import Figure, StudyReport, figure, time_turns
from edgeshift.benchmarks.studies.interleave import Samples, Turn, calling, infer, median_turn, stepping
from edgeshift.benchmarks.studies.pointwise import SHAPES
from edgeshift.benchmarks.studies.raw_litert import Compiled, interpreted
from edgeshift.benchmarks.studies.repeats import TimingSettings, timing_study
from edgeshift.benchmarks.studies.timing_networks import smooth_clips, untrained_network
from edgeshift.runtimes.tflite import open_artifact
from edgeshift.stream import Stream, Timings
from edgeshift.targets import Precision
from edgeshift.video.fit import Frame, FrameSpec

PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
#: {shift table: largest step time that is acceptable, divided by the step time of TSN}.
SHIFT_GOALS = {"tsm": 1.02, "stsm": 1.03}
EAGER_GOAL, NAIVE_GOAL, STREAM_GOAL, PREPARE_GOAL = 4.0, 0.95, 1.02, 0.10
CAMERA = (480, 640)
FITS = ("squash", "crop")


def measure(settings: TimingSettings) -> StudyReport:
    """Convert the artifacts that are not in the cache, time all candidates, and compute the figures."""
    size, rounds = settings.size, settings.rounds
    with artifact_folder(settings.cache) as folder, one_thread(), ExitStack() as stack:
        turns, macs, runtimes = _turns(Artifacts(folder, ProgressBars(live=False)), size, stack)
        compute, notes = partial(assemble, macs=macs), partial(_notes, macs=macs)
        return time_turns("overhead", size, rounds, turns, runtimes, compute, notes)


def assemble(samples: Samples, macs: dict[str, int]) -> list[Figure]:
    """Compute the figures.

    Args:
        samples: {name of a candidate in ``_turns``: seconds of each round}.
        macs: {"tsm" or name of a stack in ``SHAPES``: multiply-adds}.
    """
    figures = []
    for precision in PRECISIONS:
        for table, goal in SHIFT_GOALS.items():
            for part, goal_of_part in (("step", goal), ("graph", None)):
                with_shift, without = (samples[f"{name} {precision} {part}"] for name in (table, "tsn"))
                name = f"{table.upper()} / TSN, {precision} {part}"
                figures.append(figure("shift", name, ratio(with_shift, without), goal_of_part))
    for name, eager_goal in (("as trained", EAGER_GOAL), ("batch norms folded", None)):
        interval = ratio(samples[f"tsm eager {name}"], samples["tsm int8 step"])
        figures.append(figure("PyTorch", f"eager, {name} / int8 step", interval, eager_goal, "higher"))
    interval = ratio(samples["tsm int8 graph"], samples["naive int8 graph"])
    figures.append(figure("naive route", "edgeshift's graph / naive route, TSM int8", interval, NAIVE_GOAL))
    for precision in PRECISIONS:
        best = fastest_stack(samples, macs, precision)
        share = samples[f"{best} {precision}"] / macs[best] * macs["tsm"] / samples[f"tsm {precision} graph"]
        figures.append(figure("pointwise", f"TSM {precision} graph / {best}", median(share), None, "higher"))
    for precision in PRECISIONS:
        interval = ratio(samples[f"tsm {precision} whole"], samples[f"tsm {precision} compiled"])
        figures.append(figure("stream", f"Stream.step / run_by_index, TSM {precision}", interval, STREAM_GOAL))
    for fit in FITS:
        interval = ratio(samples[f"pre {fit}"], samples["tsm int8 whole"])
        figures.append(figure("preprocessing", f"640x480 by {fit} / TSM int8 Stream.step", interval, PREPARE_GOAL))
    return figures


def fastest_stack(samples: Samples, macs: dict[str, int], precision: str) -> str:
    """Return the name of the stack of 1x1 convolutions with the most multiply-adds per second."""
    return max(
        (shape.name for shape in SHAPES), key=lambda name: macs[name] / float(np.median(samples[f"{name} {precision}"]))
    )


def after_frame(stream: Stream, frame: Frame, call: Callable[[], object]) -> Turn:
    """Return a turn that times a call, with the caches in the same state as in ``Stream.step``.

    Args:
        stream: prepares a frame before each call, outside the timed part.
        frame: the frame to prepare.
        call: the call to time.
    """

    def run() -> float:
        stream.prepare(frame)
        start = perf_counter()
        call()
        return perf_counter() - start

    return median_turn(run)


def _pre(_call: float, timings: Timings) -> float:
    return timings.pre


def _less_pre(call: float, timings: Timings) -> float:
    return call - timings.pre


def _turns(artifacts: Artifacts, size: int, stack: ExitStack) -> tuple[dict[str, Turn], dict[str, int], list[str]]:
    """Return {name: turn} of all candidates, {name: multiply-adds}, and the runtimes. ``stack`` frees the models."""
    from edgeshift.models.cost import cost
    from edgeshift.models.deploy import deploy
    from edgeshift.runtimes.pytorch import reference

    frame = smooth_clips(size)[0][0]
    turns: dict[str, Turn] = {}
    sources = {table: untrained_network(table, size) for table in ("tsn", *SHIFT_GOALS)}
    models = {}
    for table, source in sources.items():
        for precision in PRECISIONS:
            artifact = artifacts.shipped(source, precision)
            models[table, precision] = model = open_artifact(artifact)
            turns[f"{table} {precision} step"] = stepping(model.stream(), frame, infer)
            inputs = {artifact.spec.input.name: model.stream().prepare(frame)}
            turns[f"{table} {precision} graph"] = calling(interpreted(artifact.body, inputs))
            if table == "tsm":
                compiled = Compiled(artifact.body, inputs)
                stack.callback(compiled.close)
                turns[f"tsm {precision} compiled"] = after_frame(model.stream(), frame, compiled)
                turns[f"tsm {precision} whole"] = stepping(model.stream(), frame, _less_pre)
    turns["naive int8 graph"] = calling(interpreted(artifacts.naive(sources["tsm"], "int8")))
    folded = deploy(sources["tsm"].network)
    eager = {"as trained": reference(sources["tsm"]), "batch norms folded": reference(sources["tsm"], folded)}
    for name, model in eager.items():
        turns[f"tsm eager {name}"] = stepping(model.stream(), frame, infer, inner=1)
    camera_frame = np.random.default_rng(0).integers(0, 256, (*CAMERA, 3), dtype=np.uint8)
    artifact = artifacts.shipped(sources["tsm"], "int8")
    for fit in FITS:
        turns[f"pre {fit}"] = stepping(_fitting(artifact, fit, size), camera_frame, _pre)
    macs = {"tsm": cost(sources["tsm"].network.config).multiply_adds}
    for shape in SHAPES:
        macs[shape.name] = shape.macs
        for precision in PRECISIONS:
            turns[f"{shape.name} {precision}"] = calling(interpreted(artifacts.pointwise(shape, precision)))
    return turns, macs, [models["tsm", "int8"].runtime, eager["as trained"].runtime]


def _fitting(artifact: Artifact, fit: str, size: int) -> Stream:
    """Return a stream of the artifact that fits frames by "squash" or "crop"."""
    frame = msgspec.convert({"height": size, "width": size, "fit": fit}, FrameSpec)
    spec = msgspec.structs.replace(artifact.spec, frame=frame)
    return open_artifact(Artifact(Path(artifact.path.name), spec, artifact.body)).stream()


def _notes(samples: Samples, macs: dict[str, int]) -> Iterator[str]:
    yield f"a TSM step has {macs['tsm'] / 1e6:.0f} million multiply-adds"
    for precision in PRECISIONS:
        best = fastest_stack(samples, macs, precision)
        rate = macs[best] / float(np.median(samples[f"{best} {precision}"])) / 1e9
        yield f"fastest plain 1x1 convolutions, {precision}: {best}, {rate:.0f} billion multiply-adds per second"


main = timing_study("edgeshift.benchmarks.studies.overhead", lambda settings: measure(settings), __doc__ or "")

if __name__ == "__main__":
    sys.exit(main())
