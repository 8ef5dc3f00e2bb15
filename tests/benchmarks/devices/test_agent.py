"""The agent, run by a Python that has only numpy, msgspec and one runtime, as on a board."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgeshift.benchmarks.devices.agent import CHECK, WORKER, build_agent, modules
from edgeshift.benchmarks.devices.messages import read_messages
from edgeshift.benchmarks.devices.probe import Probed
from edgeshift.benchmarks.latency.messages import ClipLogits
from edgeshift.stream.selfcheck import check_frames


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    path = tmp_path_factory.mktemp("agent") / "agent.pyz"
    build_agent(path)
    return path


def run(python, agent, *arguments, cwd):
    return subprocess.run([python, agent, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False)


def test_agent_has_the_worker_and_the_runtimes_but_no_other_packages(agent):
    with zipfile.ZipFile(agent) as file:
        names = set(file.namelist())
    needed = (
        "stream/stream.py",
        "stream/clip_stream.py",
        "stream/sequence.py",
        "benchmarks/latency/steps.py",
        "artifact/onnx_file.py",
        "artifact/zip_trailer.py",
        "runtimes/tflite.py",
        "artifact/spec.py",
        "benchmarks/latency/worker.py",
    )
    assert {"__main__.py", *(f"edgeshift/{name}" for name in needed)} <= names
    others = ("edgeshift/cli", "edgeshift/converters", "edgeshift/training", "edgeshift/benchmarks/accuracy")
    assert not [name for name in names if name.startswith(others)]
    assert agent.stat().st_size < 200_000


def test_equal_modules_give_an_equal_agent(agent, tmp_path):
    """An agent that did not change is not copied again to a board."""
    build_agent(tmp_path / "again.pyz")
    assert (tmp_path / "again.pyz").read_bytes() == agent.read_bytes()


def test_modules_follow_imports_but_not_those_inside_functions():
    names = modules(WORKER).keys()
    assert {"edgeshift", "edgeshift.errors", "edgeshift.models.config", "edgeshift.benchmarks"} <= names
    assert "edgeshift.models.network" not in names, "it imports torch"


def test_probe_reports_what_is_installed(agent, bare_python, tmp_path):
    done = run(bare_python, agent, "probe", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (probed,) = read_messages(done.stdout, Probed)
    assert probed.probe.runtimes.keys() == {"tflite"} and probed.probe.opencv is False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give one of the commands probe, bench"),
        (("x",), "give one of the commands probe, bench"),
        (("bench", "gone.json"), "gone.json"),
        (("logits", "gone.tflite", "x.npz"), "gone.tflite: no such file"),
    ],
)
def test_the_error_for_bad_arguments_is_one_line(agent, bare_python, tmp_path, arguments, words):
    done = run(bare_python, agent, *arguments, cwd=tmp_path)
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("packages", "needs"), [([], "numpy and msgspec"), (["numpy"], "msgspec"), (["msgspec"], "numpy")], ids=str
)
def test_the_error_for_missing_packages_is_one_line_with_the_command_to_run(
    agent, bare_python, tmp_path, packages, needs
):
    site = bare_python.parents[1] / "packages"
    for path in site.iterdir():
        if path.name.lower().split("-")[0].split(".")[0] in packages:
            (tmp_path / path.name).symlink_to(path)
    program = tmp_path / "python3"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}" exec "{sys._base_executable}" -S "$@"\n')
    program.chmod(0o755)
    done = run(program, agent, "probe", cwd=tmp_path)
    assert done.returncode == 1
    command = f"{sys._base_executable} -m pip install numpy msgspec"
    assert done.stderr.endswith(f"{command}\n") and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"edgeshift: the agent needs {needs}: run ")


def test_the_error_for_an_old_python_is_one_line():
    """The check runs in every version of Python. Here, ``sys.version_info`` is set to that of 3.9."""
    old = "import sys; sys.version_info, sys.version = (3, 9, 2), '3.9.2 (default)'; "
    done = subprocess.run([sys.executable, "-c", old + f"exec({CHECK!r})"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"edgeshift: the agent needs Python 3.10 or later: {sys.executable} is 3.9.2\n"


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_logits_equal_those_of_this_machine(made, agent, bare_python, tmp_path, precision):
    from edgeshift.runtimes import load

    artifact = made("tsm", precision).path
    clips = {"first": np.stack(list(check_frames(3, 6, 64, 64))), "second": np.stack(list(check_frames(4, 9, 64, 64)))}
    np.savez(tmp_path / "clips.npz", **clips)
    done = run(bare_python, agent, "logits", artifact, tmp_path / "clips.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    logits = {message.clip: message.logits for message in read_messages(done.stdout, ClipLogits)}
    stream = load(artifact).stream()
    for name, frames in clips.items():
        stream.reset()
        np.testing.assert_array_equal(np.float32(logits[name]), [stream.step(frame).logits for frame in frames])


@pytest.mark.slow
def test_the_agent_runs_a_clip_artifact_on_a_board(clip_artifact, agent, bare_python, tmp_path):
    """The worker answers for whole clips: each hop of a long one, and once for one that is too short."""
    from edgeshift.runtimes import load
    from edgeshift.stream.sequence import answers

    clips = {"long": check_frames(3, 11, 64, 64), "short": check_frames(4, 2, 64, 64)}
    np.savez(tmp_path / "clips.npz", **clips)
    done = run(bare_python, agent, "logits", clip_artifact, tmp_path / "clips.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    logits = {message.clip: message.logits for message in read_messages(done.stdout, ClipLogits)}
    stream = load(clip_artifact).stream()
    for name, count in (("long", 3), ("short", 1)):
        expected = [answer.logits for answer in answers(stream, clips[name])]
        assert len(expected) == count
        np.testing.assert_array_equal(np.float32(logits[name]), expected)


@pytest.mark.slow
def test_the_error_for_a_missing_runtime_is_one_line_with_the_command_to_run(made, agent, bare_python, tmp_path):
    np.savez(tmp_path / "clips.npz", a=np.zeros((1, 64, 64, 3), np.uint8))
    done = run(bare_python, agent, "logits", made("tsm", "fp32", "onnx").path, tmp_path / "clips.npz", cwd=tmp_path)
    assert done.returncode == 2 and "-m pip install onnxruntime" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.slow
def test_frames_of_another_type_or_shape_are_refused(agent, bare_python, made, tmp_path):
    for name, array in (("a", np.zeros((2, 8, 8, 3))), ("b", np.zeros((8, 8, 3), np.uint8))):
        path = Path(tmp_path, f"{name}.npz")
        np.savez(path, clip=array)
        done = run(bare_python, agent, "logits", made("tsm", "int8").path, path, cwd=tmp_path)
        assert done.returncode == 2 and "frames are uint8 [N, H, W, 3]" in done.stderr
