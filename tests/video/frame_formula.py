"""The formula of docs/reference/frames.md in plain Python integers, without numpy and OpenCV.

``python tests/video/frame_formula.py`` writes golden_frames.json and golden_camera_frames.json, the bytes that every
implementation must give.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

GOLDEN = Path(__file__).with_name("golden_frames.json")
CAMERA_GOLDEN = Path(__file__).with_name("golden_camera_frames.json")
#: (height and width of the source, frame of the network). The results of small frames are stored, of others the hash.
CASES: list[tuple[int, int, dict[str, Any]]] = [
    (48, 64, {"height": 14, "width": 14}),
    (48, 64, {"height": 14, "width": 14, "order": "bgr"}),
    (37, 41, {"height": 16, "width": 16}),
    (41, 37, {"height": 9, "width": 23, "order": "bgr"}),
    (7, 5, {"height": 16, "width": 12}),
    (1, 1, {"height": 4, "width": 4}),
    (1, 9, {"height": 3, "width": 5}),
    (14, 14, {"height": 14, "width": 14}),
    (14, 14, {"height": 14, "width": 14, "order": "bgr"}),
    (48, 64, {"height": 14, "width": 14, "fit": "crop"}),
    (64, 48, {"height": 14, "width": 14, "fit": "crop", "order": "bgr"}),
    (37, 41, {"height": 16, "width": 16, "fit": "crop", "short_side": 19}),
    (101, 67, {"height": 12, "width": 20, "fit": "crop", "short_side": 23}),
    (5, 90, {"height": 8, "width": 8, "fit": "crop"}),
    (14, 14, {"height": 14, "width": 14, "fit": "crop", "short_side": 14}),
    (9, 13, {"height": 16, "width": 16, "fit": "crop", "short_side": 17, "order": "bgr"}),
    (480, 640, {"height": 112, "width": 112}),
    (480, 640, {"height": 112, "width": 112, "order": "bgr"}),
    (480, 640, {"height": 224, "width": 224, "fit": "crop"}),
    (720, 1280, {"height": 224, "width": 224, "fit": "crop", "short_side": 256}),
    (641, 479, {"height": 112, "width": 112, "fit": "crop", "order": "bgr"}),
    (1080, 1920, {"height": 96, "width": 160, "fit": "crop", "short_side": 171}),
]
#: Longest result that is stored as bytes.
LONGEST = 2000


class Factors(NamedTuple):
    """Factors of Y, U and V in 1/8192, and the Y of black."""

    black: int
    luma: int
    red_v: int
    green_u: int
    green_v: int
    blue_u: int


#: {colours: factors}.
COLOURS = {
    "bt601_full": Factors(0, 8192, 11485, -2819, -5850, 14516),
    "bt601_video": Factors(16, 9539, 13075, -3209, -6660, 16525),
    "bt709_full": Factors(0, 8192, 12901, -1535, -3835, 15201),
    "bt709_video": Factors(16, 9539, 14686, -1747, -4366, 17305),
}
SQUASH = {"height": 14, "width": 14}
#: (height and width as stored, format, colours, rotation, mirrored, frame of the network) of images from cameras.
CAMERA_CASES: list[tuple[int, int, str, str, int, bool, dict[str, Any]]] = [
    (48, 64, "nv12", "bt601_full", 0, False, SQUASH),
    (48, 64, "nv21", "bt601_full", 90, False, SQUASH),
    (48, 64, "i420", "bt601_full", 180, True, SQUASH),
    (48, 64, "i420_2", "bt601_full", 270, True, SQUASH),
    (37, 41, "nv12", "bt601_video", 90, True, {"height": 16, "width": 11, "order": "bgr"}),
    (41, 37, "nv21", "bt709_full", 270, False, {"height": 9, "width": 23}),
    (37, 41, "i420", "bt709_video", 0, True, {"height": 16, "width": 16, "fit": "crop", "short_side": 19}),
    (37, 41, "i420_2", "bt709_video", 180, False, {"height": 16, "width": 12, "fit": "crop", "order": "bgr"}),
    (1, 1, "nv12", "bt601_full", 90, False, {"height": 3, "width": 4}),
    (1, 9, "i420", "bt601_video", 270, False, {"height": 5, "width": 3}),
    (7, 5, "i420_2", "bt601_full", 90, True, {"height": 16, "width": 12}),
    (7, 5, "nv21", "bt601_video", 0, False, {"height": 7, "width": 5}),
    (48, 64, "rgb", "bt601_full", 90, False, {"height": 14, "width": 12}),
    (48, 64, "bgr", "bt601_full", 180, True, {"height": 14, "width": 12, "order": "bgr"}),
    (37, 41, "rgba", "bt601_full", 270, True, {"height": 16, "width": 12, "fit": "crop"}),
    (37, 41, "bgra", "bt601_full", 0, True, {"height": 16, "width": 12, "order": "bgr"}),
    (480, 640, "nv21", "bt601_full", 90, True, {"height": 112, "width": 112, "fit": "crop"}),
    (481, 641, "i420_2", "bt601_full", 270, False, {"height": 112, "width": 112}),
    (180, 320, "bgra", "bt601_full", 90, True, {"height": 112, "width": 112, "fit": "crop"}),
]
#: {format: places of red, green and blue in a pixel, bytes of a pixel}.
PIXELS = {"rgb": ((0, 1, 2), 3), "bgr": ((2, 1, 0), 3), "rgba": ((0, 1, 2), 4), "bgra": ((2, 1, 0), 4)}


def source_byte(index: int) -> int:
    """Return a byte of the source: ``index`` counts the bytes of the rows from the top, [height, width, 3]."""
    mixed = index * 2654435761 & 0xFFFFFFFF
    mixed ^= mixed >> 15
    return (mixed * 2246822519 & 0xFFFFFFFF) >> 24


def source(height: int, width: int) -> bytes:
    return bytes(source_byte(index) for index in range(height * width * 3))


def axis(size: int, resized: int, kept: int) -> list[tuple[int, int, int]]:
    """Return (pixel before, pixel after, weight of the pixel after in 1/32) for each result of one axis."""
    margin = resized - kept
    first = margin // 2
    if margin % 2 and first % 2:
        first += 1
    result = []
    for index in range(first, first + kept):
        position = (32 * ((2 * index + 1) * size - resized) + resized) // (2 * resized)
        position = min(max(position, 0), 32 * (size - 1))
        pixel, weight = divmod(position, 32)
        result.append((pixel, min(pixel + 1, size - 1), weight))
    return result


def fitted(pixels: bytes, height: int, width: int, frame: dict[str, Any]) -> bytes:
    """Return the fitted frame of a source picture, [height, width, 3] in the network's channel order."""
    rows, columns = frame["height"], frame["width"]
    if frame.get("fit") == "crop":
        short = frame.get("short_side") or (16 * max(rows, columns) + 7) // 14
        rows = short if height <= width else short * height // width
        columns = short if width <= height else short * width // height
    order = (2, 1, 0) if frame.get("order") == "bgr" else (0, 1, 2)
    across = axis(width, columns, frame["width"])
    result = bytearray()
    for above, below, down in axis(height, rows, frame["height"]):
        for left, right, weight in across:
            for channel in order:
                a, b = (pixels[(above * width + x) * 3 + channel] for x in (left, right))
                c, d = (pixels[(below * width + x) * 3 + channel] for x in (left, right))
                upper, lower = a * (32 - weight) + b * weight, c * (32 - weight) + d * weight
                result.append((upper * (32 - down) + lower * down + 512) >> 10)
    return bytes(result)


