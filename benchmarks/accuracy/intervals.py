"""Read a CSV file of labelled intervals in long videos: the columns ``file,start,end,label``, with times in seconds."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from edgeshift._system.files import read_text
from edgeshift._system.text import is_printable
from edgeshift.errors import VideoError
from edgeshift.gestures import Event
from edgeshift.video.clip_files import frame_files

COLUMNS = ("file", "start", "end", "label")
#: Largest size of a file in bytes, and largest number of intervals.
MAX_BYTES, MAX_INTERVALS = 64 << 20, 1_000_000


@dataclass(frozen=True)
class LabelledVideo:
    """A video, its name in the CSV file, and the gestures in it."""

    path: Path
    name: str
    events: tuple[Event, ...]


def is_interval_file(path: Path) -> bool:
    """Return True if the first line of a CSV file has a column ``start`` or ``end``."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(4096).decode("utf-8-sig", "replace")
    return bool({"start", "end"} & {column.strip() for column in first.strip().split(",")})


def read_intervals(path: Path) -> tuple[LabelledVideo, ...]:
    """Return the videos of a CSV file with their labelled intervals, sorted by name.

    Files are relative to the folder of the CSV file, or absolute. A video without a gesture is a line with an empty
    label, start and end.

    Raises:
        VideoError: the file is not valid, or a video does not exist. The message names the line.
    """
    text = read_text(path, MAX_BYTES, "a CSV file of intervals", VideoError)
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    videos: dict[str, list[Event]] = {}
    try:
        if not set(COLUMNS) <= set(rows.fieldnames or ()):
            raise VideoError(f"{path}: its first line must contain the columns {', '.join(COLUMNS)}")
        for row in rows:
            where = f"{path}, line {rows.line_num}"
            name, label = row["file"] or "", normalize("NFC", (row["label"] or "").strip())
            if not is_printable(name, longest=1024) or not _is_clip(path.parent / name):
                raise VideoError(f"{where}: there is no video {name!r:.200}")
            events = videos.setdefault(name, [])
            if label or row["start"] or row["end"]:
                events.append(_event(where, label, row["start"], row["end"]))
            if len(events) > MAX_INTERVALS:
                raise VideoError(f"{path}: more than {MAX_INTERVALS:,} intervals, the limit")
    except csv.Error as error:
        raise VideoError(f"{path}, line {rows.line_num}: not valid CSV: {error}") from error
    if not videos:
        raise VideoError(f"{path}: it lists no video")
    return tuple(LabelledVideo(path.parent / name, name, tuple(videos[name])) for name in sorted(videos))


def _is_clip(path: Path) -> bool:
    """Whether a path is a file or a folder of frames. Raise VideoError for a folder without frames."""
    return path.is_file() or (path.is_dir() and bool(frame_files(path)))


def _event(where: str, label: str, start: str | None, end: str | None) -> Event:
    if not is_printable(label, longest=256):
        raise VideoError(f"{where}: label {label!r:.80} is not 1 to 256 printable characters")
    try:
        begin, stop = float(start or ""), float(end or "")
    except ValueError:
        begin = stop = math.nan
    if not 0 <= begin < stop < math.inf:
        raise VideoError(f"{where}: start {start!r:.40} and end {end!r:.40} are not increasing times in seconds")
    return Event(label, begin, stop)
