"""What is on a device: facts, Python, runtimes, as its agent says. A device is not trusted: the answer is checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from edgeshift.benchmarks.devices.device import Device, Done
from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.benchmarks.devices.protocol import MARK
from edgeshift.errors import DeviceError

PATIENCE = 120.0
Answer = TypeVar("Answer")


class Probe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A device that can be measured on.

    Attributes:
        python, numpy: versions. opencv: frames can be resized there. runtimes: {target: version} of what is installed.
    """

    facts: Facts
    python: str
    numpy: str
    opencv: bool
    runtimes: dict[str, str]


def ask_probe(device: Device) -> Probe:
    """Ask the agent on a device.

    Raises:
        DeviceError: it does not run, or answers something else.
    """
    done = device.run([*device.agent(), "probe"], PATIENCE)
    return read_answer(device, done, Probe)


def read_answer(device: Device, done: Done, kind: type[Answer]) -> Answer:
    """The last answer of an agent that ended.

    Raises:
        DeviceError: it failed, or what it says is no such thing.
    """
    require_done(device, done)
    try:
        return msgspec.json.decode(list(answers(done.out))[-1], type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DeviceError(f"{device.name}: its agent says what is no {kind.__name__}: {error}") from error


def require_done(device: Device, done: Done) -> None:
    """Raise DeviceError, with the last of what the agent said, unless it ended well and answered."""
    if done.status or not any(answers(done.out)):
        words = [line.strip().removeprefix(MARK) for line in done.err.splitlines() if line.strip()]
        raise DeviceError(f"{device.name}: {(words[-1] if words else f'its agent ended with {done.status}')[:300]}")


def answers(out: str) -> Iterator[str]:
    """The lines of an agent among those of the libraries it uses."""
    return (line[len(MARK) :] for line in out.splitlines() if line.startswith(MARK))
