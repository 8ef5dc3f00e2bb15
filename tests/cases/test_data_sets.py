"""Data sets as people have them: splits in folders, file names of phones and desktops, labels in other scripts."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from edgeshift.errors import VideoError
from edgeshift.video.dataset import read_dataset


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_folders_of_splits_are_recognised(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{split}/{label}/a.mp4" for split in ("train", "Val", "testing") for label in ("left", "right")))
    data = read_dataset(tmp_path)
    assert data.labels == {"left": 3, "right": 3}
    assert [clip.split for clip in data.clips if clip.label == "left"] == ["val", "test", "train"]
    assert [clip.name for clip in read_dataset(tmp_path, split="val").clips] == ["Val/left/a.mp4", "Val/right/a.mp4"]


def test_a_label_may_have_the_name_of_a_split(tmp_path: Path) -> None:
    touch(tmp_path, "test/a.mp4", "left/a.mp4")
    data = read_dataset(tmp_path)
    assert data.labels == {"left": 1, "test": 1} and {clip.split for clip in data.clips} == {None}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("train/left/a.mp4", "val/left/a.mp4", "up/a.mp4"),
            "train, val contain folders like splits, but up beside them",
        ),
        (("train/left/a.mp4", "train/b.mp4"), "'train/b.mp4' is in the folder of a split, but in no label's folder"),
    ],
)
def test_a_mixture_of_splits_and_labels_is_refused(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(VideoError, match=message):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["Screen Recording 2024-05-01 at 3.14.15\u202fPM.mov", "Snímek 2024-05-01 v\u00a013.05.05.mov", "🤷\u200d♂️.mp4"],
)
def test_file_names_of_desktops_and_phones_are_accepted(tmp_path: Path, name: str) -> None:
    touch(tmp_path, f"left/{name}", "left/ok.mp4")
    assert read_dataset(tmp_path).labels == {"left": 2}


@pytest.mark.parametrize("character", ["\x1b", "\u202e", "\n", "\x9b", "\udc80"])
def test_control_characters_in_file_names_are_refused(tmp_path: Path, character: str) -> None:
    touch(tmp_path, f"left/a{character}.mp4")
    with pytest.raises(VideoError, match="printable characters"):
        read_dataset(tmp_path)


def test_a_folder_with_the_name_of_a_video_is_not_a_clip(tmp_path: Path) -> None:
    """A Synology NAS keeps thumbnails in such folders."""
    touch(tmp_path, "left/a.mp4", "left/@eaDir/a.mp4/thumbnail.jpg")
    assert [clip.name for clip in read_dataset(tmp_path).clips] == ["left/a.mp4"]


def test_labels_are_composed_as_on_every_other_system(tmp_path: Path) -> None:
    """macOS decomposes letters with accents in file names."""
    touch(tmp_path, f"{unicodedata.normalize('NFD', 'öffnen')}/a.mp4")
    assert list(read_dataset(tmp_path).labels) == ["öffnen"]
