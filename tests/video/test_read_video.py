"""Reading, sampling and writing clips. The tests write the clips themselves, and each frame shows its number."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeshift.errors import VideoError
from edgeshift.video import decode
from edgeshift.video.clips import TimedFrame, paced, probe, read_video, uniform, write_video
from edgeshift.video.fit import Frame
from edgeshift.video.pace import Pacer


def numbered(count: int, height: int = 48, width: int = 64) -> Iterator[Frame]:
    """Yield frames that show their number as eight black or white columns, which survive every codec."""
    for index in range(count):
        bits = np.array([index >> bit & 1 for bit in range(8)], np.uint8) * 255
        yield np.broadcast_to(bits.repeat(width // 8)[None, :, None], (height, width, 3)).copy()


def numbers(frames: list[TimedFrame]) -> list[int]:
    """Return the numbers that frames of ``numbered`` show."""
    columns = [timed.frame.reshape(timed.frame.shape[0], 8, -1).mean((0, 2)) for timed in frames]
    return [sum((value > 127) << bit for bit, value in enumerate(column)) for column in columns]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_video(path, numbered(40), 10)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
@pytest.mark.parametrize("fps", [10.0, 24.0, 30000 / 1001, 60.0])
def test_a_written_video_reads_back_with_its_times(tmp_path: Path, suffix: str, fps: float) -> None:
    path = tmp_path / f"clip{suffix}"
    write_video(path, numbered(20), fps)
    frames = list(read_video(path))
    assert numbers(frames) == list(range(20))
    assert [timed.timestamp for timed in frames] == pytest.approx([i / fps for i in range(20)], abs=1e-3)
    info = probe(path)
    assert (info.width, info.height, info.frames) == (64, 48, 20)
    assert info.fps == pytest.approx(fps, rel=1e-3)
    assert info.duration == pytest.approx(20 / fps, rel=1e-3)


def test_frames_are_rgb(tmp_path: Path) -> None:
    write_video(tmp_path / "red.avi", [np.full((16, 16, 3), (250, 10, 10), np.uint8)] * 2, 10)
    red = next(read_video(tmp_path / "red.avi")).frame
    assert red.dtype == np.uint8
    assert red[8, 8, 0] > 200 > 60 > red[8, 8, 2]


def replace_capture(monkeypatch: pytest.MonkeyPatch, **changes: Callable[..., object]) -> None:
    """Replace methods of OpenCV's captures. The first argument of a replacement is the original method."""
    original = cv2.VideoCapture

    class Capture:
        def __init__(self, *arguments: object) -> None:
            self.inner = original(*arguments)

        def __getattr__(self, name: str) -> object:
            method = getattr(self.inner, name)
            return partial(changes[name], method) if name in changes else method

    monkeypatch.setattr(cv2, "VideoCapture", Capture)


def test_the_file_is_released_when_reading_stops_early(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = []
    replace_capture(monkeypatch, release=lambda release: (released.append(True), release()))
    frames = read_video(clip)
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    probe(clip)
    assert len(released) == 2


def test_times_that_do_not_increase_are_replaced_by_times_from_the_frame_rate(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps = iter([0.0, 100.0, 0.0, float("nan"), 50.0, 900.0] + [0.0] * 40)
    replace_capture(monkeypatch, get=lambda get, what: next(stamps) if what == cv2.CAP_PROP_POS_MSEC else get(what))
    times = [timed.timestamp for timed in read_video(clip)]
    assert times[:8] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.9, 1.0, 1.1])
    assert times == sorted(set(times))


def test_uniform_takes_the_middle_of_each_segment(clip: Path) -> None:
    assert numbers(uniform(clip, 8)) == [2, 7, 12, 17, 22, 27, 32, 37]
    assert numbers(uniform(clip, 1)) == [20]
    assert numbers(uniform(clip, 3)) == [6, 20, 33]


