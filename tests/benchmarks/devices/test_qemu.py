"""The agent runs int8 artifacts under qemu, as an aarch64 program: another processor must compute the same logits.

qemu computes what the processor would compute, but not in the same time: latencies under qemu are meaningless.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from arm import LITERT, ArmDevice, MissingError, find_arm
from frame_formula import CASES, GOLDEN

from edgeshift.benchmarks.devices.agent import build_agent
from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.devices.local import LocalDevice
from edgeshift.benchmarks.devices.messages import call_worker
from edgeshift.benchmarks.devices.probe import ask_probe
from edgeshift.benchmarks.latency.bench import Plan, measure, open_candidate
from edgeshift.benchmarks.latency.messages import ClipLogits
from edgeshift.benchmarks.latency.result import Settings
from edgeshift.stream.selfcheck import check_frames

pytestmark = pytest.mark.slow
#: Processors for which runtimes use different kernels: with instructions for dot products (Raspberry Pi 5, phones since
#: 2018), with instructions for 8-bit matrix products as well (phones since 2021), and with neither (Raspberry Pi 4).
DOTPROD, I8MM, PLAIN = "cortex-a76", "max,sme=off", "cortex-a72"


@pytest.fixture(scope="session")
def arm() -> Path:
    """Return the folder with the aarch64 Python."""
    try:
        return find_arm()
    except MissingError as error:
        pytest.skip(f"no aarch64 Python: {error}")


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the agent's file."""
    file = tmp_path_factory.mktemp("agent") / "agent.pyz"
    build_agent(file)
    return file


def logits(device: Device, artifact: Path, folder: Path) -> tuple[np.ndarray, str]:
    """Return a device's logits for the frames of the artifact's self-check, and the runtime that computed them."""
    spec = open_candidate(artifact).spec
    assert spec.check is not None
    frames = check_frames(spec.check.seed, len(spec.check.logits), spec.frame.height, spec.frame.width)
    np.savez(folder / "clips.npz", check=frames)
    message = call_worker(device, ["logits", str(artifact), str(folder / "clips.npz")], 300, ClipLogits)
    return np.array(message.logits), message.runtime


@pytest.mark.parametrize("cpu", [DOTPROD, I8MM, PLAIN])
@pytest.mark.parametrize("table", ["tsm", "stsm"])
def test_other_processors_compute_equal_logits(arm, agent, made, tmp_path, table: str, cpu: str) -> None:
    artifact = made(table, "int8", "tflite").path
    check = open_candidate(artifact).spec.check
    board = tmp_path / "board"
    board.mkdir()
    remote, runtime = logits(ArmDevice(arm, cpu, agent, board), artifact, tmp_path)
    local, _ = logits(LocalDevice(), artifact, tmp_path)
    assert LITERT in runtime and remote.shape == local.shape
    assert ("interpreter" in runtime) == (cpu == PLAIN), f"the compiled model crashes on {PLAIN}: {runtime}"
    assert np.ptp(local) > 10 * check.tolerance / 2, "the logits must differ, or the comparison would show nothing"
    difference = np.abs(remote - local).max()
    assert np.array_equal(remote, local), f"off by {difference:.3g}, tolerance {check.tolerance:.3g}"


FIT_GOLDEN_FRAMES = """
import base64, hashlib, json, sys
import cv2, msgspec, numpy
from frame_formula import GOLDEN, source
from edgeshift.video.fit import FrameSpec, fit_frame
for case in json.loads(GOLDEN.read_text()):
    height, width = case["source"]
    picture = numpy.frombuffer(source(height, width), numpy.uint8).reshape(height, width, 3)
    result = fit_frame(picture, msgspec.convert(case["frame"], FrameSpec))
    print(hashlib.sha256(result.tobytes()).hexdigest() == case["sha256"])
"""


@pytest.mark.parametrize("cpu", [DOTPROD, PLAIN])
def test_other_processors_fit_frames_to_the_golden_bytes(arm, agent, tmp_path, cpu: str) -> None:
    root = Path(__file__).parents[3]
    for folder in (root / "edgeshift", root / "tests" / "video" / "frame_formula.py", GOLDEN):
        (tmp_path / "path").mkdir(exist_ok=True)
        (tmp_path / "path" / folder.name).symlink_to(folder)
    device = ArmDevice(arm, cpu, agent, tmp_path)
    command = device.python("-c", FIT_GOLDEN_FRAMES, path=tmp_path / "path")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    answers = done.stdout.split()
    assert len(answers) == len(CASES) and set(answers) == {"True"}, done.stderr


def test_the_agent_measures_latency_and_passes_the_self_check(arm, agent, made, tmp_path) -> None:
    device = ArmDevice(arm, DOTPROD, agent, tmp_path)
    probe = ask_probe(device)
    assert "asimddp" in probe.facts.features and "avx2" not in probe.facts.features
    assert "aarch64" in probe.facts.system and probe.runtimes == {"tflite": LITERT} and not probe.opencv
    settings = Settings(
        mode="rapid", steps=4, seconds=0.1, repeats=1, frames="drawn", width=0, height=0, max_temperature=200.0
    )
    candidate = open_candidate(made("tsm", "int8", "tflite").path)
    plan = Plan(device, [candidate], settings, "drawn", probe.facts, memory=False, idle_seconds=0.0)
    [artifact] = measure(plan).subjects
    assert artifact.lost is None and [repeat.checked for repeat in artifact.repeats] == [True]
    assert len(artifact.repeats[0].infer) >= 4
