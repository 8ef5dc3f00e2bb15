"""``edgeshift train``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeshift.cli.output import print_facts, print_json, print_next
from edgeshift.errors import TrainingError

if TYPE_CHECKING:
    from edgeshift.training.history import Entry
    from edgeshift.training.videos import LabelMap

FILE = click.Path(path_type=Path)


@click.command("train")
@click.argument("model", default="tsm_mobilenet_v2")
@click.option("--out", type=FILE, required=True, metavar="DIR", help="A folder for the run and its result.")
@click.option("--data", type=FILE, metavar="D", help="A folder of videos per label, or a CSV (file,label[,split]).")
@click.option("--strokes", type=FILE, metavar="F", help="A JSON file of gestures of your own, to draw as well.")
@click.option("--init", type=FILE, metavar="F", help="Weights to start from: ImageNet's, or any checkpoint.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
@click.option("--steps", type=click.IntRange(1), help="Optimizer steps.")
@click.option("--size", type=click.IntRange(64, 1024), help="Height and width of the frames, pixels.")
@click.option("--spacing", type=click.FloatRange(0.01, 60), metavar="S", help="Seconds between frames.")
@click.option("--frames", type=click.IntRange(2, 1024), help="Frames of a training sequence.")
@click.option("--batch", type=click.IntRange(1, 1024), help="Sequences in a step.")
@click.option("--rate", type=click.FloatRange(0, 1, min_open=True), help="The highest learning rate.")
@click.option("--width", type=click.FloatRange(0.1, 4), help="MobileNetV2's multiplier, from scratch.")
@click.option("--depth", type=click.IntRange(1, 16), help="TSAM's K.")
@click.option("--frozen", type=click.IntRange(0, 16), help="First stages that keep their weights.")
@click.option("--seed", type=click.IntRange(0, 65_535), help="Of weights, order and drawings.")
@click.option("--bidirectional", is_flag=True, help="Shift from the future too; the result cannot stream.")
@click.option("--past-only", is_flag=True, help="--init was trained past-only, though its names look otherwise.")
@click.option("--mirror", metavar="A=B,..", help="What labels become when a clip is mirrored: left=right,right=left.")
@click.option("--reverse", metavar="A=B,..", help="What labels become when a clip is played backwards.")
@click.option("--license", help="Terms of the result, kept in its file.")
@click.option("--half", is_flag=True, help="Store the result's weights as float16.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Default: a GPU, if torch finds one.")
@click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True, help="Of torch, on the CPU.")
@click.option(
    "--workers", type=click.IntRange(0, 64), default=1, show_default=True, help="Processes that draw or read."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def run(model: str, out: Path, as_json: bool, **options: Any) -> None:
    """Train a shift model for streams, past-only unless told otherwise.

    MODEL is a name from `edgeshift models`. Without --data, it learns ten gestures and `none` from streams that
    edgeshift draws itself. Clips of --data are never mirrored or reversed unless --mirror or --reverse say what their
    labels become.

    \b
    Examples:
      edgeshift train --init mobilenet_v2_imagenet.pth --out runs/gestures
      edgeshift train --resume --out runs/gestures --init mobilenet_v2_imagenet.pth
      edgeshift train stsm_mobilenet_v2 --data webcam/ --init runs/gestures/model.safetensors --out runs/mine \\
          --steps 600 --mirror left=right,right=left
      edgeshift train tsm_mobilenet_v2 --data jester.csv --init TSM_jester_bidirectional.pth.tar --out runs/online
    """
    from edgeshift.training import Recipe, train
    from edgeshift.video.dataset import read_dataset

    changes = _changes(options.pop("mirror"), options.pop("reverse"))
    device, threads = options.pop("device"), options.pop("threads")
    names = ("data", "strokes", "init", "past_only", "resume", "workers", "license", "half")
    keep = {name: options.pop(name) for name in names}
    numbers = {name: value for name, value in options.items() if value is not None}
    if keep["init"] is None and keep["past_only"]:
        raise TrainingError("--past-only describes a checkpoint: give it with --init")
    if keep["init"] is not None:
        from edgeshift.training.start import kept_numbers

        numbers = kept_numbers(keep["init"]) | numbers
        if "width" in numbers:
            raise TrainingError("--width is read from the checkpoint: leave it out")
    recipe = Recipe(model=model, **numbers)
    if keep["data"] is not None and (note := read_dataset(keep["data"]).note):
        print(f"edgeshift: note: {note}", file=sys.stderr)
    with _Bar(recipe.steps) as bar:
        trained = train(recipe, out, changes=changes, device=_device(device, threads), report=bar.show, **keep)
    last = trained.history[-1]
    assert last.validation is not None
    if as_json:
        print_json(
            {
                "path": str(trained.path),
                "curve": str(trained.curve),
                "steps": last.step,
                "unread": trained.unread,
                "validation": {
                    "loss": last.validation.loss,
                    "frame_accuracy": last.validation.frame_accuracy,
                    "gesture_accuracy": last.validation.gesture_accuracy,
                },
            }
        )
        return
    print_facts(
        str(trained.path),
        [
            ("model", model),
            ("steps", f"{last.step:,}"),
            (
                "validation",
                f"frames {last.validation.frame_accuracy:.1%}, gestures {last.validation.gesture_accuracy:.1%}",
            ),
            *([("left out", f"{len(trained.unread)} clips that cannot be read")] if trained.unread else []),
            ("curve", trained.curve),
        ],
    )
    print_next("edgeshift", "convert", "--target", "tflite", "--weights", trained.path)


class _Bar:
    """A progress bar with losses and accuracies on a terminal's stderr; lines where it is none are too many."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._progress: Any = None

    def __enter__(self) -> _Bar:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._progress = Progress(
                *(MofNCompleteColumn(), BarColumn(), TimeRemainingColumn(), TextColumn("{task.description}")),
                console=Console(stderr=True),
            )
            self._progress.start()
            self._task = self._progress.add_task("", total=self.steps)
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, entry: Entry) -> None:
        """The state of the run after another line of its history."""
        for line in entry.unread:
            print(f"edgeshift: note: left out, as it cannot be read: {line}", file=sys.stderr)
        if self._progress is None:
            return
        training, checked = entry.training, entry.validation
        text = f"loss {training.loss:.3f} frames {training.frame_accuracy:.1%} gestures {training.gesture_accuracy:.1%}"
        self._progress.update(self._task, completed=entry.step, description=text)
        if checked is not None:
            self._progress.console.print(
                f"step {entry.step}: validation loss {checked.loss:.3f} frames {checked.frame_accuracy:.1%} "
                f"gestures {checked.gesture_accuracy:.1%}"
            )


def _device(asked: str | None, threads: int) -> str:
    import torch

    torch.set_num_threads(threads)
    return asked or ("cuda" if torch.cuda.is_available() else "cpu")


def _changes(mirror: str | None, reverse: str | None) -> LabelMap | None:
    if mirror is None and reverse is None:
        return None
    from edgeshift.training.videos import LabelMap

    return LabelMap(_pairs("--mirror", mirror), _pairs("--reverse", reverse))


def _pairs(option: str, text: str | None) -> dict[str, str]:
    pairs = {}
    for part in (text or "").split(",") if text else ():
        name, equals, becomes = (piece.strip() for piece in part.partition("="))
        if not (name and equals and becomes):
            raise TrainingError(f"{option} {text}: write pairs of labels, as in left=right,right=left,up=up")
        pairs[name] = becomes
    return pairs
