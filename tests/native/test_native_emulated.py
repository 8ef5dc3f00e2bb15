"""``edgeshift verify --accelerator cortex-a72``: self-check and frames on an emulated processor of a board."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edgeshift.benchmarks.devices import agent_check
from edgeshift.benchmarks.devices.agent_check import Stepped
from edgeshift.benchmarks.devices.emulated import PROCESSORS, check_processor
from edgeshift.runtimes.accelerated import Checked
from edgeshift.stream.first_difference import Step

pytestmark = pytest.mark.slow
PI_4 = "cortex-a72"
LIBRARIES = ("ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6")
Check = Callable[..., Checked]


@pytest.fixture(scope="session")
def agents(native_build, arm: Path, tmp_path_factory) -> Path:
    """Return a folder as `make agents` makes it, with the agent and the C library for aarch64."""
    folder = tmp_path_factory.mktemp("agents")
    program = native_build("native-aarch64") / "agent" / "edgeshift-agent"
    (folder / "edgeshift-agent-aarch64").symlink_to(program)
    (folder / "glibc-aarch64").mkdir()
    for name in LIBRARIES:
        file = next(iter(sorted((arm / "root").glob(f"**/aarch64-linux-gnu/{name}"))))
        shutil.copyfile(file, folder / "glibc-aarch64" / name)
        (folder / "glibc-aarch64" / name).chmod(0o755)  # qemu refuses a loader without the permission
    return folder


@pytest.fixture
def check(agents: Path, arm: Path) -> Check:
    library = arm / "packages" / "ai_edge_litert" / "libLiteRt.so"
    return lambda path, name=PI_4, **more: check_processor(path, name, **{"agents": agents, "library": library, **more})


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_frames_and_states_are_those_of_this_machine(made, check: Check, precision: str, name: str) -> None:
    calls: list[None] = []
    done = check(made("tsm", precision).path, name, advance=lambda: calls.append(None))
    assert done.verdict == "computes" and not done.self_check, done.detail
    assert done.frames == done.original.frames == 32 and len(calls) == 32 + 2 * 8
    assert done.original.error < (0.2 if precision == "int8" else 1e-4)
    assert done.error <= (0 if precision == "int8" else 1e-5) and done.state_error <= 1e-5
    assert done.ran_on.text == f"cpu ({name}, emulated)" and done.runtime.startswith("LiteRT")


def test_networks_that_hear_and_clips_are_compared(check: Check, hearing: Path, clip_artifact: Path) -> None:
    for path in (hearing, clip_artifact):
        done = check(path)
        assert done.verdict == "computes" and done.frames == 32, done.detail


def test_a_wrong_state_is_found_in_its_first_frame(made, check: Check, monkeypatch) -> None:
    step, count = agent_check._step, [0]

    def faulty(spec, message: Stepped) -> Step:
        found = step(spec, message)
        count[0] += 1
        if count[0] > 3:
            found.states[spec.states[1].name][:] += 100.0
        return found

    monkeypatch.setattr(agent_check, "_step", faulty)
    artifact = made("tsm", "fp32").path
    done = check(artifact)
    assert (done.verdict, done.frame) == ("wrong", 3) and done.state in done.detail


def test_a_self_check_that_fails_is_wrong(made, check: Check, monkeypatch) -> None:
    monkeypatch.setattr(agent_check, "_self_check", lambda run, path: (("logits differ by 1",), "LiteRT"))
    done = check(made("tsm", "int8").path)
    assert done.verdict == "wrong" and done.detail == "the self-check fails: logits differ by 1"


def test_what_is_missing_is_named(made, check: Check, tmp_path: Path, monkeypatch) -> None:
    artifact = made("tsm", "int8").path
    done = check(artifact, agents=tmp_path)
    assert done.verdict == "not run" and "run `make agents`" in done.detail
    assert "runs .tflite artifacts only" in check(made("tsm", "int8", "onnx").path).detail
    monkeypatch.setattr(shutil, "which", lambda name: None)
    done = check(artifact)
    assert done.verdict == "not run" and "apt install qemu-user-static" in done.detail


def test_a_program_that_crashes_is_reported(made, check: Check, agents: Path, tmp_path: Path) -> None:
    (tmp_path / "edgeshift-agent-aarch64").write_bytes(b"not a program")
    (tmp_path / "glibc-aarch64").symlink_to(agents / "glibc-aarch64")
    done = check(made("tsm", "int8").path, agents=tmp_path)
    assert done.verdict == "crashes" and "the self-check ended with status" in done.detail


def test_answers_that_are_not_those_of_the_artifact_are_reported(made, check: Check, monkeypatch) -> None:
    artifact, read = made("tsm", "int8").path, agent_check.read_messages

    def changed(**fields: object) -> str:
        def messages(text: str, kind: type[Stepped]) -> list[Stepped]:
            first, *others = read(text, kind)
            return [msgspec.structs.replace(first, **fields), *others] if fields else others

        monkeypatch.setattr(agent_check, "read_messages", messages)
        done = check(artifact)
        assert done.verdict == "crashes"
        return done.detail

    assert "other logits or states" in changed(states={}) and "other logits or states" in changed(logits=(0.0,))
    assert changed() == "the agent answered 31 of 32 frames"
