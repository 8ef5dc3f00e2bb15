"""The cost of a shift in each runtime: the step of TSM or STSM, divided by the step without shift (TSN).

    python -m edgeshift.benchmarks.studies.shift_cost [--size N] [--rounds N] [--repeats N] [--quick] [--json]

``Timings.infer`` of ``Stream.step`` is timed, with states carried and one thread. The networks are untrained
(``timing_networks``), int8 is calibrated on the clips that set the batch norms, and all candidates are timed in turns
(``interleave``), in several processes (``repeats``). A target whose converter or runtime is not installed is left out,
with a note. The last group divides the TSM step of each runtime by the fastest TSM step.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np

from edgeshift._system.progress import ProgressBars
from edgeshift.benchmarks.statistics import ratio
from edgeshift.benchmarks.studies.artifacts import Artifacts
from edgeshift.benchmarks.studies.command import artifact_folder, one_thread
from edgeshift.benchmarks.studies.figures import Figure, StudyReport, figure, time_turns
from edgeshift.benchmarks.studies.interleave import Samples, Turn, infer, stepping
from edgeshift.benchmarks.studies.repeats import TimingSettings, timing_study
from edgeshift.benchmarks.studies.timing_networks import smooth_clips, untrained_network
from edgeshift.errors import EdgeshiftError, RuntimeMissingError
from edgeshift.targets import TARGETS, Precision, find_runtime

PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
#: {shift table: largest step time that is acceptable, divided by the step time of TSN}.
GOALS = {"tsm": 1.03, "stsm": 1.05}


def measure(settings: TimingSettings) -> StudyReport:
    """Convert the artifacts that are not in the cache, time all candidates, and compute the figures.

    Raises:
        EdgeshiftError: no target can be timed on this machine.
    """
    with artifact_folder(settings.cache) as folder, one_thread():
        turns, runtimes, notes = _turns(folder, settings.size)
        return time_turns("runtimes", settings.size, settings.rounds, turns, runtimes, assemble, lambda _: notes)


def assemble(samples: Samples) -> list[Figure]:
    """Compute the figures from samples, whose names have the form "TARGET SHIFT-TABLE PRECISION"."""
    targets = list(dict.fromkeys(name.split()[0] for name in samples))
    figures = []
    for target in targets:
        for precision in PRECISIONS:
            for table, goal in GOALS.items():
                with_shift, without = (samples[f"{target} {name} {precision}"] for name in (table, "tsn"))
                name = f"{table.upper()} / TSN, {precision}"
                figures.append(figure(f"shift, {target}", name, ratio(with_shift, without), goal))
    names = [f"{target} tsm {precision}" for target in targets for precision in PRECISIONS]
    fastest = min(names, key=lambda name: float(np.median(samples[name])))
    return figures + [
        figure("runtime", f"{name} / {fastest}", ratio(samples[name], samples[fastest])) for name in names
    ]


def _turns(folder: Path, size: int) -> tuple[dict[str, Turn], list[str], list[str]]:
    """Return {name: turn} of all candidates, their runtimes, and a note for each target that is left out."""
    frame = smooth_clips(size)[0][0]
    sources = {table: untrained_network(table, size) for table in ("tsn", *GOALS)}
    artifacts = Artifacts(folder, ProgressBars(live=False))
    turns: dict[str, Turn] = {}
    runtimes, notes = [], []
    for target in [name for name, target in TARGETS.items() if target.timed]:
        turns_of_target: dict[str, Turn] = {}
        try:
            for table, source in sources.items():
                for precision in PRECISIONS:
                    artifact = artifacts.shipped(source, precision, target)
                    model = importlib.import_module(find_runtime(artifact.path).module).open_artifact(artifact)
                    turns_of_target[f"{target} {table} {precision}"] = stepping(model.stream(), frame, infer)
        except RuntimeMissingError as error:
            notes.append(f"{target} is left out: {error}")
            continue
        turns |= turns_of_target
        runtimes.append(model.runtime)
    if not turns:
        raise EdgeshiftError(f"no target can be timed on this machine: {'; '.join(notes)}")
    return turns, runtimes, notes


main = timing_study("edgeshift.benchmarks.studies.shift_cost", lambda settings: measure(settings), __doc__ or "")

if __name__ == "__main__":
    sys.exit(main())
