"""``edgeshift devices``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgeshift._system.progress import ProgressBars
from edgeshift.cli.output import print_facts, print_json, print_next, print_table
from edgeshift.errors import DeviceError, DeviceLostError, EdgeshiftError, one_line

if TYPE_CHECKING:
    from edgeshift.benchmarks.devices.probe import Probe

#: Boards that are asked at the same time.
TOGETHER = 8


@click.command("devices")
@click.argument("names", nargs=-1, metavar="[D...]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def run(names: tuple[str, ...], as_json: bool) -> int:
    """List what can be measured on: this machine, phones that adb sees, and the boards named.

    D is ssh://user@host[:port] or a name of ssh's config as ssh://name. Boards are not looked for: name them.
    Exit status 2 if one that was named cannot be reached.

    \b
    Examples:
      edgeshift devices
      edgeshift devices ssh://pi@raspberrypi.local ssh://jetson
    """
    from edgeshift.benchmarks.devices.find import find_device

    devices = [find_device(name) for name in dict.fromkeys(names)]  # a name that is none is an error at once
    found, notes = _attached(names)
    devices = [find_device("local"), *found, *(device for device in devices if device.name != "local")]
    bars = ProgressBars()
    with bars.stage("devices", len(devices)) as advance, ThreadPoolExecutor(TOGETHER) as pool:

        def ask(device: Any) -> Probe | str:
            try:
                return _probe(device)
            except EdgeshiftError as error:
                return one_line(error, 300)
            finally:
                advance()

        answers = list(pool.map(ask, devices))
    pairs = [(device.name, answer) for device, answer in zip(devices, answers, strict=True)]
    status = 2 if any(isinstance(answer, str) for name, answer in pairs if name in names) else 0
    if as_json:
        print_json(
            {
                "devices": [
                    {"name": name, "reason": answer if isinstance(answer, str) else None}
                    | ({} if isinstance(answer, str) else {"probe": msgspec.to_builtins(answer)})
                    for name, answer in pairs
                ],
                "notes": notes,
            }
        )
        return status
    print_table(
        "",
        ("device", "board", "system", "cores", "runtimes"),
        [_row(name, answer) for name, answer in pairs if not isinstance(answer, str)],
    )
    problems = [(name, answer) for name, answer in pairs if isinstance(answer, str)]
    if problems or notes:
        print_facts("not reachable", [*problems, *(("", note) for note in notes)])
    ready = next((name for name, answer in pairs[1:] if not isinstance(answer, str)), "local")
    print_next("edgeshift", "bench", "F", "--device", ready)
    return status


def _attached(names: tuple[str, ...]) -> tuple[list[Any], list[str]]:
    """Phones that the adb client sees, but for those that are named; and what is to be said of it."""
    from edgeshift.benchmarks.devices.adb import AdbDevice, list_adb

    listed, reason = list_adb()
    ready = [AdbDevice(f"adb:{phone.serial}") for phone in listed if phone.state == "device"]
    notes = [f"adb:{phone.serial}: {phone.state}" for phone in listed if phone.state != "device"]
    return [device for device in ready if device.name not in names], [*notes, *([reason] if reason else [])]


def _probe(device: Any) -> Probe:
    """What is there. A phone without Python still says what it is: a vendor's program can be timed on it."""
    from edgeshift.benchmarks.devices.probe import Probe, ask_probe

    try:
        return ask_probe(device)
    except DeviceLostError:
        raise
    except DeviceError:
        if not device.name.startswith("adb:"):
            raise
        return Probe(facts=device.facts(), python="", numpy="", opencv=False, runtimes={})


def _row(name: str, probe: Probe) -> tuple[str, ...]:
    facts = probe.facts
    none = "none" if probe.python else "no Python: a vendor's program can be timed (bench --program)"
    runtimes = ", ".join(f"{target} {version}" for target, version in probe.runtimes.items()) or none
    return name, facts.board or facts.processor, facts.system, str(facts.cores), runtimes
