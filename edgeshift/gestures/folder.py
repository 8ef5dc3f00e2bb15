"""A folder of drawn videos: clips in a folder per label, or streams with a table of their gestures.

    clips      left/00000.mp4 ..., clips.csv (file,label,seed,frames,stroke_begin,stroke_end)
    streams    stream_00000.mp4 ..., events.csv (file,label,begin,end; seconds from the stream's beginning)

Both have ``contact_sheet.jpg`` and ``drawn.json``, the arguments it was drawn with. A run that was cut off goes on
where it stopped: files have their names only when they are whole, and the table comes last.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from edgeshift._system.files import atomic_write, folder_lock
from edgeshift.errors import GestureError
from edgeshift.gestures.draw import clip_stroke, draw_clip, draw_stream, stream_events, strip
from edgeshift.gestures.motion import Act
from edgeshift.gestures.strokes import Stroke
from edgeshift.video.clips import read_video, write_video
from edgeshift.video.fit import Frame, opencv
from edgeshift.video.picture import write_picture

RECORD, SHEET = "drawn.json", "contact_sheet.jpg"
TABLES = {"clips": "clips.csv", "streams": "events.csv"}
#: Added to the seeds of streams and of clips, apart from what is trained on: training draws streams by the plain
#: number, and a clip of (1 << 32) + n would have the hand and the scene of stream n.
STREAMS, CLIPS = 1 << 60, 1 << 61
COLUMNS = {
    "clips": ("file", "label", "seed", "frames", "stroke_begin", "stroke_end"),
    "streams": ("file", "label", "begin", "end"),
}
#: Of pixels at once: a video is drawn in memory.
MAX_BYTES = 1 << 30
#: Of the contact sheet: frames in a row, and pixels a side of each.
SHEET_FRAMES, SHEET_SIZE = 8, 128


class Drawing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a folder holds: all that decides its pixels.

    Attributes:
        kind: "clips" or "streams".
        count: how many videos.
        seed: another seed gives other videos.
        size: pixels a side. spacing: seconds between the frames of the videos.
        strokes: the gestures there are, in the order in which clips take turns.
        frames: of a clip.
        seconds: of a stream without a script. script: what happens in every stream.
    """

    kind: Literal["clips", "streams"]
    count: int
    seed: int
    size: int
    spacing: float
    strokes: dict[str, Stroke]
    frames: int | None = None
    seconds: float | None = None
    script: tuple[Act, ...] | None = None

    def __post_init__(self) -> None:
        if self.size % 2:
            raise GestureError(
                f"a size of {self.size} does not fit into .mp4, whose sides are even: give {self.size + 1}"
            )
        frames = self.frames or 0
        if self.kind == "streams":
            # Of a script: besides what it asks for, the hand comes, goes and rests.
            seconds = self.seconds or sum(act.seconds + 4 for act in self.script or ())
            frames = round(seconds / self.spacing)
        if frames * self.size * self.size * 3 > MAX_BYTES:
            raise GestureError(
                f"{frames:,} frames of {self.size}x{self.size} are more than fit into {MAX_BYTES >> 30} GiB: "
                "draw a shorter or smaller video, or more of them"
            )


@dataclass(frozen=True)
class Drawn:
    """What a run did. kept: videos that were there. labels: how often each gesture is in the folder."""

    kept: int
    drawn: int
    labels: dict[str, int]
    table: Path
    sheet: Path


@dataclass(frozen=True)
class _Video:
    """One video of a folder. rows: of the table. strips: a gesture, and its first and last frame."""

    file: str
    seed: int
    label: str
    rows: Sequence[tuple[object, ...]]
    strips: list[tuple[str, int, int]]


def draw_folder(folder: Path, drawing: Drawing, advance: Callable[[], None] = lambda: None) -> Drawn:
    """Draw what is missing.

    Args:
        folder: new, empty, or begun with the same drawing.
        drawing: what to draw.
        advance: called after each video.

    Raises:
        GestureError: a folder that holds something else, or an unknown act in the script.
        EdgeshiftError: another process draws into it.
        VideoError: a video that cannot be written.
    """
    _claim(folder, drawing)
    with folder_lock(folder, RECORD):
        return _draw_missing(folder, drawing, advance)


def _draw_missing(folder: Path, drawing: Drawing, advance: Callable[[], None]) -> Drawn:
    videos, kept = [], 0
    for video in _videos(drawing):
        videos.append(video)
        path = folder / video.file
        if path.is_file() and path.stat().st_size:
            kept += 1
        else:
            _clear(path)
            write_video(path, _draw(video, drawing), 1 / drawing.spacing)
        advance()
    rows = [row for video in videos for row in video.rows]
    sheet, table = folder / SHEET, folder / TABLES[drawing.kind]
    _clear(sheet)
    _clear(table)
    if not sheet.exists():
        _write_sheet(sheet, folder, videos)
    if not table.exists():  # who has added a column to it keeps it
        _write_table(table, COLUMNS[drawing.kind], rows)
    labels = {label: sum(row[1] == label for row in rows) for label in drawing.strokes}
    return Drawn(kept, len(videos) - kept, labels, table, sheet)


