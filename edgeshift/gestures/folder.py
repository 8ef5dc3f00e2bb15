"""Draw a folder of videos: clips in one folder per label, or streams with a table of their gestures.

    clips      left/00000.mp4 ..., clips.csv (file,label,seed,frames,stroke_begin,stroke_end)
    streams    stream_00000.mp4 ..., events.csv (file,label,begin,end; seconds from the beginning of the stream)

With sounds, each video has a .wav file of the same name beside it. The table of clips then has the columns sound,
sound_begin and sound_end (seconds; empty if the room is quiet), and that of streams a row for each sound.

Both kinds of folder have ``contact_sheet.jpg``, and ``drawn.json`` with the arguments of the drawing. An interrupted
drawing can be resumed: a file gets its final name only when it is complete, and the table is written last.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from edgeshift._system.claim import claim
from edgeshift._system.files import atomic_write, folder_lock
from edgeshift.errors import GestureError
from edgeshift.gestures.draw import clip_stroke, draw_clip, draw_stream, stream_events, stream_frames
from edgeshift.gestures.motion import Action
from edgeshift.gestures.sounds import (
    VideoSound,
    draw_clip_sound,
    draw_stream_sound,
    require_length,
    sound_of_clip,
    spectrogram,
)
from edgeshift.gestures.strokes import Stroke
from edgeshift.sound import write_wav
from edgeshift.sound.analysis import Samples
from edgeshift.sound.drawn import QUIET, RATE
from edgeshift.video.clips import read_video, write_video
from edgeshift.video.fit import Frame, opencv
from edgeshift.video.picture import write_picture, write_title

RECORD, SHEET = "drawn.json", "contact_sheet.jpg"
TABLES = {"clips": "clips.csv", "streams": "events.csv"}
#: Offsets that are added to the seeds of streams and of clips. Training draws streams without an offset, so no video is
#: a training stream. Without these offsets, clip (1 << 32) + n would have the hand and the background of stream n.
STREAMS, CLIPS = 1 << 60, 1 << 61
COLUMNS = {
    "clips": ("file", "label", "seed", "frames", "stroke_begin", "stroke_end"),
    "streams": ("file", "label", "begin", "end"),
}
#: Further columns of the table of clips with sounds.
SOUND_COLUMNS = ("sound", "sound_begin", "sound_end")
#: Largest size of the pixels of one video, bytes. A video is drawn in memory.
MAX_BYTES = 1 << 30
NO_SAMPLES: Samples = np.empty(0, np.float32)
#: Number of frames in a row of the contact sheet, and largest height and width of each, pixels.
SHEET_FRAMES, SHEET_SIZE = 8, 128


class Drawing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a drawing. They determine all pixels.

    Attributes:
        kind: "clips" or "streams".
        count: number of videos.
        seed: seed of all videos.
        size: height and width of the frames, pixels.
        spacing: seconds between frames.
        strokes: the gestures, by label. Successive clips have these labels in turn.
        frames: frames of a clip; None for streams.
        seconds: duration of a stream without a script; None for clips, and for streams with a script.
        script: the actions in every stream; None: a random script.
        sounds: names of drawn sounds. Each clip has one of them or none, and a stream several. None: no sound files.
    """

    kind: Literal["clips", "streams"]
    count: int
    seed: int
    size: int
    spacing: float
    strokes: dict[str, Stroke]
    frames: int | None = None
    seconds: float | None = None
    script: tuple[Action, ...] | None = None
    sounds: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.size % 2:
            raise GestureError(f"the frames of an .mp4 need an even size, and {self.size} is odd: give {self.size + 1}")
        frames = self.frames or 0
        if self.kind == "streams":
            # Around each action of a script, the hand may enter, leave and rest for up to four seconds.
            seconds = self.seconds or sum(action.seconds + 4 for action in self.script or ())
            frames = round(seconds / self.spacing)
        if frames * self.size * self.size * 3 > MAX_BYTES:
            raise GestureError(
                f"{frames:,} frames of {self.size}x{self.size} need more than {MAX_BYTES >> 30} GiB: draw more and "
                "shorter videos, or smaller frames"
            )
        if self.sounds is not None:
            require_length(frames * self.spacing)


@dataclass(frozen=True)
class Drawn:
    """The result of a drawing.

    Attributes:
        kept: number of videos that were already in the folder.
        drawn: number of videos that were drawn.
        labels: {label: number of gestures with this label in the folder}.
        sounds: {sound: number of times that it is heard}; for clips also the number of quiet ones. Empty: no sounds.
        table: the CSV file of all gestures.
        sheet: the contact sheet.
    """

    kept: int
    drawn: int
    labels: dict[str, int]
    sounds: dict[str, int]
    table: Path
    sheet: Path


