"""One tree of errors, each saying what, where and what to do."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

from edgeshift import errors
from edgeshift.errors import (
    CheckFailedError,
    DeviceError,
    EdgeshiftError,
    RuntimeMissingError,
    missing,
    one_line,
    unknown,
)

CLASSES = {name: cls for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, Exception)}


def test_the_tree_at_the_top_is_the_tree():
    drawn = re.findall(r"^[│ ]*[├└]── (\w+)", errors.__doc__ or "", re.MULTILINE)
    assert errors.__doc__ is not None and "\nEdgeshiftError " in errors.__doc__
    assert sorted([*drawn, "EdgeshiftError"]) == sorted(CLASSES)
    assert len(drawn) == len(set(drawn))


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"EdgeshiftError"}))
def test_every_error_is_one_of_ours_with_a_status(name):
    error = CLASSES[name]
    assert error.__bases__ == (DeviceError if name == "DeviceLostError" else EdgeshiftError,)
    assert error.status == (1 if error is CheckFailedError else 2)
    assert error.__doc__ and name.endswith("Error")
    assert str(error("what happened")) == "what happened"


def test_no_error_of_ours_is_caught_as_one_of_pythons():
    assert EdgeshiftError.__bases__ == (Exception,) and EdgeshiftError.status == 2


def test_missing_has_the_exact_command():
    error = missing("OpenCV", "video", "reading video")
    assert isinstance(error, RuntimeMissingError)
    assert str(error) == 'reading video needs OpenCV, which is not installed: pip install "edgeshift[video]"'


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("tflight", ["tflite", "onnx"], "unknown target 'tflight'; did you mean tflite?"),
        ("coreml2", ["coreml", "coreml1"], "unknown target 'coreml2'; did you mean coreml or coreml1?"),
        ("zzz", ["tflite", "onnx"], "unknown target 'zzz'; known: onnx, tflite"),
        ("", ["b", "a"], "unknown target ''; known: a, b"),
        ("x\x1b[2J", ["a"], "unknown target 'x\\x1b[2J'; known: a"),
        ("a\nb", ["c"], "unknown target 'a\\nb'; known: c"),
    ],
)
def test_unknown_gives_the_nearest_names(name, known, message):
    assert unknown("target", name, known) == message == unknown("target", name, iter(known))


def test_unknown_gives_three_names_at_most():
    near = unknown("model", "model", [f"model{i}" for i in range(9)])
    assert near.count("model") == 2 + 3  # the kind, the name, three hints


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\n\n  lines\tand a tab"), "two lines and a tab"),
        (ValueError(""), "ValueError"),
        (KeyError("\n"), r"'\n'"),
        (ValueError("x" * 500), "x" * 200),
    ],
)
def test_somebody_elses_error_becomes_one_line(error, line):
    assert one_line(error) == line


def test_errors_import_nothing_heavy():
    code = "import sys, edgeshift.errors; sys.exit(bool({'torch', 'numpy', 'msgspec', 'difflib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
