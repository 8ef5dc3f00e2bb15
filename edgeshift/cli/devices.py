"""``edgeshift devices``: this machine, attached phones, and the boards that are named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.cli.completion import VALUES
from edgeshift.cli.options import AsJson
from edgeshift.cli.output import print_facts, print_json, print_next, print_table
from edgeshift.errors import DeviceError, DeviceLostError, EdgeshiftError, one_line

if TYPE_CHECKING:
    from edgeshift.benchmarks.devices.device import Device
    from edgeshift.benchmarks.devices.probe import Probe

#: Number of devices that are asked at the same time.
TOGETHER = 8


def run(
    names: Annotated[list[str] | None, typer.Argument(metavar="DEVICE", autocompletion=VALUES["devices"])] = None,
    as_json: AsJson = False,
) -> int:
    """List the devices that can be measured: this machine, the phones that adb sees, and the boards that are named.

    Boards are not searched for in the network.

    Args:
        names: Boards to list as well: ssh://user@host, with a port after a colon, or ssh://name from ssh's config.

    Examples:
      edgeshift devices
      edgeshift devices ssh://pi@raspberrypi.local ssh://jetson

    Exit status: 2 if a board that was named cannot be reached.
    """
    from concurrent.futures import ThreadPoolExecutor

    from edgeshift.benchmarks.devices.find import find_device

    names = names or []
    named = [find_device(name) for name in dict.fromkeys(names)]  # a malformed name is an error at once
    phones, notes = _attached_phones(names)
    devices = [find_device("local"), *phones, *(device for device in named if device.name != "local")]
    with ProgressBars().stage("devices", len(devices)) as advance, ThreadPoolExecutor(TOGETHER) as pool:

        def ask(device: Device) -> Probe | str:
            try:
                return _probe(device)
            except EdgeshiftError as error:
                return one_line(error, 300)
            finally:
                advance()

        answers = list(zip((device.name for device in devices), pool.map(ask, devices), strict=True))
    probes = {name: answer for name, answer in answers if not isinstance(answer, str)}
    reasons = {name: answer for name, answer in answers if isinstance(answer, str)}
    if as_json:
        print_json(
            {
                "devices": [
                    {"name": name, "reason": reasons.get(name)} | ({"probe": probes[name]} if name in probes else {})
                    for name, _ in answers
                ],
                "notes": notes,
            }
        )
    else:
        columns = ("device", "board", "system", "cores", "runtimes")
        print_table("", columns, [_row(name, probe) for name, probe in probes.items()])
        print_facts("not reachable", [*reasons.items(), *(("", note) for note in notes)])
        print_next("edgeshift", "bench", "FILE", "--device", [*probes, "local"][min(1, len(probes))])
    return 2 if reasons.keys() & set(names) else 0


def _attached_phones(names: list[str]) -> tuple[list[Device], list[str]]:
    """Return the phones that adb sees and that are not among ``names``, and notes on those that are not ready."""
    from edgeshift.benchmarks.devices.adb import AdbDevice
    from edgeshift.benchmarks.devices.adb_client import list_adb

    phones, reason = list_adb()
    ready: list[Device] = [AdbDevice(f"adb:{phone.serial}") for phone in phones if phone.state == "device"]
    notes = [f"adb:{phone.serial}: {phone.state}" for phone in phones if phone.state != "device"]
    return [device for device in ready if device.name not in names], [*notes, *([reason] if reason else [])]


def _probe(device: Device) -> Probe:
    """Return what is on a device. A phone without Python has facts, as a vendor's program can measure on it."""
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
    none = "none" if probe.python else "no Python: a vendor's program can measure (bench --program)"
    runtimes = ", ".join(f"{runtime} {version}" for runtime, version in probe.runtimes.items()) or none
    return name, facts.board or facts.processor, facts.system, str(facts.cores), runtimes
