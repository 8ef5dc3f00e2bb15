"""What a clip is: the same for every command, for videos and for folders of frames."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeshift.errors import EdgeshiftError, VideoError
from edgeshift.video.clip_files import find_clips
from edgeshift.video.clip_times import fps_without_effect, has_times, require_fps
from edgeshift.video.clips import paced, read_video
from edgeshift.video.codec import find_codec
from edgeshift.video.dataset import read_dataset


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def frames(folder: Path, count: int = 12, name: str = "{:05d}.jpg", size: tuple[int, int] = (100, 176)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        cv2.imwrite(str(folder / name.format(index + 1)), np.full((*size, 3), 20 * index, np.uint8))
    return folder


def names(root: Path) -> list[str]:
    return [clip.relative_to(root).as_posix() for clip in find_clips(root).clips]


def test_videos_and_folders_of_frames_are_clips(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.mp4", "a/2.WEBM", "b/deep/3.h264", "c/001/1.jpg", "c/001/2.jpg", "c/002/1.PNG", "c/notes.txt")
    assert names(tmp_path) == ["a/1.mp4", "a/2.WEBM", "b/deep/3.h264", "c/001", "c/002"]
    assert [path.name for path in find_clips(tmp_path).others] == ["notes.txt"]


@pytest.mark.parametrize(
    "name",
    [
        ".hidden/1.mp4",
        ".hidden/001/1.jpg",
        "a/.half.mp4",
        "a/._1.mp4",  # macOS on drives of other systems
        "a/@eaDir/1.mp4/thumbnail.jpg",  # Synology
        "a/thumbs/1.mp4/thumbnail.jpg",
        "a/contact_sheet.jpg",
        "#recycle/1.mp4",
        "__MACOSX/1.mp4",
        "a/notes.txt",
    ],
)
def test_other_files_are_not_clips(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "a/1.mp4", name)
    assert names(tmp_path) == ["a/1.mp4"]


def test_pictures_directly_in_the_folder_are_not_a_clip(tmp_path: Path) -> None:
    assert names(frames(tmp_path)) == []


def test_links_are_followed_without_an_endless_search(tmp_path: Path) -> None:
    touch(tmp_path / "store", "1.mp4", "deep/2.mp4")
    frames(tmp_path / "store" / "001", 2)
    (tmp_path / "data" / "left").mkdir(parents=True)
    (tmp_path / "data" / "right").symlink_to(tmp_path / "store")
    (tmp_path / "data" / "left" / "3.mp4").symlink_to(tmp_path / "store" / "1.mp4")
    (tmp_path / "data" / "left" / "up").symlink_to(tmp_path / "data")
    assert names(tmp_path / "data") == ["left/3.mp4", "right/001", "right/1.mp4", "right/deep/2.mp4"]
    assert read_dataset(tmp_path / "data").labels == {"left": 1, "right": 3}


def test_a_folder_of_frames_is_one_clip_of_its_label(tmp_path: Path) -> None:
    for label in ("left", "right"):
        for number in range(3):
            frames(tmp_path / label / f"{number:03d}", 2)
    data = read_dataset(tmp_path, fps=12)
    assert data.labels == {"left": 3, "right": 3} and {clip.fps for clip in data.clips} == {12}
    (tmp_path / "list.csv").write_text("file,label\nleft/001,left\n")
    (clip,) = read_dataset(tmp_path / "list.csv").clips
    assert clip.path == tmp_path / "left" / "001"


def test_folders_of_frames_in_splits(tmp_path: Path) -> None:
    for name in ("train/left/001", "train/right/001", "val/left/002", "val/right/002"):
        frames(tmp_path / name, 2)
    assert [clip.split for clip in read_dataset(tmp_path).clips] == ["train", "train", "val", "val"]


@pytest.mark.parametrize("clip", ["{}/1.mp4", "{}/001/1.jpg"])
def test_splits_without_labels_are_refused(tmp_path: Path, clip: str) -> None:
    touch(tmp_path, clip.format("train"), clip.format("val"))
    with pytest.raises(VideoError, match=r"its folders \(train, val\) have the names of splits"):
        read_dataset(tmp_path)


def test_clips_without_labels_are_refused(tmp_path: Path) -> None:
    """Jester's archive has a folder of frames for each clip, and the labels in a file of their own."""
    frames(tmp_path / "1", 2)
    frames(tmp_path / "2", 2)
    with pytest.raises(VideoError, match=r"'1' is in no label's folder; give a folder .* or a CSV file"):
        read_dataset(tmp_path)


