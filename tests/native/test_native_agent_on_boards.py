"""The native agent on a board behind a real sshd on loopback, and on a double of a phone behind the real adb client."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from adb_double import PhoneDouble, adb_server
from short_settings import SHORT
from sshd import Sshd

from edgeshift._system.process import CommandResult
from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.benchmarks.accuracy.candidate import open_candidate as open_for_accuracy
from edgeshift.benchmarks.accuracy.measure import measure as measure_accuracy
from edgeshift.benchmarks.accuracy.remote import open_on_device, stream_on_device
from edgeshift.benchmarks.devices.adb import AdbDevice
from edgeshift.benchmarks.devices.agent_check import check_on_device
from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.devices.native import NativeDevice
from edgeshift.benchmarks.devices.probe import ask_probe
from edgeshift.benchmarks.devices.ssh import FOLDER, SshDevice
from edgeshift.benchmarks.latency.bench import Plan, measure, open_candidate, push_job
from edgeshift.benchmarks.latency.journal import Journal
from edgeshift.benchmarks.studies.native_library import litert_library
from edgeshift.errors import DeviceError, DeviceLostError

MACHINE = platform.machine()
#: Two repeats, so that a board can be lost between them.
TWICE = msgspec.structs.replace(SHORT, repeats=2)


@pytest.fixture(autouse=True)
def _litert() -> None:
    pytest.importorskip("ai_edge_litert.compiled_model", reason="LiteRT 2 is not installed")


@pytest.fixture
def path(made) -> Path:
    return made("tsm", "int8").path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    """Run a real sshd on loopback. The board has no Python in front of its PATH: the native agent needs none."""
    if shutil.which("ssh") is None or Sshd.program() is None:
        pytest.skip("OpenSSH's client or server is not installed (Debian: openssh-client, openssh-server)")
    (tmp_path / "bin").mkdir()
    server = Sshd(tmp_path / "sshd", tmp_path / "bin")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def board(server: Sshd, native_agents: Path) -> NativeDevice:
    return NativeDevice(SshDevice(server.name, server.options), agents=native_agents)


def test_a_board_without_python_measures(board, server, path, tmp_path):
    facts = ask_probe(board).facts
    assert f"Linux {MACHINE}, native agent" in facts.system
    report = measure(Plan(board, [open_candidate(path)], TWICE, "drawn", facts))
    (subject,) = report.subjects
    assert report.device == server.name and subject.lost is None and subject.memory is not None
    assert len(subject.repeats) == 2 and all(repeat.checked for repeat in subject.repeats)
    assert {repeat.runtime.partition(" (")[0] for repeat in subject.repeats} == {f"LiteRT {board.agent()[-1]}"}
    pushed = {file.name for file in (server.board / FOLDER).iterdir()}
    assert {"edgeshift-agent", "libLiteRt.so"} < pushed and not any(name.endswith(".pyz") for name in pushed)


def test_a_lost_board_is_resumed(board, server, path, tmp_path):
    plan = Plan(board, [open_candidate(path)], TWICE, "drawn", ask_probe(board).facts, memory=False)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        server.cut()

    (lost,) = measure(plan, Journal(tmp_path / "j.jsonl"), advance).subjects
    assert done == 1 and len(lost.repeats) == 1 and lost.lost is not None
    with pytest.raises(DeviceLostError):
        board.run(["true"], 30)
    server.start()
    (subject,) = measure(plan, Journal(tmp_path / "j.jsonl", resume=True)).subjects
    assert subject.repeats[0] == lost.repeats[0] and len(subject.repeats) == 2 and subject.lost is None


def test_the_repeats_of_the_other_agent_are_not_resumed(board, server, path):
    candidate, facts = open_candidate(path), ask_probe(board).facts
    other = msgspec.structs.replace(facts, system=f"Linux {MACHINE}, Python 3.11.2")
    keys = {Plan(board, [candidate], TWICE, "drawn", each).key(candidate) for each in (facts, other)}
    assert len(keys) == 2
    native, python = open_on_device(board, path), open_for_accuracy(path)
    assert native.key != python.key and native.model.runtime.endswith(f"on {server.name}, native agent")


def test_accuracy_on_a_board_is_that_of_this_machine(board, path, clips):
    there = measure_accuracy(open_on_device(board, path), clips, elsewhere=partial(stream_on_device, board))
    here = measure_accuracy(open_for_accuracy(path), clips)
    assert there.clips == here.clips and len(here.clips) == 3


def test_frames_and_states_on_a_board_are_those_of_this_machine(board, server, path):
    board.accept(path)
    done = check_on_device(board, path)
    assert (done.verdict, done.frames, done.error, done.state_error) == ("computes", 32, 0.0, 0.0), done.detail
    assert done.accelerator == server.name and done.ran_on.accelerator == "cpu"
    server.cut()
    lost = check_on_device(board, path)
    assert lost.verdict == "not run" and lost.frames is None


def test_files_keep_the_suffix_by_which_their_runtime_is_found(made, tmp_path):
    pushed: list[str] = []

    class Recorder:
        name = "ssh://other"

        def push(self, local: Path, name: str) -> str:
            pushed.append(name)
            return name

    plain = read_artifact(made("tsm", "int8", "onnx").path)
    trt = tmp_path / "a.TRT.onnx"
    write_artifact(trt, plain.body, plain.spec)
    plan = Plan(Recorder(), [], SHORT, "drawn", facts=None)
    push_job(plan, SimpleNamespace(path=trt, spec=plain.spec, sha256="ab" * 32), tmp_path)
    assert pushed[0] == "abababababab.trt.onnx"


def test_a_damaged_artifact_on_the_board_is_one_line(board, server, path, tmp_path):
    agent = board.agent()
    (server.board / "cut.tflite").write_bytes(path.read_bytes()[:100_000])
    done = board.run([*agent, "check", "cut.tflite"], 60)
    assert done.status == 2 and done.err.startswith("edgeshift: cut.tflite: no edgeshift description at its end")
    assert len(done.err.splitlines()) == 1


class OtherBoard:
    """A board with another system or processor."""

    name = "ssh://other"

    def __init__(self, system: str) -> None:
        self._system = system

    def run(self, argv, timeout, on_line=None):
        return CommandResult(0, f"{self._system}\n", "")


@pytest.mark.parametrize("system", ["Linux armv7l", "Darwin arm64", "Linux riscv64"])
def test_a_board_that_has_no_agent_is_one_line(system, tmp_path):
    board: Device = OtherBoard(system)  # type: ignore[assignment]
    words = rf"ssh://other: there is no native agent for {system}, only for Linux on aarch64 and x86_64; bench and eval"
    with pytest.raises(DeviceError, match=words):
        NativeDevice(board, agents=tmp_path).agent()


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PhoneDouble]:
    """Run a test double of adb's server with one phone."""
    with adb_server(monkeypatch) as double:
        double.phones.append(PhoneDouble(tmp_path / "phone", "28111JEGR00001"))
        yield double.phones[0]


