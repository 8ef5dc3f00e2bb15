"""``edgeshift devices``: list this machine, attached phones, and the boards that the user names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.cli.completion import VALUES
from edgeshift.cli.options import AsJson, BoardPython
from edgeshift.cli.output import print_facts, print_json, print_next, print_table
from edgeshift.errors import DeviceError, DeviceLostError, EdgeshiftError, one_line

if TYPE_CHECKING:
    from edgeshift.benchmarks.devices.device import Device
    from edgeshift.benchmarks.devices.probe import Probe

#: Number of devices that are probed at the same time.
MAX_PROBES = 8
#: What is printed for a device that has no runtime.
NO_RUNTIME = "none: install one there, such as ai-edge-litert or onnxruntime"
#: The same for a phone without Python.
NO_PYTHON = "no Python: measure with --agent native or a vendor's program (bench --program)"


def run(
    names: Annotated[list[str] | None, typer.Argument(metavar="DEVICE", autocompletion=VALUES["devices"])] = None,
    python: BoardPython = None,
    as_json: AsJson = False,
) -> int:
    """List the devices that can be measured: this machine, the phones that adb sees, and the boards that you name.

    edgeshift does not search the network for boards.

    Args:
        names: Boards to list too, as ssh://user@host, ssh://user@host:port, or ssh://name from your ssh configuration.

    Examples:
      edgeshift devices
      edgeshift devices ssh://pi@raspberrypi.local ssh://jetson
      edgeshift devices ssh://pi --python venv

    Exit status: 2 if a board that you name cannot be reached.
    """
    from concurrent.futures import ThreadPoolExecutor

    from edgeshift.benchmarks.devices.find import find_device
    from edgeshift.cli.board import open_device, remember_choice

    names = names or []
    named = [open_device(name, python) for name in dict.fromkeys(names)]  # raises before any device is probed
    phones, notes = _attached_phones(names)
    devices = [find_device("local"), *phones, *(device for device in named if device.name != "local")]
    with ProgressBars().stage("devices", len(devices)) as advance, ThreadPoolExecutor(MAX_PROBES) as pool:

        def probe_or_reason(device: Device) -> Probe | str:
            try:
                return _probe(device)
            except EdgeshiftError as error:
                return one_line(error, 300)
            finally:
                advance()

        results = dict(zip((device.name for device in devices), pool.map(probe_or_reason, devices), strict=True))
    probes = {name: result for name, result in results.items() if not isinstance(result, str)}
    for device in devices:
        if device.name in probes:
            remember_choice(device, python)
    reasons = {name: result for name, result in results.items() if isinstance(result, str)}
    if as_json:
        print_json(
            {
                "devices": [
                    {"name": name, "reason": reasons.get(name)} | ({"probe": probes[name]} if name in probes else {})
                    for name in results
                ],
                "notes": notes,
            }
        )
    else:
        columns = ("device", "board", "system", "cores", "runtimes")
        print_table("", columns, [_row(name, probe) for name, probe in probes.items()])
        unreachable = [(name, reason.removeprefix(f"{name}: ")) for name, reason in reasons.items()]
        print_facts("not reachable", [*unreachable, *map(_note, notes)])
        # A phone without Python is measured with a vendor's program, but a board needs a runtime.
        ready = [name for name, probe in probes.items() if probe.runtimes or not probe.python]
        print_next("edgeshift", "bench", "FILE", "--device", next((name for name in ready if name != "local"), "local"))
    return 2 if reasons.keys() & set(names) else 0


def _attached_phones(names: list[str]) -> tuple[list[Device], list[str]]:
    """Return the phones that adb sees and that ``names`` does not list, and notes on the phones that are not ready."""
    from edgeshift.benchmarks.devices.adb import AdbDevice
    from edgeshift.benchmarks.devices.adb_client import list_adb

    phones, reason = list_adb()
    ready: list[Device] = [AdbDevice(f"adb:{phone.serial}") for phone in phones if phone.state == "device"]
    notes = [f"adb:{phone.serial}: {phone.state}" for phone in phones if phone.state != "device"]
    return [device for device in ready if device.name not in names], [*notes, *([reason] if reason else [])]


def _probe(device: Device) -> Probe:
    """Return the facts and runtimes of a device. For a phone without Python, return its facts and no runtimes."""
    from edgeshift.benchmarks.devices.probe import Probe, ask_probe

    try:
        return ask_probe(device)
    except DeviceLostError:
        raise
    except DeviceError:
        if not device.name.startswith("adb:"):
            raise
        return Probe(facts=device.facts(), python="", numpy="", opencv=False, runtimes={})


def _note(note: str) -> tuple[str, str]:
    """Return the name of a phone that is not ready and its state, or "adb" and the reason why there are no phones."""
    name, _, state = note.partition(": ")
    return (name, state) if name.startswith("adb:") else ("adb", note)


def _row(name: str, probe: Probe) -> tuple[str, ...]:
    facts = probe.facts
    none = NO_RUNTIME if probe.python else NO_PYTHON
    runtimes = ", ".join(f"{runtime} {version}" for runtime, version in probe.runtimes.items()) or none
    return name, facts.board or facts.processor, facts.system, str(facts.cores), runtimes
