"""Labelled clips: a folder for each label, or a CSV file that names them. Either was written by somebody else."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeshift._system.files import sha256
from edgeshift.errors import VideoError, unknown
from edgeshift.video.clips import VIDEOS

COLUMNS = ("file", "label")
#: What lies beside clips and is none.
NO_CLIPS = (".csv", ".json", ".jsonl", ".txt", ".md", ".png", ".jpg", ".jpeg", ".yaml", ".yml")
#: No honest list comes near these.
MAX_BYTES, MAX_CLIPS, MAX_NAME = 64 << 20, 1_000_000, 1024


@dataclass(frozen=True)
class LabelledClip:
    """A clip: where it is, its name in the data set, its label (mapped), and its split, if there are any."""

    path: Path
    name: str
    label: str
    split: str | None = None


@dataclass(frozen=True)
class DataSet:
    """Clips in the order of their names. name: the folder's or the list's own, without where it lies.

    ignored: files of a folder that are no clips of it: of another sort than videos, or beside the folders of labels.
    """

    name: str
    clips: tuple[LabelledClip, ...]
    ignored: tuple[str, ...] = ()

    @property
    def labels(self) -> dict[str, int]:
        """{label: clips}."""
        return dict(sorted(Counter(clip.label for clip in self.clips).items()))

    @property
    def note(self) -> str | None:
        """A line on what was left out; None: nothing was."""
        if not self.ignored:
            return None
        more = ", ..." if len(self.ignored) > 3 else ""
        return f"{self.name}: no clips, and left out: {len(self.ignored)} ({', '.join(self.ignored[:3])}{more})"

    @property
    def sha256(self) -> str:
        """Hash of the names and labels, not of the clips themselves."""
        return sha256("".join(f"{clip.name}\t{clip.label}\n" for clip in self.clips).encode())


def read_dataset(path: Path, label_map: Mapping[str, str] | None = None, split: str | None = None) -> DataSet:
    """Find the clips.

    Args:
        path: a folder with a folder of videos for each label; or a CSV file with the columns file, label and perhaps
            split, whose files are named from where it lies.
        label_map: {label in the data: label of the model}, where they differ.
        split: only the clips of this one, as the CSV file calls it.

    Raises:
        VideoError: no clips, a list that cannot be read, a clip outside of the folder or named twice, a label or
            split that is not there.
    """
    clips = list(_folder(path) if path.is_dir() else _list(path))
    if not clips:
        raise VideoError(f"{path}: no clips in it; give a folder of videos for each label, or a CSV file: file,label")
    clips = _mapped(path, clips, label_map or {})
    if split is not None:
        splits = {clip.split for clip in clips if clip.split}
        if split not in splits:
            reason = unknown("split", split, splits) if splits else "it has no splits: leave --split out"
            raise VideoError(f"{path}: {reason}")
        clips = [clip for clip in clips if clip.split == split]
    ignored = tuple(_ignored(path)) if path.is_dir() else ()
    return DataSet(_printable(path.absolute().name), tuple(sorted(clips, key=lambda clip: clip.name)), ignored)


def read_label_map(text: str) -> dict[str, str]:
    """``"a=b,c=d"`` as a dict.

    Raises:
        VideoError: something else.
    """
    pairs: dict[str, str] = {}
    for part in text.split(","):
        theirs, sign, ours = (piece.strip() for piece in part.partition("="))
        if not (theirs and sign and ours) or theirs in pairs:
            raise VideoError(f"a label map is like carret=caret,del=x, each label once; not {text!r:.200}")
        pairs[theirs] = ours
    return pairs


def _folder(root: Path) -> Iterator[LabelledClip]:
    base = root.resolve()
    for folder in sorted(one for one in root.iterdir() if one.is_dir() and not one.name.startswith(".")):
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(root)
            if path.suffix.lower() in VIDEOS and not any(part.startswith(".") for part in inside.parts):
                name = inside.as_posix()
                yield LabelledClip(_below(base, name, root), name, _label(folder.name, root))


def _ignored(root: Path) -> Iterator[str]:
    """What somebody may have meant as a clip; tables, notes and pictures are not listed."""
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        hidden = any(part.startswith(".") for part in inside.parts)
        video = path.suffix.lower() in VIDEOS
        if path.is_file() and not hidden and (len(inside.parts) == 1 if video else path.suffix.lower() not in NO_CLIPS):
            yield _printable(inside.as_posix())


def _list(path: Path) -> Iterator[LabelledClip]:
    rows = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    base, seen = path.absolute().parent.resolve(), set()
    try:
        columns = rows.fieldnames or ()
        if not set(COLUMNS) <= set(columns):
            raise VideoError(f"{path}: its first line must name the columns file and label (and may name split)")
        if {"begin", "end"} & set(columns):
            raise VideoError(
                f"{path}: columns begin and end make it a table of streams' events; give trimmed clips, one gesture "
                "each, in a CSV with columns file, label and perhaps split"
            )
        for row in rows:
            where = f"{path}, line {rows.line_num}"
            name, label, split = (row.get(column) for column in (*COLUMNS, "split"))
            if not name or not label:
                raise VideoError(f"{where}: a file or its label is missing")
            if name in seen:
                raise VideoError(f"{where}: {name!r:.200} is named twice")
            seen.add(name)
            if len(seen) > MAX_CLIPS:
                raise VideoError(f"{path}: more than {MAX_CLIPS:,} clips, the limit")
            yield LabelledClip(_below(base, name, where), name, _label(label, where), split or None)
    except csv.Error as error:
        raise VideoError(f"{path}, line {rows.line_num}: not valid CSV: {error}") from error


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            what = "not a file" if path.exists() else "no such file or folder"
            raise VideoError(f"{path}: {what}; give a folder of videos for each label, or a CSV file: file,label")
        if path.stat().st_size > MAX_BYTES:
            raise VideoError(f"{path}: larger than {MAX_BYTES:,} bytes, the limit for a list of clips")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise VideoError(f"{path}: cannot be read as a list of clips: {error}") from error


def _below(base: Path, name: str, where: object) -> Path:
    """The path of a clip, which must not lead out of the folder, links included.

    base: the folder, resolved.
    """
    if len(name) > MAX_NAME or not name.isprintable():
        raise VideoError(f"{where}: {name!r:.80} is no name for a file: more than {MAX_NAME} characters, or odd ones")
    path = base / name
    try:
        inside = Path(os.path.realpath(path)).is_relative_to(base)
    except OSError:
        inside = False
    if not inside or ".." in Path(name).parts or Path(name).is_absolute():
        raise VideoError(f"{where}: {name!r:.200} leads out of the data set's folder: clips must lie below it")
    return path


def _label(text: str, where: object) -> str:
    if not text.isprintable() or len(text) > 256:
        raise VideoError(f"{where}: label {text!r:.80} is not 1 to 256 printable characters")
    return text.strip()


def _mapped(path: Path, clips: list[LabelledClip], label_map: Mapping[str, str]) -> list[LabelledClip]:
    labels = {clip.label for clip in clips}
    for theirs in label_map:
        if theirs not in labels:
            raise VideoError(f"{path}: {unknown('label', theirs, labels)} (in the label map)")
    return [LabelledClip(clip.path, clip.name, label_map.get(clip.label, clip.label), clip.split) for clip in clips]


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