@dataclass(frozen=True)
class _Video:
    """One video of the folder."""

    file: str
    seed: int
    label: str  # the label of a clip; empty for a stream
    rows: Sequence[tuple[object, ...]]  # its rows of the table
    strips: list[tuple[str, int, int]]  # label, first frame and last frame of each gesture, for the contact sheet
    sound: VideoSound | None = None


def draw_folder(folder: Path, drawing: Drawing, advance: Callable[[], None] = lambda: None) -> Drawn:
    """Draw the videos that are not in the folder yet.

    Args:
        folder: a new or empty folder, or one that was drawn with the same arguments.
        drawing: what to draw.
        advance: called after each video.

    Raises:
        GestureError: the folder holds other files, or an action of the script is unknown.
        EdgeshiftError: another process draws into the folder.
        VideoError: a video cannot be written.
    """
    _claim_folder(folder, drawing)
    videos, kept = [], 0
    with folder_lock(folder, RECORD):
        for video in _videos(drawing):
            kept += not _draw_missing(folder / video.file, video, drawing)
            # The samples are not needed any more, and those of a large folder would not fit into memory.
            videos.append(replace(video, sound=video.sound and replace(video.sound, samples=NO_SAMPLES)))
            advance()
        rows = [row for video in videos for row in video.rows]
        sheet, table = folder / SHEET, folder / TABLES[drawing.kind]
        _clear(sheet)
        _clear(table)
        if not sheet.exists():
            _write_sheet(sheet, folder, videos, drawing.spacing)
        if not table.exists():  # an existing table may have columns that the user added
            with atomic_write(table) as part, part.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows([_columns(drawing), *rows])
    labels = {label: sum(row[1] == label for row in rows) for label in drawing.strokes}
    return Drawn(kept, len(videos) - kept, labels, _count_sounds(videos, drawing), table, sheet)


def _draw_missing(path: Path, video: _Video, drawing: Drawing) -> bool:
    """Draw a video and its sound, unless they are in the folder. Return whether one of them was drawn."""
    wav, drawn = path.with_suffix(".wav"), False
    if not (path.is_file() and path.stat().st_size):
        drawn = True
        _clear(path)
        write_video(path, _draw(video, drawing), 1 / drawing.spacing)
    if video.sound is not None and not (wav.is_file() and wav.stat().st_size):
        drawn = True
        _clear(wav)
        write_wav(wav, video.sound.samples, RATE)
    return drawn


def _columns(drawing: Drawing) -> tuple[str, ...]:
    return COLUMNS[drawing.kind] + (SOUND_COLUMNS if drawing.kind == "clips" and drawing.sounds is not None else ())


def _count_sounds(videos: Sequence[_Video], drawing: Drawing) -> dict[str, int]:
    if drawing.sounds is None:
        return {}
    heard = [event.label for video in videos if video.sound for event in video.sound.events]
    counts = {name: heard.count(name) for name in drawing.sounds}
    quiet = sum(video.sound is not None and not video.sound.events for video in videos)
    return counts | ({QUIET: quiet} if drawing.kind == "clips" else {})


def _claim_folder(folder: Path, drawing: Drawing) -> None:
    """Write the arguments of the drawing into the folder, or check that the folder was drawn with the same ones."""
    record = folder / RECORD
    if folder.exists() and not folder.is_dir():
        raise GestureError(f"{folder} is a file: give a new or empty folder")
    others = folder.iterdir() if folder.is_dir() and not record.exists() else ()
    if any(not path.name.startswith(f".{RECORD}.") for path in others):
        raise GestureError(f"{folder} is not empty, and was not drawn by edgeshift: give another --out")
    try:
        different = list(claim(record, drawing))
    except ValueError as error:
        raise GestureError(f"{record} is damaged: remove {folder}, or give another --out") from error
    if different:
        raise GestureError(
            f"{folder} was drawn with another {' and '.join(different)}: give the same arguments to resume it, or "
            "another --out"
        )


