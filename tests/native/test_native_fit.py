"""The native runtime fits frames to the golden bytes."""

from __future__ import annotations

import hashlib
import json

import msgspec
import numpy as np
import pytest
from frame_formula import CAMERA_GOLDEN, GOLDEN, camera_source, source
from test_fit import noise, random_fits

from edgeshift.benchmarks.studies.native_library import COLOURS, FORMATS, Image, NativeFitter, rgb_image
from edgeshift.video.fit import FrameSpec, fit_frame


@pytest.fixture(scope="module")
def library(native_build):
    return native_build() / "bench" / "fit_speed.so"


def image_of(data: bytes, height: int, width: int, format: str, colours: str, rotation: int, mirrored: bool) -> Image:
    """Return an image whose planes follow one another. ``data`` must live as long as the image."""
    name = "i420" if format == "i420_2" else format
    start = np.frombuffer(data, np.uint8).ctypes.data
    image = Image(format=FORMATS.index(name), width=width, height=height)
    image.rotation, image.mirrored, image.yuv = rotation, mirrored, COLOURS.index(colours)
    columns, rows = (width + 1) // 2, (height + 1) // 2
    image.planes[0] = start
    if name in ("rgb", "bgr", "rgba", "bgra"):
        image.strides[0] = width * len(name)
        return image
    image.strides[0] = width
    step = 1 if format == "i420" else 2
    image.planes[1], image.strides[1] = start + height * width, columns * step
    if name == "i420":
        image.planes[2], image.strides[2] = start + height * width + rows * columns * step, columns * step
        image.pixel_stride = step
    return image


def frame_of(case: dict[str, object]) -> FrameSpec:
    return msgspec.convert(case["frame"], FrameSpec)


@pytest.mark.parametrize("case", json.loads(GOLDEN.read_text()), ids=lambda case: f"{case['source']} {case['frame']}")
def test_frames_are_the_golden_bytes(library, case):
    pixels = np.frombuffer(source(*case["source"]), np.uint8).reshape(*case["source"], 3)
    result = NativeFitter(library, frame_of(case)).fit(rgb_image(pixels))
    assert hashlib.sha256(result).hexdigest() == case["sha256"]


@pytest.mark.parametrize(
    "case", json.loads(CAMERA_GOLDEN.read_text()), ids=lambda case: f"{case['source']} {case['format']}"
)
def test_images_of_cameras_are_the_golden_bytes(library, case):
    data = camera_source(*case["source"], case["format"])
    image = image_of(data, *case["source"], *(case[key] for key in ("format", "colours", "rotation", "mirrored")))
    result = NativeFitter(library, frame_of(case)).fit(image)
    assert hashlib.sha256(result).hexdigest() == case["sha256"]


def test_frames_of_all_sizes_are_those_of_python(library):
    for seed, (height, width, frame) in enumerate(random_fits(300, side=80, seed=0)):
        spec = msgspec.convert(frame, FrameSpec)
        pixels = noise(height, width, seed)
        assert np.array_equal(NativeFitter(library, spec).fit(rgb_image(pixels)), fit_frame(pixels, spec))
