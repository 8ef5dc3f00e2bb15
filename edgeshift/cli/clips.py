"""``edgeshift clips``: drawn gestures as videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeshift._system.progress import ProgressBars
from edgeshift.cli.output import print_facts, print_json, print_next
from edgeshift.errors import EdgeshiftError, unknown

if TYPE_CHECKING:
    from edgeshift.gestures.folder import Drawing
    from edgeshift.gestures.strokes import Stroke

FILE = click.Path(path_type=Path)
#: What means something for clips only, and for streams only.
CLIPS_ONLY, STREAMS_ONLY = ("count", "frames"), ("seconds", "script")
MIN_CALIBRATION = 16


@click.command("clips")
@click.option("--out", type=FILE, default="clips", show_default=True, metavar="DIR", help="New, empty, or cut off.")
@click.option("--count", type=click.IntRange(1, 200_000), help="Clips, the labels taking turns. Default: 100.")
@click.option("--frames", type=click.IntRange(1, 10_000), help="Of a clip. Default: 8.")
@click.option("--size", type=click.IntRange(16, 4096), default=128, show_default=True, help="Pixels a side, even.")
@click.option("--seed", type=click.IntRange(0, 1 << 31), default=0, show_default=True, help="Another draws others.")
@click.option("--labels", metavar="A,B", help="Only these gestures, in this order.")
@click.option("--strokes", type=FILE, metavar="JSON", help="Gestures of your own, besides the built-in ones.")
@click.option("--only-strokes", is_flag=True, help="Only those of --strokes.")
@click.option("--stream", type=click.IntRange(1, 100_000), metavar="N", help="Draw N untrimmed streams instead.")
@click.option("--seconds", type=click.FloatRange(0.1, 36_000), help="Of a stream. Default: 60.")
@click.option("--script", metavar="TEXT", help='What happens in each stream: "left, pause 2, star 4, away, wander".')
@click.option(
    "--spacing",
    type=click.FloatRange(0.01, 10),
    default=0.25,
    show_default=True,
    help="Seconds between the videos' frames.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def run(out: Path, as_json: bool, **options: Any) -> None:
    """Draw gestures as videos: clips in a folder per label, or untrimmed streams with a table of their gestures.

    The same arguments draw the same videos; a run that was cut off goes on where it stopped. DIR gets clips.csv
    (streams: events.csv, in seconds), contact_sheet.jpg to look at, and drawn.json with the arguments.

    \b
    Examples:
      edgeshift clips --out clips --count 200
      edgeshift clips --out mine --strokes own.json --only-strokes --frames 16
      edgeshift clips --out streams --stream 4 --seconds 120
      edgeshift clips --out test --stream 1 --script "left, pause 2, star 4, away 3, wander"
    """
    from edgeshift.gestures.folder import draw_folder

    drawing = _drawing(options)
    bars = ProgressBars()
    with bars.stage("draw", drawing.count) as advance:
        drawn = draw_folder(out, drawing, advance)
    if as_json:
        print_json(
            {
                "path": str(out),
                "kind": drawing.kind,
                "videos": drawing.count,
                "drawn": drawn.drawn,
                "kept": drawn.kept,
                "labels": drawn.labels,
                "table": str(drawn.table),
                "contact_sheet": str(drawn.sheet),
                "seconds": bars.seconds,
            }
        )
        return
    print_facts(
        f"{drawing.count} {drawing.kind if drawing.count > 1 else drawing.kind[:-1]} in {out}",
        [
            ("drawn", drawn.drawn),
            *([("kept", f"{drawn.kept}, which were there")] if drawn.kept else []),
            ("gestures", ", ".join(f"{count} {label}" for label, count in drawn.labels.items())),
            ("table", drawn.table),
            ("seconds", f"{bars.seconds['draw']:.1f}"),
        ],
    )
    if drawing.kind == "clips" and drawing.count >= MIN_CALIBRATION:
        print(f"{drawn.sheet} shows one of each.")
        print_next("edgeshift", "convert", "--target", "tflite", "--calibration", out)
    else:
        print(f"next: look at {drawn.sheet}")


def _drawing(options: dict[str, Any]) -> Drawing:
    from edgeshift.gestures import parse_script
    from edgeshift.gestures.folder import Drawing

    streams, script = options["stream"] is not None, options["script"]
    for name in CLIPS_ONLY if streams else STREAMS_ONLY:
        if options[name] is not None:
            what = "clips, not streams" if streams else "streams: add --stream N"
            raise EdgeshiftError(f"--{name} is for {what}")
    if script is not None and options["seconds"] is not None:
        raise EdgeshiftError("a --script takes the time its parts take: leave --seconds out")
    strokes = _strokes(options)
    shared = {name: options[name] for name in ("seed", "size", "spacing")} | {"strokes": strokes}
    if not streams:
        return Drawing(kind="clips", count=options["count"] or 100, frames=options["frames"] or 8, **shared)
    if script is not None:
        acts = tuple(parse_script(script, strokes))
        return Drawing(kind="streams", count=options["stream"], script=acts, **shared)
    return Drawing(kind="streams", count=options["stream"], seconds=options["seconds"] or 60.0, **shared)


def _strokes(options: dict[str, Any]) -> dict[str, Stroke]:
    """The gestures to draw, in order."""
    from edgeshift.gestures import STROKES, read_strokes

    strokes = dict(STROKES)
    if options["strokes"] is not None:
        own = read_strokes(options["strokes"])
        strokes = own if options["only_strokes"] else {**strokes, **own}
    elif options["only_strokes"]:
        raise EdgeshiftError("--only-strokes means those of a file: give it with --strokes")
    if options["labels"] is None:
        return strokes
    labels = [label.strip() for label in options["labels"].split(",")]
    for label in labels:
        if label not in strokes:
            raise EdgeshiftError(f"--labels: {unknown('gesture', label, strokes)}")
    return {label: strokes[label] for label in labels}
