"""Messages from the worker to the program that started it, and commands of the worker on a recorded device."""

from __future__ import annotations

import pytest
import reports

from edgeshift._system.process import CommandResult
from edgeshift.benchmarks.devices.messages import MARK, Message, call_worker, read_messages, write_message
from edgeshift.benchmarks.devices.mock import RecordedDevice
from edgeshift.benchmarks.latency.messages import MemoryMeasured, MinuteEnded, RepeatEnded, Started
from edgeshift.benchmarks.latency.result import Memory
from edgeshift.errors import DeviceError, DeviceLostError

MEASURED = MemoryMeasured(memory=Memory(before=1, loaded=2, peak=3, closed=1))
ENDED = MinuteEnded(minute=reports.minutes(1)[0])


def written(capsys: pytest.CaptureFixture[str], *messages: Message) -> str:
    """Return what the worker prints for some messages, between lines of a runtime."""
    capsys.readouterr()
    for message in messages:
        print("INFO: created a delegate")
        write_message(message)
    return capsys.readouterr().out


def test_messages_are_read_back_in_order_and_other_lines_are_skipped(capsys):
    repeat = reports.repeat(steps=3)
    messages = [Started(repeat=repeat), ENDED, RepeatEnded(repeat=repeat)]
    assert list(read_messages(written(capsys, *messages), RepeatEnded, MinuteEnded, Started)) == messages


@pytest.mark.parametrize(
    "line",
    ["{}", "[1]", '{"kind":"memory"}', '{"kind":"other"}', '{"kind":"minute","minute":1}', "[" * 10_000, '{"kind":"me'],
    ids=lambda line: line[:20],
)
def test_a_damaged_message_is_an_error(line):
    with pytest.raises(DeviceError, match=r"damaged message \(memory or minute expected\)"):
        list(read_messages(MARK + line, MemoryMeasured, MinuteEnded))


def device(*results: CommandResult) -> RecordedDevice:
    return RecordedDevice(reports.FACTS, {"agent memory": list(results)})


def test_a_command_returns_its_last_result_and_receives_messages_as_they_arrive(capsys):
    received: list[Message] = []
    board = device(CommandResult(0, written(capsys, ENDED, MEASURED), "a warning"))
    result = call_worker(board, ["memory", "job.json"], 9, MemoryMeasured, MinuteEnded, receive=received.append)
    assert result == MEASURED and received == [ENDED, MEASURED]
    assert board.calls == [["agent", "memory", "job.json"]]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (CommandResult(2, "", "warning\nedgeshift: a.tflite: damaged"), "recorded: a.tflite: damaged"),
        (CommandResult(-11, "", ""), "recorded: the worker ended with exit status -11"),
        (CommandResult(0, "", ""), "recorded: the worker printed no result"),
        (CommandResult(0, "INFO: noise\n", "a warning\n"), "recorded: the worker printed no result: a warning"),
        (CommandResult(0, MARK + '{"kind":"memory"}\n', ""), "recorded: .*damaged message"),
    ],
)
def test_a_worker_that_fails_is_an_error_with_its_reason(result, words):
    with pytest.raises(DeviceError, match=words):
        call_worker(device(result), ["memory"], 9, MemoryMeasured)


def test_messages_before_a_lost_connection_are_received(capsys):
    output = written(capsys, ENDED, MEASURED)

    class Lost(RecordedDevice):
        def run(self, argv, timeout, on_line=None):
            for line in output[:-20].splitlines():  # the last message is cut off
                on_line(line)
            raise DeviceLostError("the board: connection closed")

    received: list[Message] = []
    with pytest.raises(DeviceLostError):
        call_worker(Lost(reports.FACTS, {}), ["memory"], 9, MemoryMeasured, MinuteEnded, receive=received.append)
    assert received == [ENDED]
