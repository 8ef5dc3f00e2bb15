"""Messages from the worker on a device to the program that started it. A message is one line: ``MARK``, then JSON.

The worker prints messages to its standard output, between lines that runtimes print. Each type of message is a subclass
of ``Message`` and is defined beside the data that it carries. A device is not trusted, so messages are validated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import or_
from typing import TypeVar

import msgspec

from edgeshift._system.process import last_line
from edgeshift.benchmarks.devices.device import Device
from edgeshift.errors import DeviceError

#: The start of every line that is a message.
MARK = "edgeshift: "
#: The worker's option to stop when its standard input closes, which shows that the program that started it has ended.
STOP_WITH_STDIN = "--tied"


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """The base class of all messages. Each subclass names its tag: ``class Probed(Message, tag="probe")``."""


Kind = TypeVar("Kind", bound=Message)
Result = TypeVar("Result", bound=Message)
#: Called with a message as it arrives.
Receive = Callable[[Message], None]


def write_message(message: Message) -> None:
    """Print a message to standard output at once."""
    print(MARK + msgspec.json.encode(message).decode(), flush=True)


def read_messages(output: str, *kinds: type[Kind]) -> Iterator[Kind]:
    """Yield the messages in a worker's standard output. Lines that do not start with ``MARK`` are skipped.

    Raises:
        DeviceError: a marked line is not a valid message of one of the types ``kinds``.
    """
    for line in output.splitlines():
        if line.startswith(MARK):
            try:
                yield msgspec.json.decode(line[len(MARK) :], type=reduce(or_, kinds))
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                expected = " or ".join(str(kind.__struct_config__.tag) for kind in kinds)
                raise DeviceError(
                    f"the worker's output has a damaged message ({expected} expected): {error}"
                ) from error


def ignore(message: Message) -> None:
    """Receive a message and do nothing with it."""


def call_worker(
    device: Device,
    arguments: Sequence[str],
    timeout: float,
    result: type[Result],
    *progress: type[Message],
    receive: Receive = ignore,
) -> Result:
    """Run a command of the worker to its end, and return its last message of type ``result``.

    Args:
        arguments: the command and its arguments.
        timeout: seconds after which the worker is stopped.
        result: the type of the message with the result.
        progress: the types of the other messages that the worker may print.
        receive: called with every message as it arrives.

    Raises:
        DeviceLostError: the connection was lost. ``receive`` was called with the messages that arrived before.
        DeviceError: the worker failed, or printed a damaged message or no result.
    """

    def on_line(line: str) -> None:
        try:
            messages = list(read_messages(line, result, *progress))
        except DeviceError:
            return  # A lost connection leaves an incomplete line. After a normal end, the line is an error (see below).
        for message in messages:
            receive(message)

    done = device.run([*device.agent(), *arguments], timeout, on_line)
    problem = last_line(done.err).removeprefix(MARK) or f"the worker ended with exit status {done.status}"
    if done.status:
        raise DeviceError(f"{device.name}: {problem}")
    try:
        results = [message for message in read_messages(done.out, result, *progress) if isinstance(message, result)]
    except DeviceError as error:
        raise DeviceError(f"{device.name}: {error}") from error
    if not results:
        raise DeviceError(f"{device.name}: the worker printed no result: {problem}")
    return results[-1]
