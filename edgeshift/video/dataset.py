"""Read data sets of labelled clips: a folder with one folder per label, or a CSV file. Both are untrusted input."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from edgeshift._system.files import read_file, sha256
from edgeshift._system.text import is_printable, printable
from edgeshift.errors import VideoError, unknown
from edgeshift.video.clips import VIDEOS

COLUMNS = ("file", "label")
EXPECTED = "give a folder with a folder of videos for each label, or a CSV file with the columns file and label"
#: {name of a folder of a split: name of the split}. The folders contain a folder for each label.
SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"}
SPLITS |= {"test": "test", "testing": "test"}
#: Suffixes of other files that data sets contain, which are ignored without a note.
OTHER_SUFFIXES = (".csv", ".json", ".jsonl", ".txt", ".md", ".png", ".jpg", ".jpeg", ".yaml", ".yml")
#: Largest size of a CSV file in bytes, number of clips, and length of a name. Real data sets are smaller.
MAX_BYTES, MAX_CLIPS, MAX_NAME = 64 << 20, 1_000_000, 1024


@dataclass(frozen=True)
class LabelledClip:
    """A clip: its path, its name relative to the data set, its label after the label map, and its split, if any."""

    path: Path
    name: str
    label: str
    split: str | None = None


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
        return f"{self.name}: ignored files that are not clips ({len(self.ignored)}): {examples}"

    @property
    def sha256(self) -> str:
        """Hash of the names and labels. The content of the clips is not part of it."""
        return sha256("".join(f"{clip.name}\t{clip.label}\n" for clip in self.clips).encode())


def read_dataset(path: Path, label_map: Mapping[str, str] | None = None, split: str | None = None) -> DataSet:
    """Read a data set.

    Args:
        path: a folder that contains a folder of videos for each label, or such folders in the folders train, val and
            test; or a CSV file with the columns ``file``, ``label`` and optionally ``split``. Files are relative to the
            folder of the CSV file.
        label_map: {label in the data: label of the model}, for labels that differ.
        split: read only the clips of this split; None: all clips.

    Raises:
        VideoError: there are no clips, the CSV file is not valid, a clip is outside of the folder or occurs twice, or a
            label or split does not exist.
    """
    clips = list(_folder(path) if path.is_dir() else _csv(path))
    if not clips:
        raise VideoError(f"{path}: it contains no clips; {EXPECTED}")
    clips = _mapped(path, clips, label_map or {})
    if split is not None:
        splits = {clip.split for clip in clips if clip.split}
        if split not in splits:
            reason = unknown("split", split, splits) if splits else "the data set has no splits: leave out --split"
            raise VideoError(f"{path}: {reason}")
        clips = [clip for clip in clips if clip.split == split]
    ignored = tuple(_ignored(path)) if path.is_dir() else ()
    return DataSet(printable(path.absolute().name), tuple(sorted(clips, key=lambda clip: clip.name)), ignored)


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


def _folder(root: Path) -> Iterator[LabelledClip]:
    base = root.resolve()
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    splits = _split_folders(root, folders)
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(root)
            if path.suffix.lower() not in VIDEOS or _is_hidden(relative) or path.is_dir():
                continue
            name, label = relative.as_posix(), relative.parts[1 if splits else 0]
            if splits and len(relative.parts) < 3:
                raise VideoError(
                    f"{root}: {name!r:.200} is in the folder of a split, but in no label's folder: move it"
                )
            yield LabelledClip(_clip_path(base, name, root), name, _label(label, root), splits.get(folder.name))


def _split_folders(root: Path, folders: Sequence[Path]) -> dict[str, str]:
    """Return {folder: split} if the folders of a data set are splits; empty: they are labels.

    Raises:
        VideoError: some folders have the names and contents of splits, and others have not.
    """
    splits = {folder.name: SPLITS[folder.name.lower()] for folder in folders if folder.name.lower() in SPLITS}
    nested = [
        folder for folder in folders if folder.name in splits and any(inner.is_dir() for inner in folder.iterdir())
    ]
    if not nested:
        return {}
    if others := [folder.name for folder in folders if folder.name not in splits]:
        names = ", ".join(folder.name for folder in nested)
        raise VideoError(
            f"{root}: {names} contain folders like splits, but {', '.join(others[:3])} beside them are not splits: "
            "give one of the folders, or move the others away"
        )
    return splits


def _ignored(root: Path) -> Iterator[str]:
    """Yield the files that may have been meant as clips. Tables, notes and pictures are not among them."""
    for path in sorted(root.rglob("*")):
        relative, suffix = path.relative_to(root), path.suffix.lower()
        without_label = suffix in VIDEOS and len(relative.parts) == 1
        unknown_format = suffix not in (*VIDEOS, *OTHER_SUFFIXES)
        if path.is_file() and not _is_hidden(relative) and (without_label or unknown_format):
            yield printable(relative.as_posix())


def _is_hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def _csv(path: Path) -> Iterator[LabelledClip]:
    rows = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    base, seen = path.absolute().parent.resolve(), set()
    try:
        columns = rows.fieldnames or ()
        if not set(COLUMNS) <= set(columns):
            raise VideoError(f"{path}: its first line must contain the columns file and label, and may contain split")
        if {"begin", "end"} & set(columns):
            raise VideoError(
                f"{path}: the columns begin and end belong to events in streams; give clips with one gesture each, in "
                "a CSV file with the columns file, label and optionally split"
            )
        for row in rows:
            where = f"{path}, line {rows.line_num}"
            name, label, split = (row.get(column) for column in (*COLUMNS, "split"))
            if not name or not label:
                raise VideoError(f"{where}: the file or the label is missing")
            if name in seen:
                raise VideoError(f"{where}: {name!r:.200} occurs twice")
            seen.add(name)
            if len(seen) > MAX_CLIPS:
                raise VideoError(f"{path}: more than {MAX_CLIPS:,} clips, the limit")
            yield LabelledClip(_clip_path(base, name, where), name, _label(label, where), split or None)
    except csv.Error as error:
        raise VideoError(f"{path}, line {rows.line_num}: not valid CSV: {error}") from error


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            what = "not a file" if path.exists() else "no such file or folder"
            raise VideoError(f"{path}: {what}; {EXPECTED}")
        return read_file(path, MAX_BYTES, VideoError).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise VideoError(f"{path}: cannot be read as a CSV file of clips: {error}") from error


def _clip_path(base: Path, name: str, where: object) -> Path:
    """Return the path of a clip, which must be inside of the folder ``base`` after links are followed."""
    if not is_printable(name, longest=MAX_NAME):
        raise VideoError(f"{where}: the file name {name!r:.80} is not 1 to {MAX_NAME} printable characters")
    path = base / name
    try:
        inside = Path(os.path.realpath(path)).is_relative_to(base)
    except OSError:
        inside = False
    if not inside or ".." in Path(name).parts or Path(name).is_absolute():
        raise VideoError(f"{where}: {name!r:.200} is outside of the data set's folder: move the clip into it")
    return path


def _label(text: str, where: object) -> str:
    if not is_printable(text, longest=256):
        raise VideoError(f"{where}: label {text!r:.80} is not 1 to 256 printable characters")
    return normalize("NFC", text.strip())


def _mapped(path: Path, clips: list[LabelledClip], label_map: Mapping[str, str]) -> list[LabelledClip]:
    labels = {clip.label for clip in clips}
    for label in label_map:
        if label not in labels:
            raise VideoError(f"{path}: {unknown('label', label, labels)} (in the label map)")
    return [LabelledClip(clip.path, clip.name, label_map.get(clip.label, clip.label), clip.split) for clip in clips]
