"""Read data sets of labelled clips: a folder with one folder per label, or a CSV file.

``edgeshift.video.clip_files`` decides what a clip is. The folder and the CSV file are named by the user, so their links
and paths may lead anywhere. Names and labels are checked, because they are printed and stored in reports.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unicodedata import normalize

from edgeshift._system.files import read_text, sha256
from edgeshift._system.text import is_printable, printable
from edgeshift.errors import VideoError, unknown
from edgeshift.video.clip_files import MAX_CLIPS, VIDEOS, Found, find_clips
from edgeshift.video.clip_times import fps_without_effect, require_fps

COLUMNS = ("file", "label")
EXPECTED = "give a folder with a folder of clips for each label, or a CSV file with the columns file and label"
#: {name of a folder of a split: name of the split}. The folders contain a folder for each label.
SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"}
SPLITS |= {"test": "test", "testing": "test"}
#: Suffixes of other files that data sets contain, which are ignored without a note.
OTHER_SUFFIXES = (".csv", ".json", ".jsonl", ".txt", ".md", ".png", ".jpg", ".jpeg", ".yaml", ".yml")
#: Largest size of a CSV file in bytes, and length of a name. Real data sets are smaller.
MAX_BYTES, MAX_NAME = 64 << 20, 1024


@dataclass(frozen=True)
class LabelledClip:
    """A clip of a data set.

    Attributes:
        path: a video file or a folder of frames.
        name: its name, relative to the data set.
        label: its label, after the label map.
        split: its split; None: the data set has no splits.
        fps: frames per second, if the clip has no times; None: not known.
        sound: the name of its sound, from the column ``sound`` of a CSV file; None: there is no such column.
    """

    path: Path
    name: str
    label: str
    split: str | None = None
    fps: float | None = None
    sound: str | None = None

    @property
    def wav(self) -> Path:
        """The file in which its sound may be."""
        return sound_file(self.path)


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Attributes:
        name: name of the folder or CSV file, without its path.
        clips: the clips, sorted by name.
        ignored: files in the folder that were ignored: unknown formats, and videos that are in no label's folder.
    """

    name: str
    clips: tuple[LabelledClip, ...]
    ignored: tuple[str, ...] = ()

    @property
    def labels(self) -> dict[str, int]:
        """{label: number of clips}."""
        return dict(sorted(Counter(clip.label for clip in self.clips).items()))

    @property
    def note(self) -> str | None:
        """A line about ignored files; None: no file was ignored."""
        if not self.ignored:
            return None
        examples = ", ".join(self.ignored[:3]) + (", ..." if len(self.ignored) > 3 else "")
        reasons = "in no label's folder, or of an unknown format"
        return f"{self.name}: ignored files {reasons} ({len(self.ignored)}): {examples}"

    @property
    def sha256(self) -> str:
        """Hash of names, labels and frames per second. The content of the clips is not part of it."""
        lines = (f"{clip.name}\t{clip.label}" + ("" if clip.fps is None else f"\t{clip.fps:g}") for clip in self.clips)
        return sha256("".join(f"{line}\n" for line in lines).encode())

    def require_fps(self) -> None:
        """Raise an EdgeshiftError if ``--fps`` is missing; see ``clip_times.require_fps``."""
        require_fps((clip.path for clip in self.clips), self.clips[0].fps)

    def fps_without_effect(self) -> str | None:
        """Return why ``--fps`` has no effect on these clips; None: it has one, or is not given."""
        return fps_without_effect((clip.path for clip in self.clips), self.clips[0].fps)


