"""A board behind a real sshd on loopback: push, bench, pull, loss in the middle, and going on."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgeshift.benchmarks.devices.agent import build_agent
from edgeshift.benchmarks.devices.ssh import FOLDER, SshDevice
from edgeshift.benchmarks.latency.bench import Plan, _Run, measure, open_artifact
from edgeshift.benchmarks.latency.journal import Journal
from edgeshift.benchmarks.latency.result import Settings
from edgeshift.errors import DeviceError, DeviceLostError

SHORT = Settings(
    mode="rapid", steps=20, seconds=0.2, repeats=3, frames="drawn", width=80, height=60, ceiling=90.0
)  # of a repeat: the warm-up takes longer


@pytest.fixture
def board(sshd):
    return SshDevice(sshd.name, sshd.options)


def test_run(board):
    """Arguments arrive as they were given, whatever a shell would make of them."""
    words = ["a b", "$HOME", "'", "", "*", "; echo no", "\n"]
    done = board.run(["python3", "-c", "import sys; print(sys.argv[1:])", *words], 30)
    assert done.status == 0 and done.out.strip() == repr(words)
    done = board.run(["python3", "-c", "import sys; print(1); print(2, file=sys.stderr); sys.exit(7)"], 30)
    assert done == (7, "1\n", "2\n")
    lines: list[str] = []
    board.run(["python3", "-c", "print('one'); print('two')"], 30, lines.append)
    assert lines == ["one", "two"]


def test_a_program_that_does_not_end(board):
    with pytest.raises(DeviceError, match="ssh: no end after 1 s"):
        board.run(["sleep", "20"], 1)
    assert board.run(["true"], 30).status == 0


def test_push_and_pull(board, sshd, tmp_path):
    file = tmp_path / "with space.bin"
    file.write_bytes(bytes(range(256)) * 4096)
    path = board.push(file, "data.bin")
    there = sshd.board / path
    assert path == f"{FOLDER}/data.bin" and there.read_bytes() == file.read_bytes()
    before = there.stat().st_mtime_ns
    assert board.push(file, "data.bin") == path
    assert there.stat().st_mtime_ns == before  # it was there already
    file.write_bytes(b"other")
    board.push(file, "data.bin")
    assert there.read_bytes() == b"other" and sorted(p.name for p in there.parent.iterdir()) == ["data.bin"]
    board.pull(path, tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == b"other"
    with pytest.raises(DeviceError, match=r"gone\.bin could not be fetched: .*No such file"):
        board.pull(f"{FOLDER}/gone.bin", tmp_path / "none.bin")
    assert not (tmp_path / "none.bin").exists()
    for name in ("../up", "a/b", "", "-x", "a b"):
        with pytest.raises(DeviceError, match="plain name"):
            board.push(file, name)


@pytest.mark.parametrize(
    "name", ["ssh://", "ssh://a b", "ssh://a/b", "ssh://-oProxyCommand=x", "ssh://u@h:0", "ssh://u@h:70000", "ssh:h"]
)
def test_names_that_are_none(name):
    with pytest.raises(DeviceError, match="a board is named ssh://user@host"):
        SshDevice(name)


def test_a_board_that_is_not_there(sshd):
    sshd.cut()
    with pytest.raises(DeviceLostError, match=r"ssh://\S+: .*Connection refused"):
        SshDevice(sshd.name, sshd.options).run(["true"], 30)


def test_a_host_key_that_is_not_known(sshd):
    (sshd.folder / "known").write_text("")
    with pytest.raises(DeviceLostError, match="Host key verification failed"):
        SshDevice(sshd.name, sshd.options).run(["true"], 30)


def test_probe(board):
    """The agent is brought there, and says what it found without msgspec and OpenCV."""
    found = board.probe()
    assert found.runtimes.keys() == {"tflite"} and not found.opencv
    assert found.numpy == np.__version__ and found.facts.cores >= 1


def test_a_board_without_numpy(board, sshd, bare_python, tmp_path):
    other = tmp_path / "bin"
    other.mkdir()
    for name in ("python3", "python3.12", "python3.11", "python3.10", "python"):
        (other / name).write_text(f'#!/bin/sh\nexec "{bare_python.resolve()}" -I "$@"\n')  # -I ignores PYTHONPATH
        (other / name).chmod(0o755)
    config = sshd.folder / "config"
    config.write_text(config.read_text().replace(f"PATH={bare_python.parent}", f"PATH={other}"))
    sshd.cut()
    sshd.start()
    with pytest.raises(DeviceError, match=r"the agent does not run there: .* has no numpy: .* -m pip install numpy"):
        board.agent()


@pytest.mark.slow
def test_bench(made, board, sshd):
    """A real artifact on the board's own Python, in frames of the network's size: it cannot resize."""
    plan = _plan(board, made("tsm", "int8").path)
    report = measure(plan)
    (subject,) = report.subjects
    assert report.device == sshd.name and subject.lost is None and len(subject.repeats) == 3
    for repeat in subject.repeats:
        assert len(repeat.end_to_end) == len(repeat.infer) >= 20 and min(repeat.end_to_end) > 0
        assert repeat.checked and repeat.runtime.startswith("LiteRT")
    assert subject.memory is not None and subject.memory.loaded > subject.memory.before > 0
    names = sorted(path.name.split(".")[-1] for path in (sshd.board / FOLDER).iterdir())
    assert names == ["json", "npy", "pyz", "tflite"]


@pytest.mark.slow
def test_lost_in_the_middle_and_resumed(made, board, sshd, tmp_path):
    """What was measured is kept; the run that goes on measures only the rest."""
    plan, path = _plan(board, made("tsm", "int8").path), tmp_path / "r.repeats.jsonl"
    done = []

    def advance() -> None:
        done.append(1)
        if len(done) == 1:  # into the second repeat, which takes more than a second to warm up
            threading.Timer(1.0, sshd.cut).start()

    report = measure(plan, Journal(path), advance)
    (subject,) = report.subjects
    assert len(subject.repeats) == 1 and subject.lost is not None and subject.lost.startswith(sshd.name)
    assert len(path.read_bytes().splitlines()) == 1
    sshd.start()
    again = measure(plan, Journal(path, resume=True))
    assert again.subjects[0].lost is None and len(again.subjects[0].repeats) == 3
    assert again.subjects[0].repeats[0] == subject.repeats[0]
    assert again.subjects[0].repeats[1] != subject.repeats[0]
    assert len(path.read_bytes().splitlines()) == 4  # and one for memory


@pytest.mark.slow
def test_the_agent_ends_with_the_link(made, board, sshd, tmp_path):
    """A run that was given up on must not go on and heat the board under the next one."""
    plan = _plan(board, made("tsm", "int8").path, mode="sustained", minutes=5)
    job = _Run(plan, plan.subjects[0], tmp_path)._bring()
    with pytest.raises(DeviceError, match="no end after 5 s"):
        board.run([*board.agent(), "bench", job], 5)
    for _ in range(100):
        if not _agents(sshd.board):
            return
        time.sleep(0.1)
    raise AssertionError("the agent still runs")


def _agents(folder: Path) -> list[str]:
    """Processes of the agent that began in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder and b"agent.pyz" in (process / "cmdline").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_an_artifact_that_is_damaged_on_the_way(made, board, sshd, tmp_path):
    """The agent checks the hash before a runtime sees the file."""
    plan = _plan(board, made("tsm", "int8").path, repeats=1)
    measure(plan)
    (there,) = (sshd.board / FOLDER).glob("*.tflite")
    data = bytearray(there.read_bytes())
    data[1000] ^= 255
    there.write_bytes(data)
    done = board.run([*board.agent(), "logits", f"{FOLDER}/{there.name}", "none.npz"], 60)
    assert done.status == 2 and "damaged" in done.err and "Traceback" not in done.err


def _plan(board: SshDevice, path: Path, **changes: object) -> Plan:
    probe = board.probe()
    assert not probe.opencv
    settings = msgspec.structs.replace(SHORT, width=0, height=0, **changes)
    return Plan(board, [open_artifact(path)], settings, "drawn", probe.facts)


def test_the_agent_is_the_same_each_time(tmp_path):
    """So that a board which has it is not sent it again."""
    for name in ("a.pyz", "b.pyz"):
        build_agent(tmp_path / name)
    assert (tmp_path / "a.pyz").read_bytes() == (tmp_path / "b.pyz").read_bytes()