def _claim(folder: Path, drawing: Drawing) -> None:
    """Write down what is drawn here, or find that the same was written before."""
    record, new = folder / RECORD, msgspec.json.encode(drawing)
    if folder.exists() and not folder.is_dir():
        raise GestureError(f"{folder} is a file: give a folder, new or empty")
    if not record.exists():
        if folder.is_dir() and any(not name.name.startswith(f".{RECORD}.") for name in folder.iterdir()):
            raise GestureError(
                f"{folder} is not empty and holds nothing that was drawn here before: give another --out"
            )
        with atomic_write(record) as part:
            part.write_bytes(msgspec.json.format(new, indent=1))
        return
    try:
        before, now = msgspec.json.decode(record.read_bytes()), msgspec.json.decode(new)
        # Encoded, because the order of the gestures counts too.
        other = [name for name in now if msgspec.json.encode(before[name]) != msgspec.json.encode(now[name])]
    except (msgspec.MsgspecError, LookupError, TypeError, RecursionError) as error:
        raise GestureError(f"{record} is damaged: remove {folder}, or give another --out") from error
    if other:
        raise GestureError(
            f"{folder} was drawn with another {' and '.join(other)}: give the same arguments to go on with it, or "
            "another --out"
        )


def _videos(drawing: Drawing) -> Iterator[_Video]:
    """All videos of the folder, with their rows of the table, before they are drawn."""
    labels = list(drawing.strokes)
    for index in range(drawing.count):
        seed = (drawing.seed << 32) + index
        if drawing.kind == "clips":
            seed += CLIPS
            label, frames = labels[index % len(labels)], drawing.frames or 1
            file = f"{label}/{index:05d}.mp4"
            bounds = clip_stroke(seed, label, frames=frames, strokes=drawing.strokes)
            yield _Video(file, seed, label, [(file, label, seed, frames, *bounds)], [(label, 0, frames - 1)])
        else:
            seed += STREAMS
            file = f"stream_{index:05d}.mp4"
            events = stream_events(seed, drawing.script, **_length(drawing), strokes=drawing.strokes)
            rows = [(file, event.label, f"{event.begin:.3f}", f"{event.end:.3f}") for event in events]
            strips = [(e.label, round(e.begin / drawing.spacing), round(e.end / drawing.spacing)) for e in events]
            yield _Video(file, seed, "", rows, strips)


def _draw(video: _Video, drawing: Drawing) -> Iterable[Frame]:
    if drawing.kind == "clips":
        frames = drawing.frames or 1
        return draw_clip(video.seed, video.label, frames=frames, size=drawing.size, strokes=drawing.strokes).frames
    strokes = drawing.strokes
    return draw_stream(video.seed, drawing.script, **_length(drawing), size=drawing.size, strokes=strokes).frames


def _length(drawing: Drawing) -> dict[str, float]:
    """What decides how long a stream is, besides its script."""
    return {"spacing": drawing.spacing, **({} if drawing.seconds is None else {"seconds": drawing.seconds})}


def _clear(path: Path) -> None:
    """Remove what a run that was killed left of this file: its name would pass for a video."""
    for part in path.parent.glob(f".{path.name}.*"):
        part.unlink(missing_ok=True)


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _write_sheet(path: Path, folder: Path, videos: Sequence[_Video]) -> None:
    """Frames as the files have them: a row for the first video of each gesture."""
    rows: dict[str, Frame] = {}
    for video in videos:
        wanted = {label: (first, last) for label, first, last in reversed(video.strips) if label not in rows}
        if wanted:
            frames = [timed.frame for timed in read_video(folder / video.file)]
            for label, (first, last) in wanted.items():
                rows[label] = strip(_few(frames[max(0, first) : last + 1] or frames[-1:]), label)
    if not rows:  # streams in which nothing happens
        rows["none"] = strip(_few([timed.frame for timed in read_video(folder / videos[0].file)]), "none")
    write_picture(path, np.concatenate(list(rows.values())))


def _few(frames: Sequence[Frame]) -> list[Frame]:
    """Some of the frames, evenly spread, and small enough for a sheet."""
    cv2 = opencv("drawing gestures")
    picks = np.linspace(0, len(frames) - 1, SHEET_FRAMES).round().astype(int)
    size = min(SHEET_SIZE, len(frames[0]))
    return [cv2.resize(frames[pick], (size, size), interpolation=cv2.INTER_AREA) for pick in picks]
