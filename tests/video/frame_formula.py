"""The formula of docs/reference/frames.md in plain Python integers, without numpy and OpenCV.

``python tests/video/frame_formula.py`` writes golden_frames.json, the bytes that every implementation must give.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).with_name("golden_frames.json")
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


def write_golden() -> None:
    """Write the file of golden bytes."""
    cases = []
    for height, width, frame in CASES:
        result = fitted(source(height, width), height, width, frame)
        case: dict[str, Any] = {"source": [height, width], "frame": frame, "sha256": hashlib.sha256(result).hexdigest()}
        if len(result) <= LONGEST:
            case["bytes"] = base64.b64encode(result).decode()
        cases.append(case)
    lines = ",\n".join(json.dumps(case) for case in cases)
    GOLDEN.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    write_golden()
