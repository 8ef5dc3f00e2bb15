"""``edgeshift demo``: an artifact on a clip, without a window."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgeshift.cli.facts import UNTRAINED
from edgeshift.cli.output import Bars, print_facts, print_json, print_next
from edgeshift.errors import EdgeshiftError

if TYPE_CHECKING:
    from edgeshift.apps.replay import Span
    from edgeshift.rule import Spotted


@click.command("demo")
@click.argument("file", type=click.Path(path_type=Path), metavar="F")
@click.option(
    "--source", default="drawn", metavar="CLIP", help='A video file, a folder of images, or "drawn" (default).'
)
@click.option("--headless", is_flag=True, help="Print the labels; this version has no window yet.")
@click.option("--picture", type=click.Path(path_type=Path), metavar="PNG", help="Also write frames with their labels.")
@click.option("--fps", type=click.FloatRange(0, 1000, min_open=True), help="Frames per second of a folder of images.")
@click.option("--runtime", metavar="R", help="tensorrt, or mil (Core ML's checker). Default: by the file's name.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def run(
    file: Path,
    source: str,
    headless: bool,
    picture: Path | None,
    fps: float | None,
    runtime: str | None,
    threads: int,
    as_json: bool,
) -> None:
    """Run an artifact on a clip, frame by frame: the label over time, and p50 and p90 of what a step costs.

    Frames are fed at the spacing the weights were trained with, by their timestamps; every frame, if the artifact
    does not know it. A line ">>> label" is an event, announced by the rule that the artifact carries.

    \b
    Examples:
      edgeshift demo tsm_mobilenet_v2_int8.tflite --headless
      edgeshift demo tsm_mobilenet_v2_int8.tflite --source clip.mp4 --headless --picture answers.png
    """
    if not headless:
        raise EdgeshiftError("demo has no window yet: add --headless to print the labels (and --picture to see them)")
    if picture is not None and picture.suffix.lower() not in (".png", ".jpg"):
        raise EdgeshiftError(f"{picture}: a picture is a .png or a .jpg")
    from edgeshift.apps.replay import Replay, open_clip, replay
    from edgeshift.runtimes import load

    bars = Bars()
    with bars.stage("load"):
        model = load(file, runtime=runtime, threads=threads)
    if fps is None and model.spec.frame_spacing is not None and Path(source).is_dir():
        raise EdgeshiftError(f"{source} is a folder of images, which have no times: add --fps")
    trained = model.spec.weights.trained
    if not as_json and not trained:
        print(UNTRAINED)
    result = Replay()
    for span in replay(model.stream(), open_clip(source, fps, model.spec.frame_spacing), result):
        if not as_json:
            print(_line(span))
    if picture is not None:
        _write(picture, result, f"{file.name} on {Path(source).name}" + ("" if trained else "  (untrained)"))
    milliseconds = result.milliseconds()
    if as_json:
        print_json(
            {
                "runtime": model.runtime,
                "trained": trained,
                "steps": result.steps,
                "skipped": result.skipped,
                "labels": [dataclasses.asdict(span) for span in result.spans],
                "events": msgspec.to_builtins(result.events),
                "milliseconds": milliseconds,
            }
        )
        return
    print_facts(
        f"{result.steps} steps on {source}" + (f", {result.skipped} frames not due" if result.skipped else ""),
        [
            ("runtime", model.runtime),
            *((phase, _words(values)) for phase, values in milliseconds.items()),
            *([("picture", picture)] if picture else []),
        ],
    )
    print_next("edgeshift", "verify", file)


def _write(path: Path, result: object, title: str) -> None:
    from edgeshift.apps.picture import draw_answers
    from edgeshift.apps.replay import Replay
    from edgeshift.picture import write_picture

    assert isinstance(result, Replay)
    write_picture(path, draw_answers(result.answers, title))


def _line(found: Span | Spotted) -> str:
    from edgeshift.rule import Spotted

    if isinstance(found, Spotted):
        return f"{found.timestamp:8.2f} s  >>> {found.label}"
    return f"{found.start:8.2f} s  {found.label}"


def _words(values: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {'-' if ms is None else f'{ms:.3f} ms'}" for name, ms in values.items())
