"""The table of networks: network x mode x target x precision, with parity, operators, size, and time of an answer.

    python -m edgeshift.benchmarks.studies.networks --out artifacts [--networks A,B] [--frames T] [--size N] [--json]

A network is a registry name, with fields of ``ModelConfig`` that differ from the defaults: ``tsm_resnet50``, or
``tsm_resnet50+place=block+div=4``. Its weights are untrained. As a stream, it shifts features from the past. As a clip
of T frames, the same weights also shift features from the future. A network of a user's own code is given as
``file.py:function``, as for ``edgeshift convert --network``, and its code is run. The function must return what
``edgeshift.adopt`` returns, for frames of ``--size``.

Each artifact is compared with the original. ``Timings.infer`` of an answer of the clip and of a step of the stream are
then timed in turns in one process, with one thread for each runtime. The ratio is the time of an answer of the clip,
divided by that of T steps of the stream. Core ML and TensorRT are not timed. Artifacts of the same network that the
folder already has are not converted again, so an interrupted run continues where it stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.file import artifact_size, read_artifact
from edgeshift.artifact.spec import GraphSpec, Mode, ParitySpec
from edgeshift.benchmarks.latency.steps import timed_steps
from edgeshift.benchmarks.statistics import Interval, ratio
from edgeshift.benchmarks.studies.command import (
    Json,
    Out,
    Rounds,
    markdown_table,
    one_thread,
    print_json,
    print_table,
    study,
    write_json,
)
from edgeshift.benchmarks.studies.every_target import convert_missing, parity_cells, read_choices
from edgeshift.benchmarks.studies.interleave import Turn, infer, interleave, stepping
from edgeshift.benchmarks.studies.machine import Machine, load_average, this_machine
from edgeshift.benchmarks.studies.repeats import ROUNDS
from edgeshift.checkpoints.source import untrained_variant
from edgeshift.errors import EdgeshiftError, one_line
from edgeshift.runtimes import load
from edgeshift.targets import ALL_PRECISIONS, Precision, find_target

if TYPE_CHECKING:
    from edgeshift.checkpoints import Checkpoint
    from edgeshift.converters import ClipOptions

RESULTS = "networks.json"
NETWORKS = ("tsm_mobilenet_v2", "tsm_resnet50")
FRAMES, SIZE = 8, 112
#: For each mode and precision, {target: path of the artifact, or the reason why there is none}.
Found = dict[tuple[Mode, Precision], dict[str, Path | str]]


class NetworkRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One network in one mode, for one target in one precision.

    Attributes:
        network, mode, target, precision: what was converted.
        reason: why there is no artifact; None: there is one.
        problems: limits of parity that the artifact does not keep.
        parity, graph: the comparison with the original network, and the operators.
        size: size of the artifact, bytes.
        answer: time of an answer in the runtime, milliseconds: of one frame, or of a whole clip. None: not timed.
        steps: for a clip: ``answer``, divided by the time of as many steps of the stream as the clip has frames; None:
            not timed, or there is no stream.
    """

    network: str
    mode: Mode
    target: str
    precision: Precision
    reason: str | None = None
    problems: tuple[str, ...] = ()
    parity: ParitySpec | None = None
    graph: GraphSpec | None = None
    size: int = 0
    answer: float | None = None
    steps: Interval | None = None

    @property
    def transposes(self) -> int | None:
        """Number of operators that transpose a tensor; None: not known."""
        if self.graph is None:
            return None
        return sum(count for name, count in self.graph.operators.items() if "transpose" in name.lower())


