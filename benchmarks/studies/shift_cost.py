"""What a shift costs in each runtime: the step of a TSM or STSM over that of the same network without shift (TSN).

    python -m edgeshift.benchmarks.studies.shift_cost [--size N] [--rounds N] [--repeats N] [--quick] [--json] [--strict]
                                            [--cache DIR]

What is timed is what one waits for: ``Timings.infer`` of ``Stream.step``, states carried, one thread. Networks are
untrained (``subject``), int8 is calibrated on the clips their statistics come from, and all are timed in turns
(``interleave``), in several processes one after the other (``repeats``). A target whose converter or runtime is not
installed here is left out, and said so. Besides: each runtime's TSM step over the fastest one's.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np

from edgeshift.benchmarks.statistics import ratio
from edgeshift.benchmarks.studies.artifacts import Artifacts
from edgeshift.benchmarks.studies.figures import Figure, Report, figure, milliseconds
from edgeshift.benchmarks.studies.interleave import Samples, Turn, interleave
from edgeshift.benchmarks.studies.machine import load_average, this_machine
from edgeshift.benchmarks.studies.notice import Notice
from edgeshift.benchmarks.studies.options import Settings, kept, one_thread
from edgeshift.benchmarks.studies.overhead import infer, stepping
from edgeshift.benchmarks.studies.reporting import report_on
from edgeshift.benchmarks.studies.timing_networks import smooth_clips, subject
from edgeshift.errors import EdgeshiftError, RuntimeMissingError
from edgeshift.targets import TARGETS, Precision, find_runtime

PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
#: Largest step time over TSN's.
GOALS = {"tsm": 1.03, "stsm": 1.05}


def main(arguments: list[str] | None = None) -> int:
    """Run it and print it."""
    return report_on(
        "edgeshift.benchmarks.studies.shift_cost", "What a shift costs in each runtime.", measure, arguments
    )


def measure(settings: Settings) -> Report:
    """Convert what is missing, time everything, and form the figures.

    Raises:
        EdgeshiftError: none of the targets can be timed here.
    """
    notice = Notice()
    with kept(settings.cache) as folder, one_thread():
        turns, runtimes, notes = _turns(folder, settings.size, notice)
        before = load_average()
        with notice.stage("timing", settings.rounds) as advance:
            samples = interleave(turns, settings.rounds, advance=advance)
        after = load_average()
    return Report(
        benchmark="runtimes",
        size=settings.size,
        rounds=settings.rounds,
        repeats=1,
        machine=this_machine(before, after),
        runtimes=runtimes,
        figures=tuple(assemble(samples)),
        notes=notes,
        milliseconds=milliseconds(samples),
    )


def assemble(samples: Samples) -> list[Figure]:
    """The figures of samples under the names that ``_turns`` gives them: "onnx tsm int8", ..."""
    targets = list(dict.fromkeys(name.split()[0] for name in samples))
    found = []
    for target in targets:
        for precision in PRECISIONS:
            for table, goal in GOALS.items():
                over, under = (samples[f"{target} {name} {precision}"] for name in (table, "tsn"))
                found.append(
                    figure(f"shift, {target}", f"{table.upper()} / TSN, {precision}", ratio(over, under), goal)
                )
    names = [f"{target} tsm {precision}" for target in targets for precision in PRECISIONS]
    fastest = min(names, key=lambda name: float(np.median(samples[name])))
    for name in names:
        found.append(figure("runtime", f"{name} / {fastest}", ratio(samples[name], samples[fastest])))
    return found


def _turns(folder: Path, size: int, notice: Notice) -> tuple[dict[str, Turn], tuple[str, ...], tuple[str, ...]]:
    frame = smooth_clips(size)[0][0]
    sources = {table: subject(table, size) for table in ("tsn", *GOALS)}
    artifacts = Artifacts(folder, notice)
    turns: dict[str, Turn] = {}
    runtimes, notes = [], []
    for target in [name for name, target in TARGETS.items() if target.timed]:
        mine: dict[str, Turn] = {}
        try:
            for table, source in sources.items():
                for precision in PRECISIONS:
                    artifact = artifacts.shipped(source, precision, target)
                    model = importlib.import_module(find_runtime(artifact.path).module).open_artifact(artifact)
                    mine[f"{target} {table} {precision}"] = stepping(model.stream(), frame, infer)
        except RuntimeMissingError as error:
            notes.append(f"left out: {target}: {error}")
            continue
        turns |= mine
        runtimes.append(model.runtime)
    if not turns:
        raise EdgeshiftError(f"nothing can be timed here: {'; '.join(notes)}")
    return turns, tuple(runtimes), tuple(notes)


if __name__ == "__main__":
    sys.exit(main())
