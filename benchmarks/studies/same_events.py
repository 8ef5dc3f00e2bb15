"""Whether two artifacts of one network announce the same events in a drawn minute.

    python -m edgeshift.benchmarks.studies.same_events F --against G --out DIR [--seconds 60] [--seed S] [--strict]

F is, for example, the .qnn.onnx file for Qualcomm's NPU, which runs on the simulator here, and G the int8 .onnx file of
the same network, which runs on the CPU. One stream is drawn (``edgeshift.gestures``), and each artifact is fed every
frame and carries its own states. Then the event rule of F is applied to both. Events are the same if their labels are
the same, in the same order and in the same frames.

A simulator takes half a second for a frame, so the results of every ten frames are stored in DIR, and a run that was
stopped goes on from there.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer

from edgeshift._system.files import atomic_write, sha256
from edgeshift._system.progress import ProgressBars
from edgeshift.benchmarks.studies.command import Json, Out, Strict, print_json, print_table, require_stream, study
from edgeshift.benchmarks.studies.events import FIRST_SEED, SEEDS, strokes_of
from edgeshift.errors import ArtifactError, EdgeshiftError
from edgeshift.events.default_rule import default_rule
from edgeshift.gestures import SPACING, DrawnStream, draw_stream
from edgeshift.runtimes import load
from edgeshift.stream import Array, Model
from edgeshift.stream.placement import Placement

#: Number of frames after which results are stored.
STORED = 10


class Announced(msgspec.Struct, frozen=True):
    """One event: its label, and the number of the frame with which it was announced, counted from 0."""

    label: str
    frame: int


class SameEvents(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the study.

    Attributes:
        files: names of both artifacts.
        runtimes: what ran each of them.
        ran_on: where each of them ran, as its runtime says.
        seconds, frames: length of the stream.
        seed: the value of ``--seed``.
        drawn: labels of the gestures in the stream, in their order.
        events: what each artifact announced.
        same: whether both announced the same labels in the same frames.
        apart: largest distance between the two announcements of one event, frames; None: the labels or their order
            differ.
        top1: share of the frames in which both have the same largest logit.
        error: largest difference of a logit, as a share of the range of the second artifact's logits.
    """

    files: tuple[str, str]
    runtimes: tuple[str, str]
    ran_on: tuple[Placement, Placement]
    seconds: float
    frames: int
    seed: int
    drawn: tuple[str, ...]
    events: tuple[tuple[Announced, ...], tuple[Announced, ...]]
    same: bool
    apart: int | None
    top1: float
    error: float


@study
def main(
    file: Annotated[Path, typer.Argument(metavar="F", help="An artifact for streams.")],
    against: Annotated[Path, typer.Option(metavar="G", help="Another artifact of the same network. [required]")],
    out: Out,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="Length of the stream, seconds.")] = 60,
    seed: Annotated[int, typer.Option(min=0, max=SEEDS - 1, help="Which stream is drawn.")] = 0,
    as_json: Json = False,
    strict: Strict = False,
) -> int:
    """Feed one drawn stream to two artifacts, and compare the events that they announce."""
    result = measure(file, against, out, seconds, seed)
    if as_json:
        print_json(result)
    else:
        show(result)
    return int(strict and not (result.same and result.events[0]))


