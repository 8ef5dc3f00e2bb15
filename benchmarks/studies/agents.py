"""The Python agent and the native agent of ``edgeshift bench``, compared on this machine.

    python -m edgeshift.benchmarks.studies.agents FILE.tflite [--rounds N] [--seconds S] [--json] [--strict]

In every round, each agent measures one repeat in a fresh process, in a random order. A figure is the median over rounds
of the quotient of the two medians of a repeat:

    infer        the part of a step in the runtime: writing the input tensor to it, running the graph, and reading the
                 logits. Both agents run the same library, so it must agree within 2% on frames of the network's size.
                 Frames of 640x480 are measured too, without a goal: fitting them evicts more of the network from the
                 caches in Python, where OpenCV does it with several threads.
    end_to_end   a whole step. Python adds more to a step than C++, so this has no goal.

`make agents` builds the native agent.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.devices.local import LocalDevice
from edgeshift.benchmarks.devices.messages import call_worker
from edgeshift.benchmarks.devices.native import NativeDevice, require_native
from edgeshift.benchmarks.latency.bench import Plan, open_candidate, push_job
from edgeshift.benchmarks.latency.messages import RepeatEnded
from edgeshift.benchmarks.latency.result import Repeat
from edgeshift.benchmarks.statistics import ratio
from edgeshift.benchmarks.studies.bench_run import bench_settings
from edgeshift.benchmarks.studies.command import Json, Rounds, Strict, print_if_busy, print_json, print_table, study
from edgeshift.benchmarks.studies.figures import COLUMNS, Figure, figure, figure_cells
from edgeshift.benchmarks.studies.interleave import Samples
from edgeshift.benchmarks.studies.machine import Machine, load_average, this_machine

#: Largest difference between the ``infer`` phases of the two agents on fitted frames, as a share.
GOAL = 0.02
PHASES = ("infer", "end_to_end")
#: {size of the frames: width and height; 0: the network's}.
SIZES = {"fitted": (0, 0), "640x480": (640, 480)}
#: Seconds that one repeat may take.
TIMEOUT = 600.0


class AgentsReport(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one run.

    Attributes:
        machine, rounds: the machine and how busy it was, and the number of rounds.
        figures: native agent / Python agent, for the sizes in ``SIZES`` and the phases in ``PHASES``.
        milliseconds: {agent, size and phase: median over rounds of the median of a repeat}. Only ratios are compared.
        difference: how much the ``infer`` phases differ on fitted frames, as a share; ``goal``: the most that is
            accepted.
    """

    machine: Machine
    rounds: int
    figures: tuple[Figure, ...]
    milliseconds: dict[str, float]
    difference: float
    goal: float = GOAL

    @property
    def met(self) -> bool:
        """True if the ``infer`` phases agree."""
        return self.difference <= self.goal


@study
def main(
    file: Annotated[Path, typer.Argument(help="A TFLite artifact.")],
    rounds: Rounds = 20,
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds for which each repeat times steps.")] = 1.0,
    as_json: Json = False,
    strict: Strict = False,
) -> int:
    """Compare the Python agent and the native agent on this machine."""
    result = measure(file, rounds, seconds)
    print_json(result) if as_json else show(result)
    return 0 if result.met or not strict else 1


def measure(path: Path, rounds: int, seconds: float, agents: Path | None = None) -> AgentsReport:
    """Measure in turns.

    Args:
        path: a TFLite artifact.
        rounds: number of rounds.
        seconds: seconds for which each repeat times steps.
        agents: folder of the native agent; None: where `make agents` writes it.

    Raises:
        EdgeshiftError: an agent cannot measure the artifact.
    """
    require_native(path, runtimes=("tflite",))
    before = load_average()
    devices: dict[str, Device] = {"python": LocalDevice(), "native": NativeDevice(LocalDevice(), agents=agents)}
    candidate, random = open_candidate(path), np.random.default_rng(0)
    turns = [(name, size) for name in devices for size in SIZES]
    samples: Samples = {f"{name} {size} {phase}": np.empty(rounds) for name, size in turns for phase in PHASES}
    with tempfile.TemporaryDirectory(prefix="edgeshift-") as folder:
        jobs = {}
        for size, (width, height) in SIZES.items():
            changes = {"seconds": seconds, "width": width, "height": height}
            settings = msgspec.structs.replace(bench_settings("rapid"), **changes)
            plan = Plan(devices["python"], [candidate], settings, "drawn", LocalDevice().facts(), idle_seconds=0.0)
            own = Path(folder, size)
            own.mkdir()
            jobs[size] = push_job(plan, candidate, own)
        for index in range(rounds):
            for at in random.permutation(len(turns)):
                name, size = turns[at]
                repeat = call_worker(devices[name], ["bench", jobs[size]], TIMEOUT, RepeatEnded).repeat
                for phase in PHASES:
                    samples[f"{name} {size} {phase}"][index] = _median(repeat, phase)
    intervals = {
        f"{size} {phase}": ratio(samples[f"native {size} {phase}"], samples[f"python {size} {phase}"])
        for size in SIZES
        for phase in PHASES
    }
    return AgentsReport(
        machine=this_machine(before, load_average()),
        rounds=rounds,
        figures=tuple(figure("agents", f"{name}: native / Python", interval) for name, interval in intervals.items()),
        milliseconds={name: round(float(np.median(values)), 4) for name, values in samples.items()},
        difference=round(abs(intervals["fitted infer"].value - 1), 5),
    )


def _median(repeat: Repeat, phase: str) -> float:
    """Return the median of a phase of a repeat, milliseconds."""
    return float(np.median(getattr(repeat, phase))) / 1e3


def show(result: AgentsReport) -> None:
    """Print the figures."""
    print_table(COLUMNS, [figure_cells(figure) for figure in result.figures])
    print("milliseconds: " + ", ".join(f"{name} {value:.3f}" for name, value in result.milliseconds.items()))
    verdict = "reached" if result.met else "missed"
    print(f"infer on fitted frames differs by {result.difference:.1%} (goal: at most {result.goal:.0%}, {verdict})")
    print_if_busy(result.machine.quiet)


if __name__ == "__main__":
    sys.exit(main())
