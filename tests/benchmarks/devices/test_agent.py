"""The single file that runs on a device, on a Python that has numpy and one runtime and nothing else of ours."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgeshift.benchmarks.devices.agent import STANDIN, WORKER, build_agent, modules
from edgeshift.benchmarks.devices.probe import answers
from edgeshift.stream.selfcheck import check_frames


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    path = tmp_path_factory.mktemp("agent") / "agent.pyz"
    build_agent(path)
    return path


def run(python, agent, *arguments, cwd):
    return subprocess.run([python, agent, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False)


def test_what_is_in_it(agent):
    with zipfile.ZipFile(agent) as file:
        names = set(file.namelist())
    assert {
        "__main__.py",
        "edgeshift/stream/stream.py",
        "edgeshift/runtimes/tflite.py",
        "edgeshift/artifact/spec.py",
    } <= names
    assert not [
        name for name in names if name.startswith(("edgeshift/cli", "edgeshift/converters", "edgeshift/training"))
    ]
    assert agent.stat().st_size < 200_000


def test_imports_are_found():
    found = modules(WORKER)
    assert {"edgeshift", "edgeshift.errors", "edgeshift.models.config", "edgeshift.benchmarks"} <= found
    assert "edgeshift.models.network" not in found and STANDIN not in found  # torch; only the agent has it


def test_probe(agent, bare_python, tmp_path):
    done = run(bare_python, agent, "probe", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (answer,) = map(json.loads, answers(done.stdout))
    assert answer["runtimes"].keys() == {"tflite"} and answer["opencv"] is False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "commands: probe, bench"),
        (("x",), "commands: probe, bench"),
        (("bench", "gone.json"), "gone.json"),
        (("logits", "gone.tflite", "x.npz"), "gone.tflite: no such file"),
    ],
)
def test_bad_input_is_one_line(agent, bare_python, tmp_path, arguments, words):
    done = run(bare_python, agent, *arguments, cwd=tmp_path)
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1


def test_what_is_missing_is_said(agent, bare_python, tmp_path):
    """A Python without numpy."""
    program = tmp_path / "python3"
    program.write_text(f'#!/bin/sh\nexec "{bare_python.resolve()}" -I "$@"\n')
    program.chmod(0o755)
    done = run(program, agent, "probe", cwd=tmp_path)
    assert done.returncode == 1 and "the agent needs numpy: pip install numpy" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_logits_are_those_of_the_host(made, agent, bare_python, tmp_path, precision):
    """The stand-in for msgspec reads the same description: the same bytes come out."""
    from edgeshift.runtimes import load

    artifact = made("tsm", precision).path
    clips = {"first": np.stack(list(check_frames(3, 6, 64, 64))), "second": np.stack(list(check_frames(4, 9, 64, 64)))}
    np.savez(tmp_path / "clips.npz", **clips)
    done = run(bare_python, agent, "logits", artifact, tmp_path / "clips.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = {answer["clip"]: answer["logits"] for answer in map(json.loads, answers(done.stdout))}
    stream = load(artifact).stream()
    for name, frames in clips.items():
        stream.reset()
        np.testing.assert_array_equal(np.float32(found[name]), [stream.step(frame).logits for frame in frames])


@pytest.mark.slow
def test_a_runtime_that_is_missing_is_said(made, agent, bare_python, tmp_path):
    np.savez(tmp_path / "clips.npz", a=np.zeros((1, 64, 64, 3), np.uint8))
    done = run(bare_python, agent, "logits", made("tsm", "fp32", "onnx").path, tmp_path / "clips.npz", cwd=tmp_path)
    assert done.returncode == 2 and "-m pip install onnxruntime" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.slow
def test_clips_that_are_none(agent, bare_python, made, tmp_path):
    for name, array in (("a", np.zeros((2, 8, 8, 3))), ("b", np.zeros((8, 8, 3), np.uint8))):
        path = Path(tmp_path, f"{name}.npz")
        np.savez(path, clip=array)
        done = run(bare_python, agent, "logits", made("tsm", "int8").path, path, cwd=tmp_path)
        assert done.returncode == 2 and "frames are uint8 [N, H, W, 3]" in done.stderr