def test_uniform_repeats_frames_of_a_short_clip(tmp_path: Path) -> None:
    write_video(tmp_path / "short.mp4", numbered(3), 10)
    assert numbers(uniform(tmp_path / "short.mp4", 8)) == [0, 0, 0, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("stated", [0, 1, 39, 41, 70, 10**18])
def test_uniform_works_with_a_wrong_frame_count(clip: Path, monkeypatch: pytest.MonkeyPatch, stated: int) -> None:
    right = numbers(uniform(clip, 8))
    replace_capture(monkeypatch, get=lambda get, what: stated if what == cv2.CAP_PROP_FRAME_COUNT else get(what))
    assert numbers(uniform(clip, 8)) == right


@pytest.mark.parametrize("fps", [10.0, 24.0, 30000 / 1001, 60.0])
@pytest.mark.parametrize("spacing", [0.4, 0.25, 1 / 3.75])
def test_paced_does_not_drift(tmp_path: Path, fps: float, spacing: float) -> None:
    path = tmp_path / "clip.avi"
    write_video(path, (np.zeros((16, 16, 3), np.uint8) for _ in range(round(fps * 6))), fps)
    times = np.array([timed.timestamp for timed in paced(path, spacing)])
    late = times - np.arange(len(times)) * spacing
    assert len(times) in (int(6 / spacing), int(6 / spacing) + 1)
    assert -0.0011 <= late.min() <= late.max() < 1 / fps + 0.0011


def test_with_a_spacing_below_that_of_the_clip_every_frame_is_due_once(clip: Path) -> None:
    assert numbers(list(paced(clip, 0.01))) == list(range(40))


def test_one_frame_is_due_after_a_gap() -> None:
    pacer = Pacer(0.4)
    times = [i / 10 for i in (*range(9), *range(50, 60))]
    assert [time for time in times if pacer.takes(time)] == pytest.approx([0, 0.4, 0.8, 5.0, 5.2, 5.6])


def test_a_pacer_restarts_when_the_time_jumps_back() -> None:
    pacer = Pacer(1.0)
    assert [pacer.takes(time) for time in (100.0, 100.5, 101.0, 3.0, 3.5, 4.0)] == [True, False, True] * 2


@pytest.mark.parametrize("spacing", [0, -1, float("nan"), float("inf")])
def test_an_invalid_spacing_is_refused(spacing: float) -> None:
    with pytest.raises(VideoError, match="seconds above 0"):
        Pacer(spacing)


def test_a_folder_of_images_is_read_as_a_clip(tmp_path: Path) -> None:
    for index, frame in enumerate(numbered(12)):
        cv2.imwrite(str(tmp_path / f"frame{index}.{'png' if index % 2 else 'jpg'}"), frame)
    (tmp_path / "notes.txt").write_text("not a frame")
    frames = list(read_video(tmp_path, fps=10))
    assert numbers(frames) == list(range(12))
    assert frames[11].timestamp == pytest.approx(1.1)
    assert probe(tmp_path, fps=10).duration == pytest.approx(1.2)
    assert numbers(uniform(tmp_path, 3)) == [2, 6, 10]
    assert numbers(list(paced(tmp_path, 0.5, fps=10))) == [0, 5, 10]
    with pytest.raises(VideoError, match="frames per second"):
        next(paced(tmp_path, 0.5))


def test_a_file_that_is_cut_in_its_second_half_yields_the_remaining_frames(tmp_path: Path, clip: Path) -> None:
    frames = list(read_video(cut(clip, tmp_path / "late.mp4", 0.8)))
    assert 20 <= len(frames) < 40
    assert len(uniform(tmp_path / "late.mp4", 8)) == 8


def broken(kind: str, folder: Path) -> Path:
    """Make a file or folder with no usable video. ``kind`` is a key of ``BROKEN``."""
    path = folder / f"{kind}.mp4"
    clip = folder / "whole.mp4"
    write_video(clip, numbered(40), 10)
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("hello\n" * 200)
    elif kind == "playlist":
        path.write_text(f"ffconcat version 1.0\nfile {clip.name}\n# \x00")
    elif kind == "noise":
        path.write_bytes(bytes(range(256)) * 20)
    elif kind == "no index":
        path.write_bytes(clip.read_bytes()[: clip.read_bytes().find(b"moov") - 4])
    elif kind == "cut early":
        cut(clip, path, 0.3)
    elif kind == "no frames":
        path = path.with_suffix(".avi")
        cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48)).release()
    elif kind == "huge":
        path = path.with_suffix(".avi")
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (8400, 16))
        writer.write(np.zeros((16, 8400, 3), np.uint8))
        writer.release()
    elif kind.endswith("image"):
        path = folder / "images"
        path.mkdir()
        picture = cv2.imencode(".jpg", next(numbered(1)))[1].tobytes()
        contents = {"bad": b"no picture at all", "empty": b"", "half an": picture[: len(picture) * 2 // 3]}
        (path / ("1.jpg" if kind == "half an image" else "1.png")).write_bytes(contents[kind.removesuffix(" image")])
    return path


#: {kind of an unusable file or folder: part of the error message}.
BROKEN = {
    "missing": "does not exist",
    "folder": "holds no .jpg or .png files",
    "empty": "is empty",
    "text": "is a text file or a playlist",
    "playlist": "is a text file or a playlist",
    "noise": "holds no video that OpenCV can open",
    "no index": "holds no video that OpenCV can open",
    "cut early": "of 40 frames can be decoded",
    "no frames": "holds no frame that can be decoded",
    "huge": "has frames of 8400x16; edgeshift reads at most 8192 per side",
    "bad image": "1.png is not a complete image",
    "empty image": "1.png is not a complete image",
    "half an image": "1.jpg is not a complete image",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_unreadable_files_are_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    path = broken(kind, tmp_path)
    for read in (lambda: list(read_video(path)), lambda: uniform(path, 8), lambda: list(paced(path, 0.4, fps=10))):
        with pytest.raises(VideoError) as caught:
            read()
        message = str(caught.value)
        assert path.name in message
        assert BROKEN[kind] in message
        assert "\n" not in message


def test_unreadable_files_print_nothing(tmp_path: Path) -> None:
    paths = []
    for kind in BROKEN:
        (tmp_path / kind).mkdir()
        paths.append(str(broken(kind, tmp_path / kind)))
    code = (
        "import sys\nfrom edgeshift.errors import VideoError\nfrom edgeshift.video.clips import read_video\n"
        "for path in sys.argv[1:]:\n    try:\n        list(read_video(path))\n"
        "    except VideoError:\n        continue\n    sys.exit(path)"
    )
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_path_is_never_treated_as_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    monkeypatch.chdir(tmp_path)
    clip.rename("http:clip.mp4")
    assert probe("http:clip.mp4").frames == 40
    for address in ("http://localhost/clip.mp4", "0", "videotestsrc ! appsink", "rtsp://camera"):
        with pytest.raises(VideoError, match="does not exist"):
            next(read_video(address))
    with pytest.raises(VideoError, match="neither a file nor a folder"):
        next(read_video("/dev/null"))


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path, clip: Path) -> None:
    odd = tmp_path / os.fsdecode(b"\xff.mp4")
    clip.rename(odd)
    with pytest.raises(VideoError, match="not UTF-8"):
        probe(odd)
    with pytest.raises(VideoError, match="not UTF-8"):
        write_video(odd, numbered(2), 10)


@pytest.mark.parametrize(
    ("name", "frames", "words"),
    [
        ("clip.gif", list(numbered(2)), r"must end in \.mp4 or \.avi"),
        ("clip.mp4", [], "there are no frames"),
        ("clip.mp4", list(numbered(2, 47)), "needs even sides"),
        ("clip.avi", [*numbered(2), *numbered(1, 32)], "frame 2 is uint8"),
        ("clip.avi", [np.zeros((8, 8, 3), np.float32)], "frame 0 is float32"),
        ("clip.avi", [np.zeros((8, 8), np.uint8)], "frame 0 is uint8"),
    ],
)
def test_a_video_that_cannot_be_written_leaves_no_file(
    tmp_path: Path, name: str, frames: list[Frame], words: str
) -> None:
    with pytest.raises(VideoError, match=words):
        write_video(tmp_path / name, frames, 10)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(clip: Path) -> None:
    before = clip.read_bytes()
    with pytest.raises(VideoError):
        write_video(clip, [*numbered(3), *numbered(1, 32)], 10)
    assert clip.read_bytes() == before


def test_a_missing_encoder_is_named_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2.VideoWriter, "isOpened", lambda self: False, raising=False)
    with pytest.raises(VideoError, match="no encoder for mp4v"):
        write_video(tmp_path / "clip.mp4", numbered(2), 10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [0, -3])
def test_an_invalid_count_is_refused(clip: Path, count: int) -> None:
    with pytest.raises(VideoError, match="ask for 1 or more"):
        uniform(clip, count)


@pytest.mark.parametrize("fps", [0, -1, 1e6, float("nan")])
def test_an_invalid_frame_rate_is_refused(clip: Path, fps: float) -> None:
    with pytest.raises(VideoError, match="frames per second"):
        next(read_video(clip, fps=fps))


def test_the_largest_side_is_the_one_in_the_expected_messages() -> None:
    assert decode.MAX_SIDE == 8192


def cut(whole: Path, path: Path, part: float) -> Path:
    """Copy an mp4 file with its index moved before its data, and only the first ``part`` (0 to 1) of the data."""
    data = whole.read_bytes()
    boxes, place = {}, 0
    while place < len(data):
        size, name = struct.unpack(">I4s", data[place : place + 8])
        boxes[name] = bytearray(data[place : place + size])
        place += size
    index = boxes[b"moov"]
    table = index.find(b"stco") + 8
    (count,) = struct.unpack(">I", index[table : table + 4])
    old_start = data.find(b"mdat") - 4
    new_start = len(boxes[b"ftyp"]) + len(index)
    for entry in range(table + 4, table + 4 + 4 * count, 4):
        (offset,) = struct.unpack(">I", index[entry : entry + 4])
        index[entry : entry + 4] = struct.pack(">I", offset - old_start + new_start)
    moved = bytes(boxes[b"ftyp"] + index + boxes[b"mdat"])
    path.write_bytes(moved[: new_start + 8 + int((len(boxes[b"mdat"]) - 8) * part)])
    return path
