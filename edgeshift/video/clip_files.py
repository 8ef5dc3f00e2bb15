"""What a clip is: a video file, or a folder that holds the frames of one clip as pictures. All commands use this rule.

A video file has one of the suffixes in ``VIDEOS``. A folder of frames holds pictures, and neither videos nor folders;
its own name does not end like that of a video. Hidden files and folders are ignored, and so are the folders in which
operating systems and network storage keep thumbnails and deleted files. Links are followed.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeshift.errors import VideoError
from edgeshift.video.container import RAW

#: Suffixes of video files.
VIDEOS = (".mp4", ".m4v", ".mov", ".3gp", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mts", ".m2ts", ".wmv", *RAW)
#: Suffixes of pictures.
IMAGES = (".png", ".jpg", ".jpeg")
#: Folders of operating systems and network storage, besides those whose names begin with a dot.
SYSTEM_FOLDERS = ("@eaDir", "@Recycle", "#recycle", "#snapshot", "$RECYCLE.BIN", "__MACOSX", "lost+found")
#: Largest number of clips. Real data sets are smaller.
MAX_CLIPS = 1_000_000


@dataclass(frozen=True)
class Found:
    """The clips below a folder, and the visible files that belong to no clip, both sorted by path."""

    clips: tuple[Path, ...]
    others: tuple[Path, ...]


def find_clips(root: Path) -> Found:
    """Find the clips below a folder. The folder itself is not a clip, even if it holds pictures.

    Raises:
        VideoError: a folder cannot be read, or there are more than ``MAX_CLIPS`` clips.
    """
    clips: list[Path] = []
    others: list[Path] = []
    for path, is_clip in _walk(root, ()):
        (clips if is_clip else others).append(path)
        if len(clips) > MAX_CLIPS:
            raise VideoError(f"{root}: more than {MAX_CLIPS:,} clips, the limit")
    return Found(tuple(clips), tuple(others))


def frame_files(folder: Path) -> list[Path]:
    """Return the pictures in a folder of frames, in the order of the numbers in their names (2 before 10).

    Raises:
        VideoError: the folder cannot be read, holds no pictures, or holds the frames of several clips.
    """
    entries = _entries(folder)
    names = sorted((entry.name for entry in entries if _suffix(entry.name) in IMAGES and entry.is_file()), key=_natural)
    if not names:
        raise VideoError(f"{folder} holds no .jpg or .png files; give a video file, or a folder of images")
    stems = Counter(name.rpartition(".")[0] for name in names)
    if len(stems) < len(names):
        stem = stems.most_common(1)[0][0]
        raise VideoError(f"{folder} holds {stem!r:.80} more than once, with different suffixes: keep one of each frame")
    series = Counter(re.sub(r"\d+", "#", stem) for stem in stems)
    several = [text for text, count in series.most_common(3) if count > 1]
    if len(several) > 1:
        raise VideoError(
            f"{folder} holds more than one series of pictures ({', '.join(sorted(several))}): "
            "keep the frames of one clip"
        )
    return [folder / name for name in names]


def _walk(folder: Path, ancestors: tuple[str, ...]) -> Iterator[tuple[Path, bool]]:
    """Yield the files and folders of frames below a folder, and whether each of them is a clip."""
    entries = _entries(folder)
    folders = {entry.name for entry in entries if entry.is_dir()}
    videos = {entry.name for entry in entries if _suffix(entry.name) in VIDEOS} - folders
    pictures = any(_suffix(entry.name) in IMAGES for entry in entries)
    if ancestors and pictures and not folders and not videos:
        if _suffix(folder.name) not in VIDEOS:
            yield folder, True
        return
    ancestors = (*ancestors, os.path.realpath(folder))
    for entry in entries:
        path = folder / entry.name
        if entry.name not in folders:
            yield path, entry.name in videos
        elif not entry.is_symlink() or os.path.realpath(path) not in ancestors:  # a link may point to its own parent
            yield from _walk(path, ancestors)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return the visible entries of a folder, sorted by name."""
    try:
        with os.scandir(folder) as entries:
            visible = [e for e in entries if not e.name.startswith(".") and e.name not in SYSTEM_FOLDERS]
    except OSError as error:
        raise VideoError(f"{folder} cannot be read: {error.strerror or error}") from error
    return sorted(visible, key=lambda entry: entry.name)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 (a Path for each of millions of names is slow)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key that puts frame2 before frame10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