def read_dataset(
    path: Path, label_map: Mapping[str, str] | None = None, split: str | None = None, *, fps: float | None = None
) -> DataSet:
    """Read a data set.

    Args:
        path: a folder that contains a folder of clips for each label, or such folders in the folders train, val and
            test; or a CSV file with the columns ``file``, ``label`` and optionally ``split``. Files may be folders of
            frames. Their paths are absolute, or relative to the folder of the CSV file.
        label_map: {label in the data: label of the model}, for labels that differ.
        split: read only the clips of this split; None: all clips.
        fps: frames per second of clips without times; None: not known.

    Raises:
        VideoError: there are no clips, the CSV file is not valid, a clip occurs twice, or a label or split does not
            exist.
    """
    found = find_clips(path) if path.is_dir() else None
    clips = list(_csv(path) if found is None else _folder(path, found))
    if not clips:
        raise VideoError(f"{path}: it contains no clips; {EXPECTED}")
    clips = [replace(clip, fps=fps) for clip in clips]
    clips = _mapped(path, clips, label_map or {})
    if split is not None:
        splits = {clip.split for clip in clips if clip.split}
        if split not in splits:
            reason = unknown("split", split, splits) if splits else "the data set has no splits: leave out --split"
            raise VideoError(f"{path}: {reason}")
        clips = [clip for clip in clips if clip.split == split]
        if label_map and not set(label_map.values()) & {clip.label for clip in clips}:
            raise VideoError(f"{path}: the label map changes no label of the split {split}: leave it out")
    ignored = () if found is None else tuple(_ignored(path, found))
    return DataSet(printable(path.absolute().name), tuple(sorted(clips, key=lambda clip: clip.name)), ignored)


def sound_file(clip: Path) -> Path:
    """Return the .wav file in which the sound of a clip may be: it has the clip's name and is beside it."""
    return clip.with_suffix(".wav") if clip.suffix.lower() in VIDEOS else clip.with_name(f"{clip.name}.wav")


def read_label_map(text: str) -> dict[str, str]:
    """Return a label map from text such as ``carret=caret,del=x``.

    Raises:
        VideoError: the text has another form, or contains a label twice.
    """
    label_map: dict[str, str] = {}
    for pair in text.split(","):
        label, sign, model_label = (part.strip() for part in pair.partition("="))
        label, model_label = normalize("NFC", label), normalize("NFC", model_label)
        if not (label and sign and model_label) or label in label_map:
            raise VideoError(f"a label map has the form carret=caret,del=x, with each label once; not {text!r:.200}")
        label_map[label] = model_label
    return label_map


def _folder(root: Path, found: Found) -> Iterator[LabelledClip]:
    clips = [(clip, clip.relative_to(root)) for clip in found.clips]
    labelled = [(clip, relative) for clip, relative in clips if len(relative.parts) > 1]
    if clips and not labelled:
        raise VideoError(f"{root}: {clips[0][1].as_posix()!r:.200} is in no label's folder; {EXPECTED}")
    splits = _split_folders(root, [relative for _, relative in labelled])
    for clip, relative in labelled:
        name, label, split = relative.as_posix(), relative.parts[1 if splits else 0], splits.get(relative.parts[0])
        if splits and len(relative.parts) < 3:
            raise VideoError(f"{root}: {name!r:.200} is in the folder of a split, but in no label's folder: move it")
        yield LabelledClip(clip, _name(name, root), _label(label, root), split)


def _split_folders(root: Path, clips: Sequence[Path]) -> dict[str, str]:
    """Return {folder: split} if the folders of a data set are splits; empty: they are labels.

    Args:
        root: the data set.
        clips: its clips, relative to it.

    Raises:
        VideoError: some folders have the names and contents of splits, and others have not.
    """
    folders = sorted({clip.parts[0] for clip in clips})
    splits = {folder: SPLITS[folder.lower()] for folder in folders if folder.lower() in SPLITS}
    nested = sorted({clip.parts[0] for clip in clips if clip.parts[0] in splits and len(clip.parts) > 2})
    others = [folder for folder in folders if folder not in splits]
    if splits and not nested and not others:
        raise VideoError(
            f"{root}: its folders ({', '.join(folders)}) have the names of splits, and hold clips but no folder for "
            f"each label; {EXPECTED}"
        )
    if not nested:
        return {}
    if others:
        raise VideoError(
            f"{root}: {', '.join(nested)} contain folders like splits, but {', '.join(others[:3])} beside them are not "
            "splits: give one of the folders, or move the others away"
        )
    return splits