class NetworkStudy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One run of the study: the frames of a clip, the size of a frame in pixels, the machine, and the rows."""

    frames: int
    size: int
    rounds: int
    machine: Machine
    rows: tuple[NetworkRow, ...]


@study
def main(
    out: Out,
    networks: Annotated[
        str, typer.Option(metavar="A,B", help="Networks: NAME, NAME+FIELD=VALUE, or FILE.py:FUNCTION.")
    ] = ",".join(NETWORKS),
    targets: Annotated[str | None, typer.Option(metavar="A,B", help="Targets. Default: all.")] = None,
    precisions: Annotated[str, typer.Option(metavar="A,B", help="Precisions.")] = ",".join(ALL_PRECISIONS),
    frames: Annotated[int, typer.Option(min=2, help="Frames of a clip.")] = FRAMES,
    size: Annotated[int, typer.Option(min=32, help="Height and width of the frames, pixels.")] = SIZE,
    rounds: Rounds = ROUNDS,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """Convert networks as streams and as clips, and compare parity, operators, size and time."""
    chosen, names = read_choices(precisions, targets)
    result = measure(out, networks.split(","), names, chosen, frames, size, rounds)
    write_json(result, out / RESULTS)
    if as_json:
        print_json(result)
    elif as_markdown:
        print(markdown(result), end="")
    else:
        print_table(COLUMNS, table(result), f"clips of {frames} frames of {size}x{size}: {LEGEND}")
        for line in reasons(result.rows):
            print(line)


def measure(
    folder: Path,
    networks: list[str],
    targets: list[str],
    precisions: list[Precision],
    frames: int,
    size: int,
    rounds: int,
) -> NetworkStudy:
    """Convert every network in both modes to every target in every precision, and time what can be timed.

    Raises:
        EdgeshiftError: a network is not known, or its size is not possible.
    """
    from edgeshift.converters import ClipOptions

    before, progress, rows = load_average(), ProgressBars(live=False), list[NetworkRow]()
    clip = ClipOptions(frames, hop=max(1, frames // 2))
    for network in networks:
        if ".py:" not in network:
            _past(network, size)  # a misspelled name is an error instead of a table of reasons
        found: Found = {}
        home = folder / f"{_file_name(network)}_{size}"
        forms: tuple[tuple[Mode, ClipOptions | None], ...] = (("stream", None), ("clip", clip))
        for mode, options in forms:
            for precision in precisions:
                try:
                    with progress.prefixed(f"{_title(network)} {mode} {precision}"):
                        paths = convert_missing(
                            _source(network, size, mode), home, targets, precision, progress, options, force=True
                        )
                except EdgeshiftError as error:  # the network has no such form, or its states no such precision
                    paths = dict.fromkeys(targets, one_line(error))
                found[mode, precision] = paths
        rows += _timed(network, found, frames, rounds, progress)
    return NetworkStudy(
        frames=frames, size=size, rounds=rounds, machine=this_machine(before, load_average()), rows=tuple(rows)
    )


def _file_name(network: str) -> str:
    """Return a name for the folder of a network's artifacts: an own network without the path of its file."""
    return network.rpartition("/")[2].replace(".py:", "_").replace("+", "_").replace("=", "_")


def _title(network: str) -> str:
    """Return how the table calls a network."""
    own = network.rpartition(".py:")[2]
    return network.replace("+", ", ").replace("=", " ") if own == network else own


@lru_cache(1)
def _past(network: str, size: int) -> Checkpoint:
    """Return a network of the registry that shifts features from the past.

    Raises:
        EdgeshiftError: the network is not known, or its size is not possible.
    """
    name, *fields = network.split("+")
    return untrained_variant(name, size=size, **dict(field.partition("=")[::2] for field in fields))


@lru_cache(1)
def _source(network: str, size: int, mode: Mode) -> Checkpoint:
    """Return the network for a mode. In both modes, it has the same weights.

    Raises:
        EdgeshiftError: the network is not known, or has no such form.
    """
    if ".py:" in network:
        from edgeshift.checkpoints.adoption.user_code import adopt_from_file

        own = adopt_from_file(network, None, streams=mode == "stream")
        if own.config.size != size:
            raise EdgeshiftError(f"{network} takes frames of size {own.config.size}, and --size is {size}")
        return own
    past = _past(network, size)
    if mode == "stream":
        if reason := past.config.clip_only:
            raise EdgeshiftError(f"{reason} needs whole clips")
        return past
    return _with_future(past)


def _with_future(source: Checkpoint) -> Checkpoint:
    """Return a network with the same weights, whose shift also reads the next frame."""
    from edgeshift.models import build

    network = build(msgspec.structs.replace(source.config, bidirectional=True)).eval()
    network.load_state_dict(source.network.state_dict())
    return replace(source, network=network)


