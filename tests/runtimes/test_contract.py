"""Behaviour that all runtimes share, on real artifacts: streams, states, reset, damaged files, no output."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from streams import FRAMES, logits_of

from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.errors import ArtifactError, EdgeshiftError, RuntimeMissingError, install_command
from edgeshift.runtimes import load
from edgeshift.targets import find_runtime, find_target

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Case:
    """An artifact and the options with which it is run.

    Attributes:
        target: target of the conversion.
        precision: precision of the conversion.
        conversion: other options of the conversion.
        options: options of the runtime.
    """

    target: str
    precision: str = "int8"
    conversion: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


CASES = {
    "tflite compiled": Case("tflite", options={"backend": "compiled"}),
    "tflite interpreter": Case("tflite", options={"backend": "interpreter"}),
    "onnx int8": Case("onnx"),
    "onnx fp32": Case("onnx", "fp32"),
    "executorch int8": Case("executorch"),
    "executorch fp16": Case("executorch", "fp16"),
    "executorch fp32": Case("executorch", "fp32"),
    "executorch int8 buffer": Case("executorch", conversion={"state": "buffer"}),
}
#: {name of a case: modules of its runtime}, one case for each kind of file.
FILES = {
    "tflite compiled": ("ai_edge_litert.compiled_model", "ai_edge_litert.interpreter", "tflite_runtime.interpreter"),
    "onnx int8": ("onnxruntime",),
    "executorch int8": ("executorch.runtime",),
    "executorch int8 buffer": ("executorch.runtime",),
}


@pytest.fixture(params=CASES)
def case(request, made):
    case = CASES[request.param]
    return case, made("tsm", case.precision, case.target, **case.conversion)


@pytest.fixture
def model(case):
    return load(case[1].path, **case[0].options)


@pytest.fixture(params=FILES)
def file(request, made):
    case = CASES[request.param]
    return made("tsm", case.precision, case.target, **case.conversion), FILES[request.param]


def test_streams_are_independent(model):
    alone = logits_of(model.stream())
    a, b = model.stream(), model.stream()
    mixed = []
    for t, frame in enumerate(FRAMES):
        mixed.append(a.step(frame).logits)
        b.step(FRAMES[-1 - t])  # another stream with other frames
    np.testing.assert_array_equal(np.stack(mixed), alone)
    assert not np.array_equal(logits_of(b), alone)


def test_logits_after_a_reset_are_bit_equal(model):
    stream = model.stream()
    first = logits_of(stream)
    assert not np.array_equal(logits_of(stream), first)  # the states influence the logits
    stream.reset()
    np.testing.assert_array_equal(logits_of(stream), first)
    stream.step(FRAMES[0])  # after an odd number of steps, the second of two sets of states is current
    stream.reset()
    np.testing.assert_array_equal(logits_of(stream), first)


def test_states_can_be_saved_and_restored(model):
    for steps in (4, 5):  # an even and an odd number, so that each of two sets of states is saved once
        stream = model.stream()
        logits_of(stream, FRAMES[:steps])
        saved = stream.state
        kept = {name: array.copy() for name, array in saved.items()}
        rest = logits_of(stream, FRAMES[steps:])
        for name, array in saved.items():  # a copy, not a view of memory that the runtime writes into
            np.testing.assert_array_equal(array, kept[name])
        other = model.stream()
        other.state = saved
        np.testing.assert_array_equal(logits_of(other, FRAMES[steps:]), rest)
        for name, array in saved.items():  # the runtime does not write into the given arrays either
            np.testing.assert_array_equal(array, kept[name])
    with pytest.raises(EdgeshiftError, match="state_features_3"):
        other.state = {**saved, "state_features_3": saved["state_features_3"][:, :, :4]}  # wrong in any layout


def test_states_at_the_start_are_zero(model):
    spec = {state.name: state for state in model.spec.states}
    state = model.stream().state
    assert list(state) == list(spec)
    for name, stored in state.items():
        assert (stored == spec[name].zero_point).all()
        assert (stored.shape, stored.dtype) == (spec[name].shape, np.dtype(spec[name].dtype))


def test_threads_are_checked(case):
    with pytest.raises(EdgeshiftError, match="threads must be 1 to 64"):
        load(case[1].path, threads=0)


def test_the_error_for_a_missing_runtime_names_the_extra(file, monkeypatch):
    artifact, modules = file
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    target = artifact.result.spec.target
    with pytest.raises(RuntimeMissingError, match="needs .*" + re.escape(install_command(target))) as caught:
        load(artifact.path)
    assert "\n" not in str(caught.value) and str(artifact.path) in str(caught.value)


def test_a_damaged_file_is_not_passed_to_the_runtime(file, tmp_path, monkeypatch):
    source = file[0].path
    runtime = importlib.import_module(find_runtime(source).module)
    monkeypatch.setattr(runtime, "open_artifact", lambda artifact: pytest.fail("the runtime was called"))
    whole, path = source.read_bytes(), tmp_path / f"damaged{source.suffix}"
    spec_at = whole.rindex(b"edgeshift/spec.json")
    flips = [8, 1000, len(whole) // 2, spec_at - 5, spec_at + 40, len(whole) - 10]
    damaged = [whole[:n] for n in (0, 100, len(whole) // 2, len(whole) - 100, len(whole) - 1)]
    damaged += [whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :] for at in flips]
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(EdgeshiftError) as error:
            load(path)
        assert "\n" not in str(error.value) and str(path) in str(error.value)
        assert error.value.status == 2


@pytest.mark.parametrize("body", [b"", b"noise" * 100, b"\x08\x08"], ids=["empty", "noise", "no graph"])
def test_bytes_that_are_not_a_graph_give_a_one_line_error(file, tmp_path, body):
    """The hash matches, so the runtime itself reads the bytes and fails."""
    path = tmp_path / f"none{file[0].path.suffix}"
    write_artifact(path, body, file[0].result.spec)
    with pytest.raises(ArtifactError) as error:
        load(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.precision == "int8"])
def test_a_graph_that_does_not_match_its_description_is_refused(name, made, tmp_path):
    """A matching hash does not prove that graph and description belong together, so names and shapes are compared."""
    case = CASES[name]
    spec = made("tsm", case.precision, case.target, **case.conversion).result.spec
    body = read_artifact(made("tsn", case.precision, case.target).path).body
    path = tmp_path / f"mixed{find_target(case.target).suffix}"
    write_artifact(path, body, spec)
    with pytest.raises(
        ArtifactError, match=r"'state_features_3'.*(the description says|its description lists)|contradicts its graph"
    ) as error:
        load(path, **case.options)
    assert "\n" not in str(error.value)


def test_nothing_is_printed(file):
    """Native libraries write to stderr themselves. Loading, running and exiting must print nothing."""
    program = (
        "import sys, numpy as np, edgeshift\n"
        "stream = edgeshift.load(sys.argv[1]).stream()\n"
        "stream.step(np.zeros((48, 64, 3), np.uint8)); stream.state\n"
        "needed = ('torch',) if sys.argv[1].endswith('.pte') else ()\n"
        "assert not {'onnx', 'torch', 'litert_torch'}.difference(needed) & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(file[0].path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_inspect_verify_and_demo_accept_every_kind_of_file(file, capsys):
    from edgeshift.cli import main
    from edgeshift.gestures.demo_stream import demo_stream

    path = file[0].path

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert (ended.value.code or 0, err) == (0, "")
        return out

    spec, printed = file[0].result.spec, run("inspect", path)
    assert "untrained" in printed
    for kind, count in spec.graph.operators.items():
        assert f"{count} {kind}" in printed
    assert (" of operators " in printed) == (spec.graph.delegated is not None)
    report = json.loads(run("verify", path, "--json"))
    assert report["ok"] and report["parity"]["frames"] == 32
    frames = len(list(demo_stream(size=32)))
    assert json.loads(run("demo", path, "--headless", "--json"))["steps"] == frames
