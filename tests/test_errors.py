"""The errors of edgeshift and the functions that make their messages."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from edgeshift import errors
from edgeshift.errors import (
    ArtifactError,
    CheckFailedError,
    DeviceError,
    EdgeshiftError,
    RuntimeMissingError,
    install_command,
    missing,
    one_line,
    unknown,
)

CLASSES = {name: cls for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, Exception)}
CLASSES = {name: cls for name, cls in CLASSES.items() if not issubclass(cls, Warning)}


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"EdgeshiftError"}))
def test_every_error_has_its_base_class_status_and_docstring(name):
    error = CLASSES[name]
    bases = {"DeviceLostError": DeviceError, "NotAnArtifactError": ArtifactError}
    assert error.__bases__ == (bases.get(name, EdgeshiftError),)
    assert error.status == (1 if error is CheckFailedError else 2)
    assert error.__doc__ and name.endswith("Error")
    assert str(error("what happened")) == "what happened"


def test_the_base_class_derives_from_exception_alone():
    assert EdgeshiftError.__bases__ == (Exception,) and EdgeshiftError.status == 2


def test_missing_names_the_command_that_installs_the_extra():
    error = missing("OpenCV", "video", "reading video")
    assert isinstance(error, RuntimeMissingError)
    assert str(error) == f"reading video needs OpenCV, which is not installed: {install_command('video')}"


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
def test_unknown_lists_similar_names(name, known, message):
    assert unknown("target", name, known) == message == unknown("target", name, iter(known))


def test_unknown_lists_at_most_three_names():
    near = unknown("model", "model", [f"model{i}" for i in range(9)])
    assert near.count("model") == 2 + 3  # the kind, the name, and three similar names


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\n\n  lines\tand a tab"), "two lines and a tab"),
        (ValueError(""), "ValueError"),
        (KeyError("\n"), r"'\n'"),
        (ValueError("x" * 500), "x" * 200),
    ],
)
def test_one_line_shortens_the_message_of_another_library(error, line):
    assert one_line(error) == line


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("[runtime/model.cc:97] bad graph", "bad graph"),
        ("Failed: third_party/odml/litert/cc/model.cc:12: no buffer", "Failed: no buffer"),
        ("FAIL : /onnxruntime_src/onnxruntime/core/a_b.h:123 too large", "FAIL : too large"),
        ("at /src/op_kernel..h:5:9, (x)", "at (x)"),
        ("(kernel.cpp:4) x\nlib/kernel.cu:77 y", "x y"),
        ("a.cc:7", "RuntimeError"),
        ("Failed to load model\n└ Invalid flatbuffer", "Failed to load model: Invalid flatbuffer"),
        ("message=ERROR: [./litert/cc/compiled_model.h:562]\n└ Failed to allocate", "message= Failed to allocate"),
        (
            "Status Message: /src/core/bfc_arena.cc:360 void* ort::Arena::Allocate(size_t, ort::Stream*) Failed to "
            "allocate memory for requested buffer of size 4398046511104\n",
            "Status Message: Failed to allocate memory for requested buffer of size 4398046511104",
        ),
        ("cannot read /home/me/model.h5:0 or clip.mp4:3", "cannot read /home/me/model.h5:0 or clip.mp4:3"),
        ("cannot read main.c and ratio 1.c:2x", "cannot read main.c and ratio 1.c:2x"),
    ],
)
def test_one_line_leaves_out_places_in_native_source_code(message, line):
    assert one_line(RuntimeError(message)) == line


def test_errors_import_nothing_heavy():
    code = "import sys, edgeshift.errors; sys.exit(bool({'torch', 'numpy', 'msgspec', 'difflib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
