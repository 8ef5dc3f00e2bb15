"""``edgeshift verify --accelerator``."""

from __future__ import annotations

import importlib.util
import json
import sys

import msgspec
import numpy as np
import pytest
import torch

from edgeshift.benchmarks.devices import emulated
from edgeshift.checkpoints.source import untrained_source
from edgeshift.errors import EdgeshiftError
from edgeshift.runtimes import accelerated, load
from edgeshift.runtimes.accelerated import Checked, References, check_here, require_same_network
from edgeshift.runtimes.pytorch import reference
from edgeshift.stream import Model
from edgeshift.stream.replay import write_transcript
from edgeshift.stream.transcript import encode_transcript

SIMULATOR = importlib.util.find_spec("onnxruntime_qnn") is not None and sys.platform == "linux"
needs_simulator = pytest.mark.skipif(not SIMULATOR, reason='pip install ".[qnn]", on Linux x86-64')


def test_without_a_gpu_one_that_is_named_fails_and_all_does_not(run, made, monkeypatch):
    monkeypatch.setenv("VK_ICD_FILENAMES", "/nonexistent.json")
    path = made("tsm", "fp32").path
    done = run("verify", path, "--accelerator", "cpu,gpu", "--json")
    document = json.loads(done.out)
    assert done.status == 1 and not document["ok"]
    assert [(row["accelerator"], row["verdict"]) for row in document["accelerators"]] == [
        ("cpu", "computes"),
        ("gpu", "not run"),
    ]
    assert any(problem.startswith("gpu: LiteRT's GPU accelerator finds no GPU") for problem in document["problems"])
    done = run("verify", path, "--accelerator", "all")
    assert done.status == 0 and "on gpu" in done.out and "on npu" in done.out, done.err


@pytest.mark.parametrize(
    ("verdict", "detail"),
    [("wrong", "wrong from frame 3, state_features_5"), ("falls back", "falls back at DIV (No support)")],
)
def test_a_failed_check_is_status_1(run, made, monkeypatch, verdict, detail):
    answer = Checked("gpu", verdict, detail, frame=3, state="state_features_5")
    monkeypatch.setattr(emulated, "check_accelerator", lambda *_: answer)
    done = run("verify", made("tsm", "fp32").path, "--accelerator", "gpu")
    assert done.status == 1 and f"gpu: {detail}" in done.err and detail in done.out


def test_every_check_of_the_file_runs_on_an_accelerator(run, made, tmp_path):
    path, transcript = made("tsm", "fp32").path, tmp_path / "t.json"
    assert run("transcript", path, "--out", transcript).status == 0
    done = run("verify", path, "--accelerator", "cpu", "--transcript", transcript, "--json")
    (row,) = json.loads(done.out)["accelerators"]
    assert done.status == 0 and row["verdict"] == "computes" and row["self_check"] == row["transcript"] == [], done.err
    original = row["original"]
    assert original["reference"].startswith("PyTorch") and original["frames"] == 32 and original["frame"] is None
    assert 0 < original["error"] < 1e-4 and 0 < original["state_error"] < 1e-3


def test_an_accelerator_that_leaves_the_original_or_the_transcript_is_wrong(made, tmp_path, monkeypatch):
    """The artifact is right, and the weights that it is compared with are others."""
    path = made("tsm", "fp32").path
    source = untrained_source("tsm_mobilenet_v2", size=64)
    with torch.no_grad():
        next(parameter for parameter in source.network.parameters() if parameter.ndim == 4).mul_(1.5)
    other = reference(source)
    monkeypatch.setattr(accelerated, "original_of", lambda spec, references: other)
    done = check_here(path, "cpu")
    assert done.verdict == "wrong" and done.original.frame == 0 and done.error == 0.0
    assert "against PyTorch" in done.detail and f"wrong from frame 0, {done.original.state}" in done.detail
    monkeypatch.setattr(accelerated, "original_of", lambda spec, references: None)
    wanted = write_transcript(load(path))
    changed = {name: tuple(value + 9 for value in row) for name, row in wanted.samples.items()}
    (tmp_path / "t.json").write_bytes(encode_transcript(msgspec.structs.replace(wanted, samples=changed)))
    done = check_here(path, "cpu", References(transcript=str(tmp_path / "t.json")))
    assert done.verdict == "wrong" and done.transcript and "; transcript: " in done.detail


class Broken:
    """An executor whose logits are no numbers."""

    def __init__(self, executor) -> None:
        self._executor = executor

    def run(self, frame):
        return self._executor.run(frame) * np.nan

    def states(self):
        return self._executor.states()

    def set_states(self, states):
        self._executor.set_states(states)


