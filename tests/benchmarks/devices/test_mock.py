"""The recorded device, which is public so that other projects can use it in their tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import reports

from edgeshift._system.process import CommandResult
from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.devices.mock import RecordedDevice
from edgeshift.errors import DeviceError, DeviceLostError


def test_the_longest_matching_start_is_used_and_a_list_has_one_result_per_call():
    first, second, other = (CommandResult(0, text, "") for text in ("1\n", "2\n", "3\n"))
    board: Device = RecordedDevice(reports.FACTS, {"agent": other, "agent bench": [first, second]})
    lines: list[str] = []
    assert board.run(["agent", "bench", "job"], 5, lines.append) == first and lines == ["1"]
    assert [board.run(["agent", "bench"], 5).out for _ in range(2)] == ["2\n", "2\n"], "the last result is repeated"
    assert board.run(["agent", "probe"], 5) == other and board.facts() == reports.FACTS
    with pytest.raises(DeviceError, match="nothing is recorded for the command: uname -a"):
        board.run(["uname", "-a"], 5)


def test_pushed_files_are_stored_and_copied_once(tmp_path: Path):
    board = RecordedDevice(reports.FACTS, {})
    (tmp_path / "a").write_bytes(b"a")
    path = board.push(tmp_path / "a", "a.bin")
    assert board.push(tmp_path / "a", "a.bin") == path and board.pushes == ["a.bin"]
    board.pull(path, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"a"
    with pytest.raises(DeviceError, match="no such file"):
        board.pull("/recorded/none", tmp_path / "c")


def test_a_device_is_lost_after_a_number_of_calls():
    board = RecordedDevice(reports.FACTS, {"true": CommandResult(0, "", "")}, lost_after=1)
    board.run(["true"], 5)
    with pytest.raises(DeviceLostError, match="recorded: the device was lost"):
        board.run(["true"], 5)
