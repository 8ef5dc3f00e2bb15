"""Data sets of labelled clips: folders, CSV files, label maps, and hostile CSV files."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeshift.errors import VideoError
from edgeshift.video.dataset import read_dataset, read_label_map


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "clips"
    visible = ("left/b.mp4", "left/a.MP4", "left/deep/c.avi", "right/a.mp4", "right/notes.txt")
    for name in (*visible, ".hidden/x.mp4", "left/.half.mp4", "left/.deep/x.mp4"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "README.md").touch()
    (root / "lost.mp4").touch()
    return root


def write_csv(root: Path, text: str, encoding: str = "utf-8") -> Path:
    path = root / "list.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_folder_with_a_folder_for_each_label(folder: Path) -> None:
    data = read_dataset(folder)
    assert [(clip.name, clip.label) for clip in data.clips] == [
        ("left/a.MP4", "left"),
        ("left/b.mp4", "left"),
        ("left/deep/c.avi", "left"),
        ("right/a.mp4", "right"),
    ]
    assert data.name == "clips" and data.labels == {"left": 3, "right": 1}
    assert all(clip.path.is_file() for clip in data.clips)


def test_a_csv_file_with_splits_and_other_columns(folder: Path) -> None:
    path = write_csv(folder, "\ufefffile,scene,label,split\r\nright/a.mp4,1,right,val\r\nleft/b.mp4,2,left,train\r\n")
    assert [clip.name for clip in read_dataset(path).clips] == ["left/b.mp4", "right/a.mp4"]
    (only,) = read_dataset(path, split="val").clips
    assert (only.name, only.label, only.path.is_file()) == ("right/a.mp4", "right", True)
    with pytest.raises(VideoError, match="unknown split 'vall'; did you mean val"):
        read_dataset(path, split="vall")
    with pytest.raises(VideoError, match="leave out --split"):
        read_dataset(folder, split="val")


def test_a_missing_file_stays_in_the_data_set(folder: Path) -> None:
    """It is not dropped here, because it is counted as unreadable later."""
    assert len(read_dataset(write_csv(folder, "file,label\ngone.mp4,left\n")).clips) == 1


def test_the_hash_depends_on_names_and_labels(folder: Path) -> None:
    first = read_dataset(folder)
    assert read_dataset(folder).sha256 == first.sha256
    assert read_dataset(folder, {"left": "links"}).sha256 != first.sha256


def test_the_label_map_is_applied(folder: Path) -> None:
    data = read_dataset(folder, read_label_map("left=links, right = rechts"))
    assert data.labels == {"links": 3, "rechts": 1}
    with pytest.raises(VideoError, match="unknown label 'lft'; did you mean left"):
        read_dataset(folder, {"lft": "x"})


@pytest.mark.parametrize("text", ["", "a", "a=", "=b", "a=b,", "a=b,a=c"])
def test_an_invalid_label_map_is_refused(text: str) -> None:
    with pytest.raises(VideoError, match="a label map has the form"):
        read_label_map(text)


HOSTILE = {
    "control": "left/\x1b[2J.mp4,left",
    "long": "x" * 1025 + ",left",
    "label": "left/b.mp4,le\x1b[2Jft",
    "long label": "left/b.mp4," + "x" * 257,
    "twice": "left/b.mp4,left\nleft/b.mp4,right",
    "twice by two paths": "left/b.mp4,left\nright/../left/b.mp4,right",
    "no label": "left/b.mp4,",
    "no file": ",left",
    "one column": "left/b.mp4",
    "quote": '"left/b.mp4,left',
    "nul": "left/\0.mp4,left",
}


@pytest.mark.parametrize("row", HOSTILE.values(), ids=HOSTILE)
def test_hostile_rows_are_refused_in_one_line(folder: Path, row: str) -> None:
    path = write_csv(folder, f"file,label\n{row}\n")
    with pytest.raises(VideoError) as caught:
        read_dataset(path)
    assert str(caught.value).startswith(str(path)) and str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["{above}/outside.mp4", "../outside.mp4", "link.mp4", "away/outside.mp4"])
def test_a_csv_file_may_name_clips_outside_of_its_folder(folder: Path, name: str) -> None:
    """The user names the CSV file, so its paths are the user's own."""
    (folder.parent / "outside.mp4").touch()
    (folder / "link.mp4").symlink_to("../outside.mp4")
    (folder / "away").symlink_to("..")
    (clip,) = read_dataset(write_csv(folder, f"file,label\n{name.format(above=folder.parent)},left\n")).clips
    assert clip.path.samefile(folder.parent / "outside.mp4")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "it is empty"),
        ("file\nx.mp4\n", "it is 'file'"),
        ("a,b\n1,2\n", "it is 'a,b'"),
        ("34870;Drumming Fingers\n", "separated by commas; it is '34870;Drumming Fingers', separated by ';'"),
        ("file;label\nleft/b.mp4;left\n", "it is 'file;label', separated by ';'"),
        ("file\tlabel\n", "separated by tabs"),
        ("path,class\n\x1b[2J", "it is 'path,class'"),
    ],
)
def test_a_csv_file_with_another_header_is_refused_in_one_line(folder: Path, text: str, found: str) -> None:
    with pytest.raises(VideoError, match=r"list.csv: its first line must name the columns: file,label") as caught:
        read_dataset(write_csv(folder, text))
    assert "\n" not in str(caught.value) and str(caught.value).endswith(found)


def test_a_csv_file_without_clips_is_refused(folder: Path) -> None:
    with pytest.raises(VideoError, match="contains no clips"):
        read_dataset(write_csv(folder, "file,label\n"))


def test_paths_without_a_data_set_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no such file or folder"):
        read_dataset(tmp_path / "gone")
    with pytest.raises(VideoError, match="cannot be read as a CSV file: it is not UTF-8 text; save it as UTF-8"):
        read_dataset(write_csv(folder, "file,label\nü.mp4,left\n", "latin-1"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(VideoError, match="contains no clips"):
        read_dataset(tmp_path / "empty")


def test_ignored_files_are_listed(tmp_path):
    """Ignored files are videos of an unknown format, and videos outside the folders of labels."""
    for name in ("left/a.mp4", "left/b.psd", "stray.mp4", "left/notes.txt", "split.csv", "left/.cache/c.psd"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    data = read_dataset(tmp_path)
    assert [clip.name for clip in data.clips] == ["left/a.mp4"]
    assert data.ignored == ("left/b.psd", "stray.mp4")
    reasons = "in no label's folder, or of an unknown format"
    assert data.note == f"{tmp_path.name}: ignored files {reasons} (2): left/b.psd, stray.mp4"
    (tmp_path / "left/b.psd").unlink()
    (tmp_path / "stray.mp4").unlink()
    assert read_dataset(tmp_path).note is None
