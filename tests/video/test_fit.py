"""fit_frame compared with a plain resize and with resize-then-crop, on noise and real video."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from edgeshift.errors import SpecError, VideoError
from edgeshift.video.fit import Frame, FrameSpec, fit_frame

CLIPS = Path(__file__).parents[2].parent / "shared" / "data" / "clips"
SIZES = [(480, 640), (481, 643), (641, 479), (1080, 1920), (721, 1283), (100, 133), (37, 41), (256, 256), (480, 480)]
CROPS = [FrameSpec(224, 224, "crop"), FrameSpec(112, 112, "crop"), FrameSpec(96, 160, "crop", short_side=171)]


def noise(height: int, width: int, seed: int = 0) -> Frame:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def resize_then_crop(frame: Frame, spec: FrameSpec) -> Frame:
    height, width = frame.shape[:2]
    short = spec.resized_short_side
    new_height = short if height <= width else int(short * height / width)
    new_width = short if width <= height else int(short * width / height)
    top, left = round((new_height - spec.height) / 2), round((new_width - spec.width) / 2)
    whole = cv2.resize(frame, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    return whole[top : top + spec.height, left : left + spec.width]


def difference(a: Frame, b: Frame) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("spec", CROPS, ids=lambda spec: f"{spec.height}x{spec.width}")
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_crop_equals_resize_then_crop_on_noise(size: tuple[int, int], spec: FrameSpec) -> None:
    frame = noise(*size)
    assert difference(fit_frame(frame, spec), resize_then_crop(frame, spec)) <= 1


def test_crop_equals_resize_then_crop_on_many_odd_sizes() -> None:
    rng = np.random.default_rng(1)
    for seed in range(60):
        height, width = (int(side) for side in rng.integers(20, 700, 2))
        out = int(rng.integers(8, 200))
        spec = FrameSpec(out, out, "crop", short_side=out + int(rng.integers(0, 60)))
        frame = noise(height, width, seed)
        assert difference(fit_frame(frame, spec), resize_then_crop(frame, spec)) <= 1, (height, width, spec)


@pytest.mark.parametrize("name", ["bikes.mp4", "hand.mp4", "nasa_13013.mp4"])
def test_crop_equals_resize_then_crop_on_real_video(name: str) -> None:
    if not (CLIPS / name).is_file():
        pytest.skip(f"the shared clip {name} is not here")
    capture = cv2.VideoCapture(str(CLIPS / name))
    for _ in range(5):
        frame = capture.read()[1]
        for spec in CROPS:
            assert difference(fit_frame(frame, spec), resize_then_crop(frame, spec)) <= 1
    capture.release()


def test_squash_is_a_plain_bilinear_resize() -> None:
    frame = noise(480, 640)
    assert np.array_equal(fit_frame(frame, FrameSpec(112, 112)), cv2.resize(frame, (112, 112)))


def test_a_frame_of_the_right_size_is_unchanged() -> None:
    frame = noise(64, 64)
    assert np.array_equal(fit_frame(frame, FrameSpec(64, 64)), frame)
    assert np.array_equal(fit_frame(frame, FrameSpec(64, 64, "crop", short_side=64)), frame)


@pytest.mark.parametrize("fit", ["squash", "crop"])
def test_bgr_swaps_the_channels(fit: str) -> None:
    frame = noise(90, 120)
    rgb = fit_frame(frame, FrameSpec(32, 32, fit))
    bgr = fit_frame(frame, FrameSpec(32, 32, fit, order="bgr"))
    assert np.array_equal(bgr, rgb[:, :, ::-1])


@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize("fit", ["squash", "crop"])
def test_out_is_written_and_returned(fit: str, order: str) -> None:
    frame, spec = noise(90, 120), FrameSpec(32, 48, fit, order=order)
    out = np.zeros((32, 48, 3), np.uint8)
    assert fit_frame(frame, spec, out) is out
    assert np.array_equal(out, fit_frame(frame, spec))


def test_views_of_arrays_are_fitted_like_copies() -> None:
    frame = noise(200, 300)
    for view in (frame[::-1], frame[:, :, ::-1], frame[10:150, 20:200], frame[::2, ::3]):
        for spec in (FrameSpec(64, 64), FrameSpec(64, 64, "crop")):
            assert np.array_equal(fit_frame(view, spec), fit_frame(view.copy(), spec))


def test_an_extreme_shape_needs_little_memory() -> None:
    # The whole frame would be 2,096,896 pixels wide after a resize. Only the part around the centre is resampled.
    assert fit_frame(noise(1, 8191), FrameSpec(224, 224, "crop")).shape == (224, 224, 3)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (np.zeros((4, 4, 3), np.float32), "not float32 [4, 4, 3]"),
        (np.zeros((4, 4), np.uint8), "not uint8 [4, 4]"),
        (np.zeros((4, 4, 4), np.uint8), "not uint8 [4, 4, 4]"),
        (np.zeros((0, 4, 3), np.uint8), "not uint8 [0, 4, 3]"),
        (None, "not NoneType"),
    ],
)
def test_an_invalid_frame_is_refused_in_one_line(frame: Frame, words: str) -> None:
    with pytest.raises(VideoError) as caught:
        fit_frame(frame, FrameSpec(8, 8))
    assert words in str(caught.value)
    assert "uint8 [height, width, 3]" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_invalid_out_is_refused() -> None:
    with pytest.raises(VideoError, match=r"out must be C-contiguous uint8 \[8, 8, 3\]"):
        fit_frame(noise(9, 9), FrameSpec(8, 8), np.zeros((8, 9, 3), np.uint8))
    with pytest.raises(VideoError, match="C-contiguous"):
        fit_frame(noise(9, 9), FrameSpec(8, 8), np.zeros((8, 16, 3), np.uint8)[:, ::2])


@pytest.mark.parametrize(
    "values",
    [
        {"height": 0, "width": 8},
        {"height": 8, "width": 4097},
        {"height": 8, "width": 8, "fit": "stretch"},
        {"height": 8, "width": 8, "order": "gbr"},
        {"height": 8, "width": 8, "fit": "crop", "short_side": 7},
        {"height": 8, "width": 8, "short_side": 9},
    ],
)
def test_an_invalid_spec_is_refused_in_python_and_in_json(values: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        FrameSpec(**values)  # type: ignore[arg-type]
    with pytest.raises((SpecError, msgspec.ValidationError)):
        msgspec.convert(values, FrameSpec)


def test_a_spec_survives_json_and_refuses_unknown_fields() -> None:
    spec = FrameSpec(224, 224, "crop", order="bgr")
    assert msgspec.json.decode(msgspec.json.encode(spec), type=FrameSpec) == spec
    with pytest.raises(msgspec.ValidationError, match="mean"):
        msgspec.json.decode(b'{"height": 8, "width": 8, "mean": 0}', type=FrameSpec)


def test_importing_the_video_package_loads_neither_opencv_nor_torch() -> None:
    code = "import sys, edgeshift.video.fit, edgeshift.video.clips; sys.exit(bool({'cv2', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
