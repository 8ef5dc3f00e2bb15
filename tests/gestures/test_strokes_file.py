"""User-defined strokes in an untrusted file. They are drawn like the built-in strokes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edgeshift.errors import GestureError
from edgeshift.gestures import STROKES, Stroke, draw_clip, read_strokes
from edgeshift.gestures.strokes import trace

ZIGZAG = [[[0, 0], [1, 0.3], [0, 0.6], [1, 1]]]
LINE = [[[0, 0], [1, 1]]]


def write_strokes(folder: Path, content: Any) -> Path:
    path = folder / "own.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_stroke_needs_only_its_lines(tmp_path: Path) -> None:
    strokes = read_strokes(write_strokes(tmp_path, {"zigzag": {"lines": ZIGZAG}}))
    assert strokes == {"zigzag": Stroke([[(0.0, 0.0), (1.0, 0.3), (0.0, 0.6), (1.0, 1.0)]])}


def test_every_field_is_read_and_the_order_is_kept(tmp_path: Path) -> None:
    ring = [[[0.5, 0], [1, 0.5], [0.5, 1], [0, 0.5], [0.5, 0]]]
    content = {
        "zwei": {"lines": ring, "ring": True, "width": [0.2, 0.3], "height": [0.4, 0.5], "seconds": [1, 4]},
        "à la main 2": {"lines": LINE},
    }
    strokes = read_strokes(str(write_strokes(tmp_path, content)))
    assert list(strokes) == list(content)
    stroke = strokes["zwei"]
    assert (stroke.ring, stroke.width, stroke.height, stroke.seconds) == (True, (0.2, 0.3), (0.4, 0.5), (1.0, 4.0))


def test_the_built_in_strokes_can_be_written_as_a_file(tmp_path: Path) -> None:
    content = {label: msgspec.to_builtins(stroke) for label, stroke in STROKES.items()}
    strokes = read_strokes(write_strokes(tmp_path, content))
    assert list(strokes) == list(STROKES)
    for label in STROKES:
        first = draw_clip(1, label, frames=2, size=16)
        assert np.array_equal(first.frames, draw_clip(1, label, frames=2, size=16, strokes=strokes).frames)


def test_a_point_given_twice_is_drawn(tmp_path: Path) -> None:
    strokes = read_strokes(write_strokes(tmp_path, {"a": {"lines": [[[0, 0], [0, 0], [1, 1], [1, 1]]]}}))
    assert np.isfinite(trace(strokes["a"], np.random.default_rng(0))).all()


BAD: dict[str, tuple[Any, str]] = {
    "empty": ("", "not a JSON object of strokes"),
    "no json": ("zigzag: 1", "not a JSON object of strokes"),
    "a list": ([], "not a JSON object of strokes"),
    "no strokes": ({}, "holds 0 strokes; give 1 to 256"),
    "too many strokes": ({f"s{i}": {"lines": LINE} for i in range(257)}, "257 strokes"),
    "nested": ('{"a":{"lines":' + "[" * 10_000, "not a JSON object of strokes"),
    "no lines": ({"a": {}}, "'a': Object missing required field `lines`"),
    "no line": ({"a": {"lines": []}}, "'a': Expected `array` of length >= 1"),
    "one point": ({"a": {"lines": [[[0, 0]]]}}, r"'a': Expected `array` of length >= 2 - at `\$.lines\[0\]`"),
    "outside": ({"a": {"lines": [[[0, 0], [1, 1.5]]]}}, r"'a': Expected `float` <= 1.0 - at `\$.lines\[0\]\[1\]\[1\]`"),
    "below": ({"a": {"lines": [[[-0.1, 0], [1, 1]]]}}, "'a': Expected `float` >= 0.0"),
    "infinite": ('{"a": {"lines": [[[0, 0], [1, 1e999]]]}}', "'a': "),
    "not a number": ('{"a": {"lines": [[[0, 0], [1, NaN]]]}}', "not a JSON object of strokes"),
    "three axes": ({"a": {"lines": [[[0, 0, 0], [1, 1, 1]]]}}, "'a': Expected `array` of length 2"),
    "a typo": ({"a": {"lines": LINE, "second": [1, 2]}}, "'a': Object contains unknown field `second`"),
    "seconds": ({"a": {"lines": LINE, "seconds": [4, 1]}}, "'a': seconds gives the smallest and the largest value"),
    "width": ({"a": {"lines": LINE, "width": [0.5, 0.2]}}, "'a': width gives the smallest and the largest value"),
    "wide": ({"a": {"lines": LINE, "width": [0.5, 2]}}, "'a': Expected `float` <= 0.94"),
    "slow": ({"a": {"lines": LINE, "seconds": [1, 61]}}, "'a': Expected `float` <= 60"),
    "still": ({"a": {"lines": [[[0.5, 0.5], [0.55, 0.5]]]}}, "'a': the stroke is too small"),
    "many points": ({"a": {"lines": [[[0, 0], [1, 1]]] * 129}}, "'a': 258 points are too many"),
    "open ring": ({"a": {"lines": ZIGZAG, "ring": True}}, "'a': a ring must be one line"),
    "no label": ({"": {"lines": LINE}}, "'' is not a label"),
    "long label": ({"a" * 49: {"lines": LINE}}, "is not a label: give 1 to 48"),
    "control": ({"a\x1b[2J": {"lines": LINE}}, r"'a\\x1b\[2J' is not a label"),
    "turned": ({"a\u202e": {"lines": LINE}}, "is not a label"),
    "spaces": ({" a": {"lines": LINE}}, "' a' is not a label"),
    "parent": ({"..": {"lines": LINE}}, r"'\.\.' is not a label, because labels are also names of folders"),
    "folder": ({"a/b": {"lines": LINE}}, "names of folders"),
    "comma": ({"a,b": {"lines": LINE}}, "names of folders"),
    "table": ({"clips.csv": {"lines": LINE}}, "names of folders"),
    "option": ({"-a": {"lines": LINE}}, "names of folders"),
    **{name: ({name: {"lines": LINE}}, "has another meaning") for name in ("pause", "away", "wander", "none", "None")},
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_one_line_that_names_the_file(tmp_path: Path, name: str) -> None:
    content, reason = BAD[name]
    path = write_strokes(tmp_path, content)
    with pytest.raises(GestureError, match=reason) as caught:
        read_strokes(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and len(message.splitlines()) == 1
    assert message.isprintable() and len(message) < len(str(path)) + 300


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(GestureError, match=r"nothing\.json: there is no such file"):
        read_strokes(tmp_path / "nothing.json")
    with pytest.raises(GestureError, match="cannot be read: it is a folder"):
        read_strokes(tmp_path)
    with pytest.raises(GestureError, match="larger than 1,048,576 bytes"):
        read_strokes(write_strokes(tmp_path, " " * ((1 << 20) + 1)))
    (tmp_path / "own.json").write_bytes(b'{"\xff": 1}')
    with pytest.raises(GestureError, match="not a JSON object"):
        read_strokes(tmp_path / "own.json")