def test_logits_that_are_no_numbers_are_reported_with_their_frame(made, monkeypatch):
    """The result is sent as JSON, which has no NaN."""
    path = made("tsm", "fp32").path
    right = load(path)
    wrong = Model(right.spec, right.runtime, lambda: Broken(right._executor()), "gpu")
    monkeypatch.setattr(
        "edgeshift.runtimes.load", lambda file, accelerator="cpu": right if accelerator == "cpu" else wrong
    )
    done = msgspec.json.decode(msgspec.json.encode(check_here(path, "gpu")), type=Checked)
    assert (done.verdict, done.frame, done.state) == ("wrong", 0, "logits") and done.original.frame == 0
    assert done.error is None and done.original.error is None


def test_unknown_accelerators_are_refused(run, made):
    for names in ("tpu", "", "cpu,,gpu"):
        done = run("verify", made("tsm", "fp32").path, "--accelerator", names)
        assert done.status == 2 and "unknown accelerator" in done.err, done.err


def test_an_emulated_processor_without_qemu_is_one_line(run, made, monkeypatch):
    monkeypatch.setattr(emulated.shutil, "which", lambda name: None)
    done = run("verify", made("tsm", "int8").path, "--accelerator", "cortex-a72")
    assert done.status == 1 and "cortex-a72: qemu-aarch64-static is not installed" in done.err, done.err


def test_without_the_option_nothing_is_checked_on_accelerators(run, made):
    assert "accelerators" not in json.loads(run("verify", made("tsm", "fp32").path, "--json").out)


@pytest.mark.slow
@needs_simulator
def test_a_compiled_file_is_compared_with_the_same_network_on_the_cpu(run, made):
    path, against = made("tsm", "int8", "qnn").path, made("tsm", "int8", "onnx").path
    done = run("verify", path, "--accelerator", "npu", "--against", against, "--json")
    assert done.status == 0, done.err
    document = json.loads(done.out)
    (row,) = document["accelerators"]
    assert row["verdict"] == "computes" and row["frames"] == 32 and row["self_check"] == []
    assert 0 < row["error"] < 0.1 and 0 < row["state_error"] < 0.5
    assert row["detail"].startswith("computes all operators, 32 frames: ")
    assert row["detail"].endswith(f"compared with {against.name} on the CPU")
    assert document["ran_on"] == row["ran_on"]
    assert row["ran_on"] == {"accelerator": "npu simulator", "device": "Hexagon v75", "complete": True}


@pytest.mark.slow
@needs_simulator
def test_without_a_reference_a_compiled_file_is_compared_with_the_original_only(run, made):
    done = run("verify", made("tsm", "int8", "qnn").path, "--accelerator", "npu")
    assert done.status == 0 and "not compared with the CPU: for that, add --against FILE.onnx" in done.out, done.err
    assert "npu simulator (Hexagon v75): all operators" in done.out
    assert "(eager), 32 frames, largest differences: logits 0." in done.out, "the original is known"


class Forgetful:
    """An executor that loses one state after every frame."""

    def __init__(self, executor, state: str) -> None:
        self._executor, self._state = executor, state

    def run(self, frame):
        logits = self._executor.run(frame)
        self._executor.set_states({self._state: np.zeros_like(self._executor.states()[self._state])})
        return logits

    def states(self):
        return self._executor.states()

    def set_states(self, states):
        self._executor.set_states(states)


@pytest.mark.slow
@needs_simulator
def test_a_state_that_a_compiled_file_loses_is_named_with_its_frame(made, monkeypatch):
    path, against = made("tsm", "int8", "qnn").path, made("tsm", "int8", "onnx").path
    reference = load(against)
    lost = reference.spec.states[2].name
    compiled = load(path)
    faulty = Model(compiled.spec, compiled.runtime, lambda: Forgetful(compiled._executor(), lost), "cpu")
    monkeypatch.setattr("edgeshift.runtimes.load", lambda file: faulty if file == path else reference)
    done = check_here(path, "npu", References(against=str(against)))
    assert done.verdict == "wrong" and done.detail.startswith(f"wrong from frame {done.frame}, {lost} (")
    assert done.frame is not None and done.frame < 3 and done.state == lost


@pytest.mark.slow
def test_a_reference_is_the_same_network_and_runs_on_the_cpu(made):
    file = made("tsm", "int8", "onnx")
    spec, path = load(file.path).spec, file.path
    require_same_network(spec, path, spec, path)
    other = made("tsm", "fp32", "onnx").path
    with pytest.raises(EdgeshiftError, match=r"is not the network of .*; they differ in the precision"):
        require_same_network(spec, path, load(other).spec, other)
    states = msgspec.structs.replace(spec, states=spec.states[1:], check=None)
    with pytest.raises(EdgeshiftError, match="they differ in the states"):
        require_same_network(spec, path, states, path)
    with pytest.raises(EdgeshiftError, match=r"a\.qnn\.onnx: QNN does not run it on the CPU: give the artifact from"):
        require_same_network(spec, path, spec, path.with_name("a.qnn.onnx"))