def _row(network: str, mode: Mode, target: str, precision: Precision, found: Path | str) -> NetworkRow:
    row = NetworkRow(network=_title(network), mode=mode, target=target, precision=precision)
    if isinstance(found, str):
        return msgspec.structs.replace(row, reason=found)
    spec = read_artifact(found).spec
    return msgspec.structs.replace(
        row, parity=spec.parity, graph=spec.graph, size=artifact_size(found), problems=spec.problems
    )


def _timed(
    network: str,
    found: Found,
    frames: int,
    rounds: int,
    progress: ProgressBars,
) -> list[NetworkRow]:
    """Return the rows of one network. All of its artifacts that can be timed are timed in turns."""
    pictures = list(np.random.default_rng(0).integers(0, 256, (frames, 240, 320, 3), np.uint8))
    turns: dict[str, Turn] = {}
    keys = [(mode, target, precision) for (mode, precision), paths in found.items() for target in paths]
    with one_thread(), progress.stage(f"{_title(network)} timing", rounds) as advance:
        for mode, target, precision in keys:
            path = found[mode, precision][target]
            if isinstance(path, Path) and find_target(target).timed:
                stepper, items = timed_steps(load(path).stream(), pictures)
                turns[f"{mode} {target} {precision}"] = stepping(stepper, items[0], infer)
        samples = interleave(turns, rounds, advance=advance) if turns else {}
    rows = []
    for mode, target, precision in keys:
        row = _row(network, mode, target, precision, found[mode, precision][target])
        times, steps = (samples.get(f"{form} {target} {precision}") for form in (mode, "stream"))
        if times is not None:
            row = msgspec.structs.replace(row, answer=round(1000 * float(np.median(times)), 3))
        if mode == "clip" and times is not None and steps is not None:
            row = msgspec.structs.replace(row, steps=ratio(times, frames * steps))
        rows.append(row)
    return rows


COLUMNS = (
    *("network", "mode", "target", "precision", "parity", "max error", "cosine", "top-1 agrees"),
    *("partitions", "transposes", "size", "ms per answer", "answer / steps"),
)
LEGEND = (
    "max error: largest logit error, divided by the range of the logits; answer / steps: time of an answer of the "
    "clip, divided by that of as many stream steps as the clip has frames"
)


def cells(row: NetworkRow) -> tuple[str, ...]:
    """Return the cells of a row with an artifact, in the order of ``COLUMNS``."""
    partitions = None if row.graph is None else row.graph.partitions
    counts = ["-" if count is None else str(count) for count in (partitions, row.transposes)]
    return (
        *(row.network, row.mode, row.target, row.precision),
        "fails" if row.problems else "passes",
        *parity_cells(row.parity),
        *counts,
        f"{row.size / 1e6:.2f} MB",
        "-" if row.answer is None else f"{row.answer:.2f}",
        "-" if row.steps is None else str(row.steps),
    )


def reasons(rows: Iterable[NetworkRow]) -> list[str]:
    """Return a line for each reason why there is no artifact: "NETWORK, MODE (TARGET PRECISION, ...): REASON"."""
    found: dict[tuple[str, Mode, str], list[str]] = {}
    for row in rows:
        if row.reason is not None:
            found.setdefault((row.network, row.mode, row.reason), []).append(f"{row.target} {row.precision}")
    return [f"{network}, {mode} ({', '.join(cases)}): {reason}" for (network, mode, reason), cases in found.items()]


def table(result: NetworkStudy) -> list[tuple[str, ...]]:
    """Return the cells of all rows with an artifact."""
    return [cells(row) for row in result.rows if row.reason is None]


def markdown(result: NetworkStudy) -> str:
    """Return the table as Markdown, and a list of the reasons under it."""
    lines = "".join(f"- {line}\n" for line in reasons(result.rows))
    return markdown_table(COLUMNS, table(result)) + (f"\nWithout an artifact:\n\n{lines}" if lines else "")


if __name__ == "__main__":
    sys.exit(main())
