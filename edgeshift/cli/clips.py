"""``edgeshift clips``: drawn gestures as videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from edgeshift._system.output_file import require_writable
from edgeshift._system.progress import ProgressBars
from edgeshift.cli.effect import ALWAYS, excludes, needs
from edgeshift.cli.options import AsJson, option
from edgeshift.cli.output import print_facts, print_json, print_next
from edgeshift.cli.settings import parse_names
from edgeshift.errors import EdgeshiftError, unknown

if TYPE_CHECKING:
    from edgeshift.gestures.strokes import Stroke

#: Smallest number of videos for an int8 calibration.
MIN_CALIBRATION = 16


def run(
    out: Annotated[Path, option("Output", effect=ALWAYS, metavar="DIR")] = Path("clips"),
    size: Annotated[int, option("Videos", effect=ALWAYS, min=16, max=4096)] = 128,
    spacing: Annotated[float, option("Videos", effect=ALWAYS, min=0.01, max=10, metavar="SECONDS")] = 0.25,
    seed: Annotated[int, option("Videos", effect=ALWAYS, min=0, max=1 << 31)] = 0,
    labels: Annotated[str | None, option("Gestures", effect=ALWAYS, metavar="A,B")] = None,
    strokes: Annotated[Path | None, option("Gestures", effect=ALWAYS, metavar="FILE")] = None,
    only_strokes: Annotated[bool, option("Gestures", effect=needs("strokes"))] = False,
    sounds: Annotated[str | None, option("Sounds", effect=ALWAYS, metavar="A,B")] = None,
    count: Annotated[int | None, option("Clips", effect=excludes("stream"), min=1, max=200000)] = None,
    frames: Annotated[int | None, option("Clips", effect=excludes("stream"), min=1, max=10000)] = None,
    stream: Annotated[int | None, option("Streams", effect=ALWAYS, min=1, max=100000)] = None,
    seconds: Annotated[
        float | None, option("Streams", effect=(needs("stream"), excludes("script")), min=0.1, max=36000)
    ] = None,
    script: Annotated[str | None, option("Streams", effect=needs("stream"), metavar="TEXT")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw gestures as videos: clips in a folder per label, or untrimmed streams with a table of their gestures.

    The same options draw the same videos. An interrupted run continues where it stopped. The folder also gets a table
    (clips.csv; for streams events.csv), an overview (contact_sheet.jpg) and the options (drawn.json).

    Args:
        out: Folder to write. It must be new, empty, or the folder of an interrupted run.
        size: Width and height of the videos, pixels. Must be even.
        spacing: Time between two frames, in seconds.
        seed: Seed of the drawings. Another seed draws other videos.
        labels: Draw only these gestures, in this order. Default: all.
        strokes: JSON file with your own gestures, which are added to the built-in ones.
        only_strokes: Draw only the gestures of --strokes.
        sounds: Also draw sounds, as a .wav file of the same name beside each video: {sounds}. A clip has one, or
            is quiet; a stream has several at random times. The table lists them.
        count: Number of clips in all. The labels take turns. Default: 100.
        frames: Frames per clip. Default: 8.
        stream: Draw this many untrimmed streams instead of clips.
        seconds: Length of a stream, in seconds. Default: 60.
        script: Actions of each stream, with their lengths in seconds, such as "left, pause 2, star 4, away, wander".
            Default: random gestures.

    Examples:
      edgeshift clips --out clips --count 200
      edgeshift clips --out mine --strokes own.json --only-strokes --frames 16
      edgeshift clips --out heard --labels left,right,circle --sounds clap,whistle-up --count 180
      edgeshift clips --out streams --stream 4 --seconds 120
      edgeshift clips --out test --stream 1 --script "left, pause 2, star 4, away 3, wander"
    """
    from edgeshift.gestures import parse_script
    from edgeshift.gestures.folder import Drawing, draw_folder

    require_writable(out, folder=True)
    gestures = _strokes(strokes, labels, only_strokes=only_strokes)
    shared: dict[str, Any] = {"seed": seed, "size": size, "spacing": spacing, "strokes": gestures}
    shared["sounds"] = _sounds(sounds)
    if stream is None:
        drawing = Drawing(kind="clips", count=count or 100, frames=frames or 8, **shared)
    elif script is not None:
        drawing = Drawing(kind="streams", count=stream, script=tuple(parse_script(script, gestures)), **shared)
    else:
        drawing = Drawing(kind="streams", count=stream, seconds=seconds or 60.0, **shared)
    bars = ProgressBars()
    with bars.stage("draw", drawing.count) as advance:
        drawn = draw_folder(out, drawing, advance)
    if as_json:
        print_json(
            {
                "path": out,
                "kind": drawing.kind,
                "videos": drawing.count,
                "drawn": drawn.drawn,
                "kept": drawn.kept,
                "labels": drawn.labels,
                **({"sounds": drawn.sounds} if drawn.sounds else {}),
                "table": drawn.table,
                "contact_sheet": drawn.sheet,
                "seconds": bars.seconds,
            }
        )
        return
    print_facts(
        f"{drawing.count} {drawing.kind if drawing.count > 1 else drawing.kind[:-1]} in {out}",
        [
            ("drawn", drawn.drawn),
            *([("kept", f"{drawn.kept} from an earlier run")] if drawn.kept else []),
            ("gestures", ", ".join(f"{number} {label}" for label, number in drawn.labels.items())),
            *([("sounds", ", ".join(f"{n} {name}" for name, n in drawn.sounds.items()))] if drawn.sounds else []),
            ("table", drawn.table),
            ("seconds", f"{bars.seconds['draw']:.1f}"),
        ],
    )
    if drawing.kind == "clips" and drawing.count >= MIN_CALIBRATION:
        print(f"{drawn.sheet} shows one clip of each gesture.")
        print_next("edgeshift", "convert", "--target", "tflite", "--calibration", out)
    else:
        print(f"next: look at {drawn.sheet}")


def _strokes(path: Path | None, labels: str | None, *, only_strokes: bool) -> dict[str, Stroke]:
    """Return the gestures to draw, in order."""
    from edgeshift.gestures import STROKES, read_strokes

    strokes = dict(STROKES)
    if path is not None:
        own = read_strokes(path)
        strokes = own if only_strokes else {**strokes, **own}
    if labels is None:
        return strokes
    names = [label.strip() for label in labels.split(",")]
    for name in names:
        if name not in strokes:
            raise EdgeshiftError(f"--labels: {unknown('gesture', name, strokes)}")
    return {name: strokes[name] for name in names}


def _sounds(text: str | None) -> tuple[str, ...] | None:
    """Return the sounds to draw, in order; None: no sounds."""
    from edgeshift.sound.drawn import SOUNDS

    names = parse_names("--sounds", text)
    for name in names or ():
        if name not in SOUNDS:
            raise EdgeshiftError(f"--sounds: {unknown('sound', name, SOUNDS)}")
    return names
