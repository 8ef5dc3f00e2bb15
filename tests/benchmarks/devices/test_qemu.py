"""The agent and an int8 artifact as an aarch64 program, under qemu: does another processor compute the same?

It shows instructions, not speed: no figure of time from qemu says anything of a board.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from arm import LITERT, ArmDevice, MissingError, find_arm

from edgeshift.benchmarks.devices.agent import build_agent
from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.devices.local import LocalDevice
from edgeshift.benchmarks.devices.probe import answers, ask_probe
from edgeshift.benchmarks.latency.bench import Plan, measure, open_artifact
from edgeshift.benchmarks.latency.result import Settings
from edgeshift.stream.selfcheck import check_frames

pytestmark = pytest.mark.slow
#: Processors by what decides which kernels are used: dot products (Raspberry Pi 5, phones since 2018), 8-bit matrix
#: products besides (phones since 2021), neither (Raspberry Pi 4).
DOTPROD, I8MM, PLAIN = "cortex-a76", "max,sme=off", "cortex-a72"


@pytest.fixture(scope="session")
def arm() -> Path:
    """The folder that holds the aarch64 Python."""
    try:
        return find_arm()
    except MissingError as error:
        pytest.skip(f"no aarch64 Python: {error}")


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent's one file."""
    file = tmp_path_factory.mktemp("agent") / "agent.pyz"
    build_agent(file)
    return file


def logits(device: Device, artifact: Path, folder: Path) -> tuple[np.ndarray, str]:
    """The answers to the self-check's frames, and what computed them."""
    spec = open_artifact(artifact).spec
    assert spec.check is not None
    frames = check_frames(spec.check.seed, len(spec.check.logits), spec.frame.height, spec.frame.width)
    np.savez(folder / "clips.npz", check=frames)
    done = device.run([*device.agent(), "logits", str(artifact), str(folder / "clips.npz")], 300)
    assert done.status == 0, done.err
    [answer] = (msgspec.json.decode(line) for line in answers(done.out))
    return np.array(answer["logits"]), answer["runtime"]


@pytest.mark.parametrize("cpu", [DOTPROD, I8MM, PLAIN])
@pytest.mark.parametrize("table", ["tsm", "stsm"])
def test_another_processor_gives_the_same_logits(arm, agent, made, tmp_path, table: str, cpu: str) -> None:
    artifact = made(table, "int8", "tflite").path
    check = open_artifact(artifact).spec.check
    board = tmp_path / "board"
    board.mkdir()
    there, runtime = logits(ArmDevice(arm, cpu, agent, board), artifact, tmp_path)
    here, _ = logits(LocalDevice(), artifact, tmp_path)
    assert LITERT in runtime and there.shape == here.shape
    assert ("interpreter" in runtime) == (cpu == PLAIN), runtime  # the compiled model would end the process there
    assert np.ptp(here) > 10 * check.tolerance / 2, "answers that differ from frame to frame, or nothing is shown"
    assert np.array_equal(there, here), f"off by {np.abs(there - here).max():.3g}, tolerance {check.tolerance:.3g}"


def test_a_measurement_as_on_a_board(arm, agent, made, tmp_path) -> None:
    """Probe, then fresh processes, each with its self-check; 0.1 s each, as times mean nothing here."""
    device = ArmDevice(arm, DOTPROD, agent, tmp_path)
    probe = ask_probe(device)
    assert "asimddp" in probe.facts.features and "avx2" not in probe.facts.features
    assert "aarch64" in probe.facts.system and probe.runtimes == {"tflite": LITERT} and not probe.opencv
    settings = Settings(mode="rapid", steps=4, seconds=0.1, repeats=1, frames="drawn", width=0, height=0, ceiling=200.0)
    artifact = open_artifact(made("tsm", "int8", "tflite").path)
    plan = Plan(device, [artifact], settings, "drawn", probe.facts, memory=False, idle=0.0)
    [subject] = measure(plan).subjects
    assert subject.lost is None and [repeat.checked for repeat in subject.repeats] == [True]
    assert len(subject.repeats[0].infer) >= 4