def _videos(drawing: Drawing) -> Iterator[_Video]:
    """Yield all videos of the folder with their rows of the table, without drawing them."""
    labels = list(drawing.strokes)
    for index in range(drawing.count):
        seed = (drawing.seed << 32) + index
        if drawing.kind == "clips":
            seed += CLIPS
            label, frames = labels[index % len(labels)], drawing.frames or 1
            file = f"{label}/{index:05d}.mp4"
            bounds = clip_stroke(seed, label, frames=frames, strokes=drawing.strokes)
            row: tuple[object, ...] = (file, label, seed, frames, *bounds)
            sound = None
            if drawing.sounds is not None:
                name = sound_of_clip(index, len(labels), drawing.sounds)
                sound = draw_clip_sound(seed, name, frames * drawing.spacing)
                times = [f"{time:.3f}" for event in sound.events for time in (event.begin, event.end)]
                row += (name, *(times or ("", "")))
            yield _Video(file, seed, label, [row], [(label, 0, frames - 1)], sound)
        else:
            seed += STREAMS
            file = f"stream_{index:05d}.mp4"
            events = stream_events(seed, drawing.script, **_length(drawing), strokes=drawing.strokes)
            sound = None
            if drawing.sounds is not None:
                count = stream_frames(seed, drawing.script, **_length(drawing), strokes=drawing.strokes)
                sound = draw_stream_sound(seed, drawing.sounds, count * drawing.spacing)
            spans = [(e.begin, e.end, e.label) for e in events]
            spans += [(e.begin, e.end, e.label) for e in (sound.events if sound else ())]
            rows = [(file, name, f"{begin:.3f}", f"{end:.3f}") for begin, end, name in sorted(spans)]
            strips = [(e.label, round(e.begin / drawing.spacing), round(e.end / drawing.spacing)) for e in events]
            yield _Video(file, seed, "", rows, strips, sound)


def _draw(video: _Video, drawing: Drawing) -> Iterable[Frame]:
    if drawing.kind == "clips":
        frames = drawing.frames or 1
        return draw_clip(video.seed, video.label, frames=frames, size=drawing.size, strokes=drawing.strokes).frames
    strokes = drawing.strokes
    return draw_stream(video.seed, drawing.script, **_length(drawing), size=drawing.size, strokes=strokes).frames


def _length(drawing: Drawing) -> dict[str, float]:
    """Return the arguments of ``draw_stream`` that decide the length of a stream, besides its script."""
    return {"spacing": drawing.spacing, **({} if drawing.seconds is None else {"seconds": drawing.seconds})}


def _clear(path: Path) -> None:
    """Remove incomplete copies of a file that a killed process left. They have the suffix of a complete file."""
    for part in path.parent.glob(f".{path.name}.*"):
        part.unlink(missing_ok=True)


def _write_sheet(path: Path, folder: Path, videos: Sequence[_Video], spacing: float) -> None:
    """Write the contact sheet. It has one row per label, with frames of the first video of this gesture.

    The spectrogram of the sound is below the row of its frames.
    """
    rows: dict[str, Frame] = {}
    for video in videos:
        new = {label: (first, last) for label, first, last in reversed(video.strips) if label not in rows}
        if new:
            frames = [timed.frame for timed in read_video(folder / video.file)]
            for label, (first, last) in new.items():
                rows[label] = _strip(frames[max(0, first) : last + 1] or frames[-1:], label)
                if video.sound is not None:
                    below = _sound_strip(folder, video, first * spacing, (last + 1) * spacing, rows[label].shape)
                    rows[label] = np.concatenate([rows[label], below])
    if not rows:  # streams without gestures
        rows["none"] = _strip([timed.frame for timed in read_video(folder / videos[0].file)], "none")
    write_picture(path, np.concatenate(list(rows.values())))


def _sound_strip(folder: Path, video: _Video, begin: float, end: float, shape: tuple[int, ...]) -> Frame:
    """Return the spectrogram of a part of a video's sound. It has half the height of the row of frames."""
    assert video.sound is not None
    names = [event.label for event in video.sound.events if event.begin < end and event.end > begin]
    wav = (folder / video.file).with_suffix(".wav")
    return spectrogram(wav, begin, end, shape[1], max(shape[0] // 2, 8), ", ".join(names) or QUIET)


def _strip(frames: Sequence[Frame], label: str) -> Frame:
    """Return a few frames, evenly spread and resized, side by side with a label written on them."""
    cv2 = opencv("drawing gestures")
    picks = np.linspace(0, len(frames) - 1, SHEET_FRAMES).round().astype(int)
    size = min(SHEET_SIZE, len(frames[0]))
    row = np.concatenate([cv2.resize(frames[i], (size, size), interpolation=cv2.INTER_AREA) for i in picks], axis=1)
    write_title(row, label)
    return row
