"""The agent runs int8 artifacts under qemu, as an aarch64 program: another processor must compute the same logits.

qemu computes what the processor would compute, but not in the same time: latencies under qemu are meaningless.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from arm import LITERT, ONNXRUNTIME, ArmDevice
from frame_formula import CASES, GOLDEN

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
    assert np.ptp(local) > 0.9 * check.span, "the logits must differ, or the comparison would show nothing"
    assert np.array_equal(remote, local), f"off by {np.abs(remote - local).max():.3g} of {check.span:.3g}"


RUN_SELF_CHECKS = """
import json, sys
from edgeshift.runtimes import load
from edgeshift.stream.selfcheck import self_check
for path in sys.argv[1:]:
    model = load(path)
    check = self_check(model)
    shares = [check.error / check.tolerance, check.state_error / check.state_tolerance]
    print(json.dumps([model.runtime, check.ok, *shares]))
"""


@pytest.mark.parametrize("cpu", [DOTPROD, PLAIN])
def test_the_self_check_passes_in_both_runtimes(arm, agent, made, tmp_path, cpu: str) -> None:
    cases = [(precision, target) for target in ("tflite", "onnx") for precision in ("int8", "fp32", "fp16")]
    paths = [str(made("tsm", *case).path) for case in cases]
    command = ArmDevice(arm, cpu, agent, tmp_path).python("-c", RUN_SELF_CHECKS, *paths, path=agent)
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=tmp_path)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(cases), done.stderr
    for (precision, target), (runtime, ok, logits, states) in zip(cases, results, strict=True):
        assert ok and ("ONNX Runtime" in runtime) == (target == "onnx")
        # LiteRT's int8 results are equal to the bit, but for the seven digits of the expected states. In ONNX Runtime,
        # the processors round differently.
        largest = 1e-3 if (precision, target) == ("int8", "tflite") else 0.5
        assert max(logits, states) < largest, (runtime, precision)


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
    assert "aarch64" in probe.facts.system and probe.runtimes == {"tflite": LITERT, "onnxruntime": ONNXRUNTIME}
    settings = Settings(
        mode="rapid", steps=4, seconds=0.1, repeats=1, frames="drawn", width=0, height=0, max_temperature=200.0
    )
    candidate = open_candidate(made("tsm", "int8", "tflite").path)
    plan = Plan(device, [candidate], settings, "drawn", probe.facts, memory=False, idle_seconds=0.0)
    [artifact] = measure(plan).subjects
    assert artifact.lost is None and [repeat.checked for repeat in artifact.repeats] == [True]
    assert len(artifact.repeats[0].infer) >= 4