def image_size(height: int, width: int, format: str) -> int:
    """Return the number of bytes of an image, with all planes one after another and nothing between rows."""
    if format in PIXELS:
        return height * width * PIXELS[format][1]
    chroma = (height + 1) // 2 * ((width + 1) // 2)
    return height * width + chroma * (4 if format == "i420_2" else 2)


def rgb(image: bytes, height: int, width: int, format: str, colours: str) -> bytes:
    """Return an image in RGB, [height, width, 3]."""
    if format in PIXELS:
        places, size = PIXELS[format]
        return bytes(image[at + place] for at in range(0, len(image), size) for place in places)
    result = bytearray()
    columns = (width + 1) // 2
    plane = height * width  # end of the luma
    step = 1 if format == "i420" else 2
    block = (height + 1) // 2 * columns * step  # the plane after the next one begins here
    first = {"nv12": (plane, plane + 1), "nv21": (plane + 1, plane)}.get(format, (plane, plane + block))
    factors = COLOURS[colours]
    for y in range(height):
        for x in range(width):
            luma = factors.luma * (image[y * width + x] - factors.black)
            at = (y // 2 * columns + x // 2) * step
            u, v = (image[start + at] - 128 for start in first)
            for value in (
                luma + factors.red_v * v,
                luma + factors.green_u * u + factors.green_v * v,
                luma + factors.blue_u * u,
            ):
                result.append(min(max((value + 4096) // 8192, 0), 255))
    return bytes(result)


def upright(pixels: bytes, height: int, width: int, rotation: int, mirrored: bool) -> tuple[bytes, int, int]:
    """Return an RGB image after a clockwise rotation and then perhaps a mirror, and its height and width."""
    rows = [[pixels[(y * width + x) * 3 :][:3] for x in range(width)] for y in range(height)]
    for _ in range(rotation // 90):
        rows = [list(row) for row in zip(*rows[::-1], strict=True)]
    if mirrored:
        rows = [row[::-1] for row in rows]
    return b"".join(b"".join(row) for row in rows), len(rows), len(rows[0])


def camera_source(height: int, width: int, format: str) -> bytes:
    return bytes(source_byte(index) for index in range(image_size(height, width, format)))


def fitted_image(
    image: bytes,
    height: int,
    width: int,
    format: str,
    colours: str,
    rotation: int,
    mirrored: bool,
    frame: dict[str, Any],
) -> bytes:
    """Return the fitted frame of an image from a camera."""
    return fitted(*upright(rgb(image, height, width, format, colours), height, width, rotation, mirrored), frame)


def write_golden() -> None:
    """Write the files of golden bytes."""
    cases = []
    for height, width, frame in CASES:
        result = fitted(source(height, width), height, width, frame)
        cases.append({"source": [height, width], "frame": frame} | _stored(result))
    _write(GOLDEN, cases)
    cases = []
    for height, width, format, colours, rotation, mirrored, frame in CAMERA_CASES:
        image = camera_source(height, width, format)
        result = fitted_image(image, height, width, format, colours, rotation, mirrored, frame)
        case = {"source": [height, width], "format": format, "colours": colours, "rotation": rotation}
        cases.append(case | {"mirrored": mirrored, "frame": frame} | _stored(result))
    _write(CAMERA_GOLDEN, cases)


def _stored(result: bytes) -> dict[str, Any]:
    stored = {"sha256": hashlib.sha256(result).hexdigest()}
    return stored | ({"bytes": base64.b64encode(result).decode()} if len(result) <= LONGEST else {})


def _write(path: Path, cases: list[dict[str, Any]]) -> None:
    lines = ",\n".join(json.dumps(case) for case in cases)
    path.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    write_golden()