def loader_files(program: Path) -> list[Path]:
    """Return the C library of this machine: the files that `make agents` takes from the cross compiler."""
    words = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.split()
    return [Path(word) for word in words if word.startswith("/")]


def test_a_phone_gets_the_c_library_with_the_agent(phone, native_agents, path, clips, tmp_path):
    """The double runs programs of this machine, so this machine's C library stands for that of a phone."""
    agents = tmp_path / "agents"
    agents.mkdir()
    (program,) = native_agents.iterdir()
    (agents / program.name).symlink_to(program)
    with pytest.raises(DeviceError, match=r"glibc-\w+ has no C library for phones: run `make agents`, or `make agent-"):
        NativeDevice(AdbDevice("adb"), agents=agents).agent()
    folder = agents / f"glibc-{MACHINE}"
    folder.mkdir()
    for file in loader_files(program):
        (folder / file.name).symlink_to(file)
    device = NativeDevice(AdbDevice("adb"), agents=agents)
    assert "native agent" in ask_probe(device).facts.system
    there = measure_accuracy(open_on_device(device, path), clips, elsewhere=partial(stream_on_device, device))
    assert there.clips == measure_accuracy(open_for_accuracy(path), clips).clips
    loader, option, where, agent, *_ = device.agent()
    assert option == "--library-path" and loader.startswith(f"{where}/ld-linux") and agent == f"{where}/edgeshift-agent"


def test_a_program_for_android_is_preferred_and_needs_its_own_library(phone, native_agents, tmp_path):
    agents = tmp_path / "agents"
    agents.mkdir()
    (program,) = native_agents.iterdir()
    (agents / f"edgeshift-agent-android-{MACHINE}").symlink_to(program)
    with pytest.raises(DeviceError, match=r"give --litert with LiteRT's \.aar file"):
        NativeDevice(AdbDevice("adb"), agents=agents).agent()
    device = NativeDevice(AdbDevice("adb"), litert_library(), agents=agents)
    assert device.agent()[0].endswith("/edgeshift-agent") and ask_probe(device).opencv
