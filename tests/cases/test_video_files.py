"""Videos as phones, boards and editing programs write them. A player's view of the file is what counts."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeshift.errors import VideoError, VideoWarning
from edgeshift.video.clip_times import fps_without_effect
from edgeshift.video.clips import paced, probe, read_video
from edgeshift.video.container import is_cut_short

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def ffmpeg(*arguments: object) -> None:
    command = ["ffmpeg", "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


def film(path: Path, *options: object, seconds: float = 12, rate: int = 30) -> Path:
    source = f"testsrc=size=160x120:rate={rate}:duration={seconds}"
    ffmpeg("-f", "lavfi", "-i", source, "-c:v", "libx264", "-pix_fmt", "yuv420p", *options, path)
    return path


def times(path: Path, fps: float | None = None) -> list[float]:
    return [timed.timestamp for timed in read_video(path, fps=fps)]


def test_a_clip_that_was_trimmed_without_encoding_it_again(tmp_path: Path) -> None:
    """The file has 242 frames, and its edit list says that 62 of them are shown."""
    film(tmp_path / "long.mp4", "-g", 250)
    ffmpeg("-ss", 6, "-t", 2, "-i", tmp_path / "long.mp4", "-c", "copy", tmp_path / "trimmed.mp4")
    shown = times(tmp_path / "trimmed.mp4")
    assert probe(tmp_path / "trimmed.mp4").frames > 2 * len(shown)
    assert len(shown) == 62 and shown[0] == 0 and shown[-1] == pytest.approx(61 / 30, abs=0.05)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_part_of_a_recording_whose_clock_goes_on(tmp_path: Path, suffix: str) -> None:
    film(tmp_path / "camera.mp4", "-g", 30, seconds=6)
    segments = ("-c", "copy", "-f", "segment", "-segment_time", 2)
    ffmpeg("-i", tmp_path / "camera.mp4", *segments, tmp_path / f"part%d.{suffix}")
    for part in (0, 1, 2):
        shown = times(tmp_path / f"part{part}.{suffix}")
        assert len(shown) == 60 and shown[0] == 0 and shown[-1] == pytest.approx(59 / 30, abs=0.005)


@pytest.mark.parametrize("at", [0.2, 0.4, 0.6, 0.8])
def test_damage_in_the_middle_loses_only_the_damaged_frames(tmp_path: Path, at: float) -> None:
    data = bytearray(film(tmp_path / "sound.mp4", "-g", 30, seconds=10).read_bytes())
    media = data.find(b"mdat")
    begin = media + int(at * (len(data) - media) * 0.9)
    data[begin : begin + 400] = random.Random(0).randbytes(400)
    (tmp_path / "damaged.mp4").write_bytes(data)
    with pytest.warns(VideoWarning, match=r"damaged.mp4: \d+ of \d+ frames are damaged and were skipped"):
        shown = times(tmp_path / "damaged.mp4")
    assert 240 <= len(shown) < 300 and shown[-1] == pytest.approx(299 / 30, abs=0.1)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "webm"])
def test_a_file_that_ends_early_is_cut_short(tmp_path: Path, suffix: str) -> None:
    """The index of an MP4 file is written to its start, so that the first frames of a part can be decoded."""
    codec = ("-c:v", "libvpx", "-deadline", "realtime") if suffix == "webm" else ()
    path = film(tmp_path / f"whole.{suffix}", "-g", 30, "-movflags", "+faststart", *codec, seconds=4)
    assert not is_cut_short(path)
    data = path.read_bytes()
    part = tmp_path / f"part.{suffix}"
    part.write_bytes(data[: len(data) * 3 // 10])
    assert is_cut_short(part)
    if suffix in ("mp4", "mov"):
        with pytest.raises(VideoError, match=r"is cut short: \d+ of 120 frames can be decoded; copy it again"):
            times(part)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_raw_stream_has_the_frame_rate_that_is_given(tmp_path: Path, codec: str) -> None:
    """rpicam-vid writes such files."""
    kind = {"libx264": "h264", "libx265": "hevc"}[codec]
    film(tmp_path / f"raw.{kind}", "-c:v", codec, "-f", kind, seconds=1, rate=90)
    assert times(tmp_path / f"raw.{kind}", fps=90)[-1] == pytest.approx(89 / 90)
    assert times(tmp_path / f"raw.{kind}", fps=30)[-1] == pytest.approx(89 / 30)


def test_a_damaged_container_without_times_has_the_frame_rate_that_is_given(tmp_path: Path) -> None:
    """The time of every frame in the file is zero."""
    sound, damaged = film(tmp_path / "sound.mkv", seconds=1), tmp_path / "damaged.mkv"
    film(damaged, "-bsf:v", "setts=ts=0", seconds=1)
    assert fps_without_effect([sound], 12) is not None
    assert fps_without_effect([damaged], 12) is None and fps_without_effect([sound, damaged], 12) is None
    assert times(damaged, fps=12) == pytest.approx([n / 12 for n in range(30)])
    with pytest.warns(VideoWarning, match=r"damaged.mkv: its frames have no times: \d+ frames per second are assumed"):
        times(damaged)


def test_a_video_of_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    """Phones film with fewer frames per second when the light is low."""
    slow_in_the_middle = "setpts='if(lt(N,30),N/30,if(lt(N,40),1+(N-30)/10,2+(N-40)/30))/TB'"
    path = film(tmp_path / "phone.mp4", "-vf", slow_in_the_middle, "-fps_mode", "vfr", "-frames:v", 70, seconds=3)
    expected = [n / 30 for n in range(30)] + [1 + n / 10 for n in range(10)] + [2 + n / 30 for n in range(30)]
    assert times(path) == pytest.approx(expected, abs=0.002)
    due = [timed.timestamp for timed in paced(path, 0.25)]
    assert len(due) == 12 and all(-0.002 <= time - n / 4 < 0.1 for n, time in enumerate(due))


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_rotated_video_is_read_as_a_player_shows_it(tmp_path: Path, turn: int) -> None:
    """A phone stores the frames as its sensor is mounted, and the rotation beside them."""
    stored, phone = film(tmp_path / "stored.mp4", seconds=0.2), tmp_path / "phone.mp4"
    # ffmpeg 6 has an option for the rotation, and ffmpeg 5 an entry in the metadata.
    try:
        ffmpeg("-display_rotation", turn, "-i", stored, "-c", "copy", phone)
    except subprocess.CalledProcessError:
        ffmpeg("-i", stored, "-c", "copy", "-metadata:s:v", f"rotate={turn}", phone)
    ffmpeg("-i", phone, "-frames:v", 1, tmp_path / "shown.png")
    shown, read = cv2.imread(str(tmp_path / "shown.png"))[..., ::-1], next(read_video(phone)).frame
    assert read.shape == shown.shape == ((120, 160, 3) if turn == 180 else (160, 120, 3))
    assert np.abs(shown.astype(int) - read).mean() < 2
