"""What edgeshift adds to a network, measured against the network itself, LiteRT and PyTorch.

    python -m edgeshift.benchmarks.studies.overhead [--size N] [--rounds N] [--repeats N] [--quick] [--json] [--strict]

    shift          the step of TSM or STSM, divided by the step of the same network without shift (TSN), in two ways.
                   step: ``Timings.infer`` of ``Stream.step``, states carried. graph: the operators alone
                   (``Interpreter.invoke``), states not carried.
    PyTorch        the step in eager PyTorch, divided by our int8 step; both ``Timings.infer``.
    naive route    our int8 graph, divided by the graph that LiteRT's tools make with their defaults; both
                   ``Interpreter.invoke``.
    pointwise      multiply-adds per second of the graph, divided by those of plain 1x1 convolutions (the fastest of
                   several shapes); both ``Interpreter.invoke``.
    stream         ``Stream.step`` less its ``Timings.pre``, divided by ``CompiledModel.run_by_index`` with the same
                   buffers every time. Before each call of either a frame is prepared, because that evicts a part of
                   the network from the caches. What remains is the copy of the frame, the exchange of the state
                   buffers, the copy of the logits, the label, and the work between the two clock readings.
    preprocessing  ``Timings.pre`` of a 640x480 frame, divided by that same step.

The networks are untrained (``timing_networks``), int8 is calibrated on the clips that their statistics come from, and
every runtime has one thread. All candidates are timed in turns (``interleave``), in several processes (``repeats``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

import msgspec
import numpy as np

from edgeshift._system.progress import ProgressBars
from edgeshift._system.quiet import quiet
from edgeshift.artifact.file import Artifact
from edgeshift.benchmarks.statistics import median, ratio
from edgeshift.benchmarks.studies.artifacts import Artifacts
from edgeshift.benchmarks.studies.command import artifact_folder, one_thread
from edgeshift.benchmarks.studies.figures import Figure, Report, figure, milliseconds
from edgeshift.benchmarks.studies.interleave import INNER, Samples, Turn, calling, interleave
from edgeshift.benchmarks.studies.machine import load_average, this_machine
from edgeshift.benchmarks.studies.pointwise import SHAPES
from edgeshift.benchmarks.studies.raw_litert import Compiled, interpreted
from edgeshift.benchmarks.studies.repeats import Settings, timing_study
from edgeshift.benchmarks.studies.timing_networks import smooth_clips, untrained_network
from edgeshift.runtimes.tflite import open_artifact
from edgeshift.stream import Stream, Timings
from edgeshift.targets import Precision
from edgeshift.video.fit import Frame, FrameSpec

PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
#: The largest step time that is wanted, divided by TSN's.
SHIFT_GOALS = {"tsm": 1.02, "stsm": 1.03}
EAGER_GOAL, NAIVE_GOAL, STREAM_GOAL, PREPARE_GOAL = 4.0, 0.95, 1.02, 0.10
CAMERA = (480, 640)
FITS = ("squash", "crop")


def measure(settings: Settings) -> Report:
    """Convert the artifacts that are not in the cache, time all candidates, and compute the figures."""
    progress = ProgressBars(live=False)
    with artifact_folder(settings.cache) as folder, one_thread(), ExitStack() as stack:
        turns, macs, runtimes = _turns(Artifacts(folder, progress), settings.size, stack)
        before = load_average()
        with progress.stage("timing", settings.rounds) as advance:
            samples = interleave(turns, settings.rounds, advance=advance)
        after = load_average()
    return Report(
        benchmark="overhead",
        size=settings.size,
        rounds=settings.rounds,
        repeats=1,
        machine=this_machine(before, after),
        runtimes=runtimes,
        figures=tuple(assemble(samples, macs)),
        notes=_notes(samples, macs),
        milliseconds=milliseconds(samples),
    )


def assemble(samples: Samples, macs: dict[str, int]) -> list[Figure]:
    """Compute the figures.

    Args:
        samples: {name given by ``_turns``: seconds, one per round}.
        macs: multiply-adds of "tsm" and of each stack in ``SHAPES``, by name.
    """
    found = []
    for precision in PRECISIONS:
        for table, goal in SHIFT_GOALS.items():
            for what, wanted in (("step", goal), ("graph", None)):
                over, under = (samples[f"{name} {precision} {what}"] for name in (table, "tsn"))
                name = f"{table.upper()} / TSN, {precision} {what}"
                found.append(figure("shift", name, ratio(over, under), wanted))
    step = samples["tsm int8 step"]
    for name, wanted in (("as trained", EAGER_GOAL), ("batch norms folded", None)):
        interval = ratio(samples[f"tsm eager {name}"], step)
        found.append(figure("PyTorch", f"eager, {name} / int8 step", interval, wanted, "higher"))
    interval = ratio(samples["tsm int8 graph"], samples["naive int8 graph"])
    found.append(figure("naive route", "ours / naive, TSM int8 graph", interval, NAIVE_GOAL))
    for precision in PRECISIONS:
        best = yardstick(samples, macs, precision)
        share = samples[f"{best} {precision}"] / macs[best] * macs["tsm"] / samples[f"tsm {precision} graph"]
        found.append(figure("pointwise", f"TSM {precision} graph / {best}", median(share), None, "higher"))
    for precision in PRECISIONS:
        interval = ratio(samples[f"tsm {precision} whole"], samples[f"tsm {precision} compiled"])
        found.append(figure("stream", f"Stream.step / run_by_index, TSM {precision}", interval, STREAM_GOAL))
    for fit in FITS:
        interval = ratio(samples[f"pre {fit}"], samples["tsm int8 whole"])
        found.append(figure("preprocessing", f"640x480 by {fit} / TSM int8 Stream.step", interval, PREPARE_GOAL))
    return found


def yardstick(samples: Samples, macs: dict[str, int], precision: str) -> str:
    """The name of the stack of 1x1 convolutions with the most multiply-adds per second."""
    return max(
        (shape.name for shape in SHAPES), key=lambda name: macs[name] / float(np.median(samples[f"{name} {precision}"]))
    )


def stepping(
    stream: Stream,
    frame: Frame,
    part: Callable[[float, Timings], float],
    inner: int = INNER,
    clock: Callable[[], float] = perf_counter,
) -> Turn:
    """A turn that times a part of ``Stream.step``.

    Args:
        stream: the stream that is stepped.
        frame: the frame that every step gets.
        part: computes the seconds that count from those of the whole call and the prediction's own timings.
        inner: steps whose median is taken. One more step goes before them.
        clock: returns the time in seconds.
    """

    def step() -> float:
        start = clock()
        prediction = stream.step(frame)
        return part(clock() - start, prediction.timings)

    with quiet():
        stream.step(frame)  # at the first write to a buffer LiteRT initialises and logs

    def turn() -> float:
        step()
        return float(np.median([step() for _ in range(inner)]))

    return turn


def after(
    stream: Stream,
    frame: Frame,
    call: Callable[[], object],
    inner: int = INNER,
    clock: Callable[[], float] = perf_counter,
) -> Turn:
    """A turn that times a bare call with the caches in the same state as in ``Stream.step``.

    Args:
        stream: prepares a frame before each call; that time does not count.
        frame: the frame that is prepared.
        call: the bare call.
        inner: calls whose median is taken. One more call goes before them.
        clock: returns the time in seconds.
    """

    def once() -> float:
        stream.prepare(frame)
        start = clock()
        call()
        return clock() - start

    def turn() -> float:
        once()
        return float(np.median([once() for _ in range(inner)]))

    return turn


def infer(_call: float, timings: Timings) -> float:
    """The seconds of a step that the runtime takes."""
    return timings.infer


def _pre(_call: float, timings: Timings) -> float:
    return timings.pre


def _less_pre(call: float, timings: Timings) -> float:
    return call - timings.pre


def _turns(
    artifacts: Artifacts, size: int, stack: ExitStack
) -> tuple[dict[str, Turn], dict[str, int], tuple[str, ...]]:
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
            fill = {artifact.spec.input.name: model.stream().prepare(frame)}
            turns[f"{table} {precision} graph"] = calling(interpreted(artifact.body, fill))
            if table == "tsm":
                compiled = Compiled(artifact.body, fill)
                stack.callback(compiled.close)
                turns[f"tsm {precision} compiled"] = after(model.stream(), frame, compiled)
                turns[f"tsm {precision} whole"] = stepping(model.stream(), frame, _less_pre)
    turns["naive int8 graph"] = calling(interpreted(artifacts.naive(sources["tsm"], "int8")))
    folded = deploy(sources["tsm"].network)
    eager = {"as trained": reference(sources["tsm"]), "batch norms folded": reference(sources["tsm"], folded)}
    for name, model in eager.items():
        turns[f"tsm eager {name}"] = stepping(model.stream(), frame, infer, inner=1)
    picture = np.random.default_rng(0).integers(0, 256, (*CAMERA, 3), dtype=np.uint8)
    artifact = artifacts.shipped(sources["tsm"], "int8")
    for fit in FITS:
        turns[f"pre {fit}"] = stepping(_fitting(artifact, fit, size), picture, _pre)
    macs = {"tsm": cost(sources["tsm"].network.config).multiply_adds}
    for shape in SHAPES:
        macs[shape.name] = shape.macs
        for precision in PRECISIONS:
            turns[f"{shape.name} {precision}"] = calling(interpreted(artifacts.pointwise(shape, precision)))
    return turns, macs, (models["tsm", "int8"].runtime, eager["as trained"].runtime)


def _fitting(artifact: Artifact, fit: str, size: int) -> Stream:
    """A stream of the artifact that fits frames by the given method."""
    frame = msgspec.convert({"height": size, "width": size, "fit": fit}, FrameSpec)
    spec = msgspec.structs.replace(artifact.spec, frame=frame)
    return open_artifact(Artifact(Path(artifact.path.name), spec, artifact.body)).stream()


def _notes(samples: Samples, macs: dict[str, int]) -> tuple[str, ...]:
    notes = [f"a TSM step is {macs['tsm'] / 1e6:.0f} million multiply-adds"]
    for precision in PRECISIONS:
        best = yardstick(samples, macs, precision)
        rate = macs[best] / float(np.median(samples[f"{best} {precision}"])) / 1e9
        notes.append(
            f"fastest plain pointwise convolutions, {precision}: {best}, {rate:.0f} billion multiply-adds per second"
        )
    return tuple(notes)


main = timing_study("edgeshift.benchmarks.studies.overhead", lambda settings: measure(settings), __doc__ or "")

if __name__ == "__main__":
    sys.exit(main())
