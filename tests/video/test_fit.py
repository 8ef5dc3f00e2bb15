"""fit_frame compared with its formula to the byte, and with OpenCV's resize on noise and real video."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
from frame_formula import GOLDEN, fitted, source

from edgeshift._system.files import sha256
from edgeshift.errors import RuntimeMissingError, SpecError, VideoError
from edgeshift.video import fit
from edgeshift.video.fit import Frame, FrameSpec, fit_frame

CLIPS = Path(__file__).parents[2].parent / "shared" / "data" / "clips"
SIZES = [(480, 640), (481, 643), (641, 479), (1080, 1920), (721, 1283), (100, 133), (37, 41), (256, 256), (480, 480)]
CROPS = [FrameSpec(224, 224, "crop"), FrameSpec(112, 112, "crop"), FrameSpec(96, 160, "crop", short_side=171)]


def random_fits(count: int, side: int, seed: int) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Yield the height and width of a picture and the fields of a frame, each side shorter than ``side`` pixels."""
    random = np.random.default_rng(seed)
    for number in range(count):
        height, width, rows, columns = (int(value) for value in random.integers(1, side, 4))
        frame: dict[str, Any] = {"height": rows, "width": columns, "order": "bgr" if number % 3 else "rgb"}
        if number % 2:
            frame |= {"fit": "crop", "short_side": max(rows, columns) + int(random.integers(0, 9))}
        yield height, width, frame


def noise(height: int, width: int, seed: int = 0) -> Frame:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def resize(frame: Frame, spec: FrameSpec) -> Frame:
    """Return the frame as OpenCV resizes it, and for a crop, its centre."""
    if spec.fit == "squash":
        return cv2.resize(frame, (spec.width, spec.height))
    height, width = frame.shape[:2]
    short = spec.resized_short_side
    new_height = short if height <= width else int(short * height / width)
    new_width = short if width <= height else int(short * width / height)
    top, left = round((new_height - spec.height) / 2), round((new_width - spec.width) / 2)
    whole = cv2.resize(frame, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    return whole[top : top + spec.height, left : left + spec.width]


def difference(a: Frame, b: Frame) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


GOLDEN_CASES = json.loads(GOLDEN.read_text())


@pytest.fixture(params=["opencv", "numpy"])
def resampler(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test once with OpenCV and once as if it were not installed."""
    if request.param == "numpy":
        monkeypatch.setattr(fit, "_remap_module", lambda: None)


def source_frame(height: int, width: int) -> Frame:
    return np.frombuffer(source(height, width), np.uint8).reshape(height, width, 3)


@pytest.mark.parametrize("case", GOLDEN_CASES, ids=lambda case: f"{case['source']} {list(case['frame'].values())}")
def test_the_bytes_are_the_golden_bytes(case: dict[str, object], resampler: None) -> None:
    spec = msgspec.convert(case["frame"], FrameSpec)
    result = fit_frame(source_frame(*case["source"]), spec).tobytes()
    assert sha256(result) == case["sha256"]
    if "bytes" in case:
        assert result == base64.b64decode(case["bytes"])


def test_the_bytes_are_those_of_the_formula_for_many_sizes(resampler: None) -> None:
    for seed, (height, width, frame) in enumerate(random_fits(60, side=40, seed=1)):
        picture = noise(height, width, seed)
        expected = fitted(picture.tobytes(), height, width, frame)
        assert fit_frame(picture, msgspec.convert(frame, FrameSpec)).tobytes() == expected, (height, width, frame)


@pytest.mark.parametrize("spec", [*CROPS, FrameSpec(112, 112)], ids=lambda spec: f"{spec.fit}{spec.height}")
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_result_is_close_to_the_resize_of_opencv(size: tuple[int, int], spec: FrameSpec) -> None:
    """Positions are rounded to 1/32 pixel, so they are off by 1/64 pixel at most."""
    frame = noise(*size)
    # Between two neighbours that differ by 255, 1/64 pixel is 4 grey levels in each direction.
    assert difference(fit_frame(frame, spec), resize(frame, spec)) <= 9
    smooth = cv2.GaussianBlur(frame, (0, 0), 3)
    assert difference(fit_frame(smooth, spec), resize(smooth, spec)) <= 1


@pytest.mark.parametrize("name", ["bikes.mp4", "hand.mp4", "nasa_13013.mp4"])
def test_the_result_is_close_to_the_resize_of_opencv_on_real_video(name: str) -> None:
    if not (CLIPS / name).is_file():
        pytest.skip(f"the shared clip {name} is not here")
    capture = cv2.VideoCapture(str(CLIPS / name))
    for _ in range(5):
        frame = capture.read()[1]
        for spec in (*CROPS, FrameSpec(112, 112)):
            errors = np.abs(fit_frame(frame, spec).astype(int) - resize(frame, spec))
            assert errors.max() <= 5 and errors.mean() < 0.3
    capture.release()


def test_frames_that_are_too_large_for_remap_are_fitted_by_numpy() -> None:
    wide = noise(2, 40_000)
    expected = fitted(wide.tobytes(), 2, 40_000, {"height": 4, "width": 8})
    assert fit_frame(wide, FrameSpec(4, 8)).tobytes() == expected


def test_frames_are_fitted_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(why: str) -> None:
        raise RuntimeMissingError(f"{why} needs OpenCV")

    expected = fit_frame(noise(90, 120), FrameSpec(32, 32))
    monkeypatch.setattr(fit, "opencv", not_installed)
    fit._remap_module.cache_clear()
    try:
        assert np.array_equal(fit_frame(noise(90, 120), FrameSpec(32, 32)), expected)
    finally:
        fit._remap_module.cache_clear()


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