def test_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    frames(tmp_path, 12, "frame{}.png")
    touch(tmp_path, "._frame1.png", "notes.txt")
    assert [int(timed.frame.mean()) for timed in read_video(tmp_path, fps=12)] == [20 * index for index in range(12)]
    assert [timed.timestamp for timed in paced(tmp_path, 0.25, fps=12)] == [0, 0.25, 0.5, 0.75]


def test_frames_of_several_sizes_are_refused(tmp_path: Path) -> None:
    frames(tmp_path, 3)
    cv2.imwrite(str(tmp_path / "00004.jpg"), np.zeros((50, 60, 3), np.uint8))
    with pytest.raises(VideoError, match=r"00004.jpg is 60x50, and 00001.jpg in the same folder is 176x100"):
        list(read_video(tmp_path))


def test_a_damaged_frame_is_named(tmp_path: Path) -> None:
    frames(tmp_path, 3)
    (tmp_path / "00002.jpg").write_bytes((tmp_path / "00002.jpg").read_bytes()[:200])
    with pytest.raises(VideoError, match=r"00002.jpg is not a complete image .* replace it or remove it"):
        list(read_video(tmp_path))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("flow_x_{:05d}.jpg", r"more than one series of pictures \(flow_x_#, img_#\): keep the frames of one clip"),
        ("img_{:05d}.png", "'img_00001' more than once, with different suffixes"),
    ],
)
def test_frames_beside_other_pictures_are_refused(tmp_path: Path, other: str, message: str) -> None:
    """Data sets for two-stream networks keep optical flow beside the frames, and others keep masks."""
    frames(tmp_path, 3, "img_{:05d}.jpg")
    frames(tmp_path, 3, other)
    with pytest.raises(VideoError, match=message):
        list(read_video(tmp_path))


def test_fps_must_be_given_where_there_are_no_times_and_only_there(tmp_path: Path) -> None:
    folder = frames(tmp_path / "001", 2)
    video, raw = tmp_path / "a.mp4", tmp_path / "b.h264"
    video.write_bytes(b"\0\0\0\x20ftypisom")
    raw.write_bytes(b"\0\0\0\x01\x67\x64\0\x1f")
    assert [has_times(clip) for clip in (folder, video, raw)] == [False, True, False]
    require_fps([video, folder, raw], 12)
    require_fps([video], None)
    assert fps_without_effect([video, folder], 12) is None
    assert fps_without_effect([video, raw], 12) is None
    assert fps_without_effect([video, video], None) is None
    assert (
        fps_without_effect([video, video], 12)
        == "on clips with times, only on folders of images and raw streams: leave it out"
    )
    with pytest.raises(EdgeshiftError, match=r"001 is a folder of images, which have no times: give .* with --fps"):
        require_fps([video, folder], None)
    with pytest.raises(EdgeshiftError, match=r"b.h264 is a raw stream of frames, which have no times: give .* --fps"):
        require_fps([video, raw], None)


@pytest.mark.parametrize("head", [b"\xff" * 16, bytes(16), b"\0\0\0\x01\x41\x9a\x24" + bytes(9)])
def test_a_raw_stream_whose_start_is_damaged_or_missing_has_no_times(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "a.h264").write_bytes(head)
    (tmp_path / "renamed.h264").write_bytes(b"\0\0\0\x20ftypisom")
    assert not has_times(tmp_path / "a.h264") and has_times(tmp_path / "renamed.h264")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_codec_that_opencv_cannot_decode_is_named(tmp_path: Path, suffix: str) -> None:
    """AV1 is the usual codec of videos that were downloaded."""
    path = tmp_path / f"a clip.{suffix}"
    source = ["-f", "lavfi", "-i", "testsrc=size=160x120:rate=30:duration=0.5"]
    made = subprocess.run(["ffmpeg", "-loglevel", "error", *source, "-c:v", "libsvtav1", path], capture_output=True)
    if made.returncode:
        pytest.skip("this ffmpeg has no encoder for AV1")
    assert find_codec(path) == "AV1"
    try:
        assert len(list(read_video(path))) == 15  # an OpenCV with a decoder for AV1
    except VideoError as error:
        assert "cannot decode its codec, AV1" in str(error)
        command = str(error).rpartition("H.264: ")[2]
        subprocess.run(command, shell=True, check=True, capture_output=True)
        assert len(list(read_video(tmp_path / "a clip_h264.mp4"))) == 15


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_a_video_whose_codec_is_unknown_to_opencv_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    source = ["-f", "lavfi", "-i", "testsrc=size=160x120:rate=30:duration=0.5", "-c:v", "libx264"]
    subprocess.run(["ffmpeg", "-loglevel", "error", *source, path], check=True)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"vvc1").replace(b"avcC", b"vvcC"))
    with pytest.raises(VideoError, match=r"cannot decode its codec, H.266.* ffmpeg -i"):
        list(read_video(path))