def _ignored(root: Path, found: Found) -> Iterator[str]:
    """Yield what may have been meant as clips. It leaves out sounds, tables, notes and pictures beside the clips."""
    sounds = {sound_file(clip) for clip in found.clips}
    others = [path for path in found.others if path.suffix.lower() not in OTHER_SUFFIXES and path not in sounds]
    without_label = [clip for clip in found.clips if clip.parent == root]
    files = [path for path in others if path.is_file()]
    for path in sorted(without_label + files):
        yield printable(path.relative_to(root).as_posix())


def _csv(path: Path) -> Iterator[LabelledClip]:
    text = _text(path)
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    base, seen = path.absolute().parent, set()
    try:
        columns = rows.fieldnames or ()
        if {"begin", "end"} & set(columns):
            raise VideoError(
                f"{path}: the columns begin and end belong to events in streams; give clips with one gesture each, in "
                "a CSV file with the columns file, label and optionally split"
            )
        if not set(COLUMNS) <= set(columns):
            raise VideoError(f"{path}: {_header_problem(text)}")
        for row in rows:
            where = f"{path}, line {rows.line_num}"
            name, label, split = (row.get(column) for column in (*COLUMNS, "split"))
            if not name or not label:
                raise VideoError(f"{where}: the file or the label is missing")
            _name(name, where)
            clip = base / name
            if (normal := os.path.normpath(clip)) in seen:
                raise VideoError(f"{where}: {name!r:.200} occurs twice")
            seen.add(normal)
            if len(seen) > MAX_CLIPS:
                raise VideoError(f"{path}: more than {MAX_CLIPS:,} clips, the limit")
            sound = row.get("sound") or None
            sound = None if sound is None else _label(sound, where)
            yield LabelledClip(clip, name, _label(label, where), split or None, sound=sound)
    except csv.Error as error:
        raise VideoError(f"{path}, line {rows.line_num}: not valid CSV: {error}") from error


def _header_problem(text: str) -> str:
    """Return what the first line of a CSV file is, and what it should be."""
    lines = text.splitlines()
    line = lines[0][:80] if lines else ""
    wanted = "its first line must name the columns: file,label or file,label,split"
    other = next((sign for sign in (";", "\t", "|") if sign in line and "," not in line), None)
    line = printable(line.replace("\t", " "))
    if not line.strip():
        return f"{wanted}; it is empty"
    if other is not None:
        sign = "tabs" if other == "\t" else repr(other)
        return f"{wanted}, separated by commas; it is {line!r}, separated by {sign}"
    return f"{wanted}; it is {line!r}"


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            what = "not a file" if path.exists() else "no such file or folder"
            raise VideoError(f"{path}: {what}; {EXPECTED}")
    except OSError as error:  # the name is too long
        raise VideoError(f"{path}: cannot be read: {error.strerror or error}") from error
    return read_text(path, MAX_BYTES, "a CSV file", VideoError)


def _name(name: str, where: object) -> str:
    if not is_printable(name, longest=MAX_NAME):
        raise VideoError(f"{where}: the file name {name!r:.80} is not 1 to {MAX_NAME} printable characters")
    return name


def _label(text: str, where: object) -> str:
    if not is_printable(text, longest=256):
        raise VideoError(f"{where}: label {text!r:.80} is not 1 to 256 printable characters")
    return normalize("NFC", text.strip())


def _mapped(path: Path, clips: list[LabelledClip], label_map: Mapping[str, str]) -> list[LabelledClip]:
    labels = {clip.label for clip in clips}
    for label in label_map:
        if label not in labels:
            raise VideoError(f"{path}: {unknown('label', label, labels)} (in the label map)")
    return [replace(clip, label=label_map.get(clip.label, clip.label)) for clip in clips]
