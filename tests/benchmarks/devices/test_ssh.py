"""A board behind a real sshd on loopback: run, push, pull, bench, a lost connection, and a resumed run."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sshd import Sshd

from edgeshift.benchmarks.devices.messages import MARK
from edgeshift.benchmarks.devices.probe import ask_probe
from edgeshift.benchmarks.devices.ssh import FOLDER, SshDevice
from edgeshift.benchmarks.latency.bench import Plan, measure, open_candidate, push_job
from edgeshift.benchmarks.latency.journal import Journal
from edgeshift.benchmarks.latency.result import Settings
from edgeshift.errors import DeviceError, DeviceLostError

#: Repeats are short: the warm-up takes longer than the timing. Frames have the network's size, because the board has no
#: OpenCV to resize them.
SHORT = Settings(
    mode="rapid", steps=20, seconds=0.2, repeats=3, frames="drawn", width=0, height=0, max_temperature=90.0
)


@pytest.fixture
def board(sshd: Sshd) -> SshDevice:
    return SshDevice(sshd.name, sshd.options)


def plan(board: SshDevice, path: Path, **changes: object) -> Plan:
    probe = ask_probe(board)
    assert not probe.opencv
    settings = msgspec.structs.replace(SHORT, **changes)
    return Plan(board, [open_candidate(path)], settings, "drawn", probe.facts)


def test_run_passes_arguments_output_and_exit_status_unchanged(board):
    words = ["a b", "$HOME", "'", "", "*", "; echo no", "\n"]
    done = board.run(["python3", "-c", "import sys; print(sys.argv[1:])", *words], 30)
    assert done.status == 0 and done.out.strip() == repr(words)
    lines: list[str] = []
    code = "import sys; print(1); print(2); print(3, file=sys.stderr); sys.exit(7)"
    assert board.run(["python3", "-c", code], 30, lines.append) == (7, "1\n2\n", "3\n") and lines == ["1", "2"]


def test_a_command_that_takes_too_long_is_stopped(board):
    with pytest.raises(DeviceError, match="ssh: stopped, because it did not end within 1 s"):
        board.run(["sleep", "20"], 1)
    assert board.run(["true"], 30).status == 0


def test_push_and_pull(board, sshd, tmp_path):
    file = tmp_path / "with space.bin"
    file.write_bytes(bytes(range(256)) * 4096)
    path = board.push(file, "data.bin")
    remote = sshd.board / path
    assert path == f"{FOLDER}/data.bin" and remote.read_bytes() == file.read_bytes()
    before = remote.stat().st_mtime_ns
    assert board.push(file, "data.bin") == path
    assert remote.stat().st_mtime_ns == before, "the same file is not copied again"
    file.write_bytes(b"other")
    board.push(file, "data.bin")
    assert remote.read_bytes() == b"other" and [p.name for p in remote.parent.iterdir()] == ["data.bin"]
    board.pull(path, tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == b"other"
    with pytest.raises(DeviceError, match=r"gone\.bin could not be copied from the board: .*No such file"):
        board.pull(f"{FOLDER}/gone.bin", tmp_path / "none.bin")
    assert not (tmp_path / "none.bin").exists()
    for name in ("../up", "a/b", "", "-x", "a b"):
        with pytest.raises(DeviceError, match="plain name"):
            board.push(file, name)


@pytest.mark.parametrize(
    "name", ["ssh://", "ssh://a b", "ssh://a/b", "ssh://-oProxyCommand=x", "ssh://u@h:0", "ssh://u@h:70000", "ssh:h"]
)
def test_malformed_names_are_refused(name):
    with pytest.raises(DeviceError, match="give a board as ssh://user@host"):
        SshDevice(name)


def test_an_unreachable_board_and_an_unknown_host_key_give_the_message_of_ssh(sshd, board):
    known = sshd.folder / "known"
    keys = known.read_text()
    known.write_text("")
    with pytest.raises(DeviceLostError, match="Host key verification failed"):
        board.run(["true"], 30)
    known.write_text(keys)
    sshd.cut()
    with pytest.raises(DeviceLostError, match=r"ssh://\S+: .*Connection refused"):
        board.run(["true"], 30)


def test_probe_copies_the_agent_and_reports_what_is_installed(board):
    probe = ask_probe(board)
    assert probe.runtimes.keys() == {"tflite"} and not probe.opencv
    assert probe.numpy == np.__version__ and probe.facts.cores >= 1


@pytest.mark.slow
def test_bench_on_the_board(made, board, sshd):
    report = measure(plan(board, made("tsm", "int8").path))
    (artifact,) = report.subjects
    assert report.device == sshd.name and artifact.lost is None and len(artifact.repeats) == 3
    for repeat in artifact.repeats:
        assert len(repeat.end_to_end) == len(repeat.infer) >= 20 and min(repeat.end_to_end) > 0
        assert repeat.checked and repeat.runtime.startswith("LiteRT") and not repeat.partial
    assert artifact.memory is not None and artifact.memory.loaded > artifact.memory.before > 0
    suffixes = sorted(path.name.split(".")[-1] for path in (sshd.board / FOLDER).iterdir())
    assert suffixes == ["json", "npy", "pyz", "tflite"]


@pytest.mark.slow
def test_bench_of_a_clip_artifact_on_the_board(clip_artifact, board):
    (artifact,) = measure(plan(board, clip_artifact)).subjects
    assert artifact.hop == 3 and artifact.memory is not None
    for repeat in artifact.repeats:
        assert len(repeat.end_to_end) == len(repeat.infer) >= 20 and min(repeat.infer) > 0 and repeat.checked


@pytest.mark.slow
def test_a_resumed_run_measures_only_the_repeats_after_the_board_was_lost(made, board, sshd, tmp_path):
    journal, processes = tmp_path / "r.repeats.jsonl", []

    def advance() -> None:
        processes.append(1)
        if len(processes) == 1:  # the second repeat takes more than a second to warm up
            threading.Timer(1.0, sshd.cut).start()

    run = plan(board, made("tsm", "int8").path)
    (lost,) = measure(run, Journal(journal), advance).subjects
    assert len(lost.repeats) == 1 and lost.lost is not None and lost.lost.startswith(sshd.name)
    assert len(journal.read_bytes().splitlines()) == 1
    sshd.start()
    (resumed,) = measure(run, Journal(journal, resume=True)).subjects
    assert resumed.lost is None and len(resumed.repeats) == 3
    assert resumed.repeats[0] == lost.repeats[0] != resumed.repeats[1]
    assert len(journal.read_bytes().splitlines()) == 4, "three repeats and memory"


@pytest.mark.slow
def test_the_agent_ends_when_the_connection_closes(made, board, sshd, tmp_path):
    """Otherwise an aborted run would go on and heat the board during the next one."""
    sustained = plan(board, made("tsm", "int8").path, mode="sustained", minutes=5)
    job = push_job(sustained, sustained.candidates[0], tmp_path)
    with pytest.raises(DeviceError, match="did not end within 5 s"):
        board.run([*board.agent(), "bench", job], 5)
    deadline = time.monotonic() + 10
    while agents(sshd.board):
        assert time.monotonic() < deadline, "the agent still runs"
        time.sleep(0.1)


def agents(folder: Path) -> list[str]:
    """Return the process IDs of agents that were started in a folder."""
    running = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder and b"agent.pyz" in (process / "cmdline").read_bytes():
                running.append(process.name)
        except OSError:
            continue
    return running


@pytest.mark.slow
def test_an_artifact_that_is_damaged_on_the_board_is_refused(made, board, sshd, tmp_path):
    """The worker checks the hash before a runtime reads the file."""
    run = plan(board, made("tsm", "int8").path)
    push_job(run, run.candidates[0], tmp_path)
    (remote,) = (sshd.board / FOLDER).glob("*.tflite")
    data = bytearray(remote.read_bytes())
    data[1000] ^= 255
    remote.write_bytes(data)
    done = board.run([*board.agent(), "logits", f"{FOLDER}/{remote.name}", "none.npz"], 60)
    assert done.status == 2 and "damaged" in done.err and done.err.startswith(MARK) and done.err.count("\n") == 1