def measure(file: Path, against: Path, out: Path, seconds: float, seed: int) -> SameEvents:
    """Feed one drawn stream to two artifacts.

    Args:
        file, against: the artifacts.
        out: folder of the stored results.
        seconds: length of the stream.
        seed: which stream is drawn.

    Raises:
        EdgeshiftError: the artifacts differ in labels, frame size or spacing, or have no label that can be drawn.
    """
    models = load(file), load(against)
    first, second = (model.spec for model in models)
    for path, spec in ((file, first), (against, second)):
        require_stream(path, spec)
    if (first.labels, first.frame, first.frame_spacing) != (second.labels, second.frame, second.frame_spacing):
        raise EdgeshiftError(
            f"{file} and {against} differ in their labels, frames or frame spacing: convert one network"
        )
    strokes = strokes_of(file, first.labels)
    spacing = first.frame_spacing or SPACING
    size = max(first.frame.height, first.frame.width)
    drawn = draw_stream(FIRST_SEED + seed, seconds=seconds, spacing=spacing, size=size, strokes=strokes)
    out.mkdir(parents=True, exist_ok=True)
    logits = [answers(model, path, drawn, out) for model, path in zip(models, (file, against), strict=True)]
    rule = first.rule or default_rule(first.labels, spacing)
    announced = []
    for model, answered in zip(models, logits, strict=True):
        spotter = model.stream().spotter(rule)
        found = [spotter.feed(row, float(time)) for row, time in zip(answered, drawn.times, strict=True)]
        announced.append(tuple(Announced(event.label, n) for n, event in enumerate(found) if event is not None))
    return SameEvents(
        files=(file.name, against.name),
        runtimes=(models[0].runtime, models[1].runtime),
        ran_on=(models[0].placement, models[1].placement),
        seconds=seconds,
        frames=len(drawn.frames),
        seed=seed,
        drawn=tuple(event.label for event in drawn.events),
        events=(announced[0], announced[1]),
        same=announced[0] == announced[1],
        apart=_distance(announced[0], announced[1]),
        top1=float((logits[0].argmax(1) == logits[1].argmax(1)).mean()),
        error=float(np.abs(logits[0] - logits[1]).max() / max(float(np.ptp(logits[1])), 1e-12)),
    )


def _distance(first: Sequence[Announced], second: Sequence[Announced]) -> int | None:
    """Return the largest distance between the two announcements of one event, frames; None: see ``SameEvents``."""
    if [event.label for event in first] != [event.label for event in second]:
        return None
    return max((abs(a.frame - b.frame) for a, b in zip(first, second, strict=True)), default=0)


def answers(model: Model, path: Path, drawn: DrawnStream, out: Path) -> Array:
    """Return the logits of all frames of a drawn stream, [frames, labels]. Stored ones are not computed again.

    Results are stored for one artifact, one runtime with its version, and one stream of frames.

    Raises:
        ArtifactError: a stored result is damaged.
    """
    frames = sha256(drawn.frames.tobytes())[:16]
    ran = sha256(path.read_bytes() + model.runtime.encode())[:16]
    stored = out / f"{ran}_{frames}.npz"
    stream, rows = model.stream(paced=False), np.empty((0, len(model.spec.labels)), np.float32)
    if stored.is_file():
        try:
            with stored.open("rb") as data, np.load(data, allow_pickle=False) as file:
                rows = file["logits"].astype(np.float32)
                stream.state = {name: file[f"state/{name}"] for name in stream.state}
            if len(rows) > len(drawn.frames) or rows.shape[1:] != (len(model.spec.labels),):
                raise ValueError(f"logits of shape {rows.shape}")
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ArtifactError(f"{stored}: this stored result is damaged: delete it") from error
    with ProgressBars(live=False).stage(path.name, len(drawn.frames)) as advance:
        for _ in rows:
            advance()
        for number in range(len(rows), len(drawn.frames)):
            rows = np.concatenate((rows, stream.step(drawn.frames[number]).logits[None]))
            if len(rows) % STORED == 0 or len(rows) == len(drawn.frames):
                arrays: dict[str, Any] = {f"state/{name}": value for name, value in stream.state.items()}
                with atomic_write(stored) as part, part.open("wb") as written:
                    np.savez(written, logits=rows, **arrays)
            advance()
    return rows


def show(result: SameEvents) -> None:
    """Print the result."""
    typer.echo(f"{result.seconds:g} s of drawn video, {result.frames} frames, seed {result.seed}")
    typer.echo(f"drawn gestures: {', '.join(result.drawn) or 'none'}")
    rows = [
        (name, runtime, ", ".join(f"{event.label} ({event.frame})" for event in events) or "none")
        for name, runtime, events in zip(result.files, result.runtimes, result.events, strict=True)
    ]
    print_table(("artifact", "runtime", "announced labels (frame)"), rows)
    if result.same and not result.events[0]:
        typer.echo("neither artifact announced an event, so this stream compares none: draw another with --seed")
    elif result.same:
        typer.echo("the events are the same")
    elif result.apart is None:
        typer.echo("the events are not the same: their labels differ")
    else:
        typer.echo(f"the labels are the same, but the events are up to {result.apart} frames apart")
    typer.echo(
        f"same largest logit in {result.top1:.1%} of the frames; logits differ by up to {result.error:.2g} of the range"
    )


if __name__ == "__main__":
    sys.exit(main())
