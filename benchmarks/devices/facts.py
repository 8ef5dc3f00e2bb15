"""Read the facts that a device reports about itself: board, processor, clocks, temperatures, power mode.

A value that cannot be read is None or empty, never a guess. Host names and paths are left out: reports are public.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from edgeshift._system.temperature import temperatures
from edgeshift.benchmarks.devices import board_tools

#: Instruction sets that determine the speed of int8, as /proc/cpuinfo spells them (x86, then Arm).
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm", "sve")
#: Seconds that a tool may take, and characters of its output that are read.
TIMEOUT, MAX_TEXT = 5.0, 4096
#: Tools that print a line at an interval until they are stopped.
ENDLESS = ("tegrastats",)

#: Runs a tool and returns its output; None: there is no such tool, or it fails.
RunTool = Callable[[Sequence[str]], str | None]


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The facts that a device reports about itself.

    Attributes:
        board, processor: name of the board (None: not reported), and model of its processor.
        features: the instruction sets in ``FEATURES`` that the processor has.
        cores: number of cores that this process may use.
        memory: bytes of main memory; None: not reported.
        system: kernel, machine and version of Python.
        governors: names of the cores' frequency governors, each name once.
        clock: {core: (present MHz, maximum MHz)}. "arm" is the clock that a Raspberry Pi's firmware measures; it may be
            lower than the kernel's value, because the firmware does not report to the kernel when it lowers the clock.
        temperatures: {sensor: degrees Celsius}.
        throttled: why the device throttles or has throttled since it started; empty: it has not; None: not reported.
        power_mode: power mode of a Jetson, or Android's battery saver; None: not reported.
        gpu, gpu_load: present and maximum clock of a Jetson's GPU, MHz, and its load, percent; None: not reported.
        power: {power rail of a Jetson: milliwatts}.
        load: mean number of processes that ran or waited for a core during the last minute; None: not reported.
        power_source: "mains", "USB" or "battery"; None: not reported.
    """

    board: str | None
    processor: str
    features: tuple[str, ...]
    cores: int
    memory: int | None
    system: str
    governors: tuple[str, ...]
    clock: dict[str, tuple[float, float]]
    temperatures: dict[str, float]
    throttled: tuple[str, ...] | None
    power_mode: str | None
    gpu: tuple[float, float] | None = None
    gpu_load: float | None = None
    power: dict[str, float] = {}
    load: float | None = None
    power_source: str | None = None


def read_facts(root: Path = Path("/"), run_tool: RunTool | None = None) -> Facts:
    """Return the facts of this device.

    Args:
        root, run_tool: root of the file system, and the function that runs a board's tools; tests replace them.
    """
    run_tool = run_tool or _run_tool
    first = (read_text(root / "proc/cpuinfo") or "").split("\n\n")[0]
    info = dict(re.findall(r"^(\S.*?)\s*: *(.*?)\s*$", first, re.MULTILINE))
    total = re.search(r"^MemTotal: +(\d+) kB$", read_text(root / "proc/meminfo") or "", re.MULTILINE)
    flags = set((info.get("flags") or info.get("Features") or "").split())
    cpus = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*"), key=lambda path: int(path.name[3:]))
    governors = (read_text(cpu / "cpufreq/scaling_governor") for cpu in cpus)
    clock = {cpu.name: megahertz for cpu in cpus if (megahertz := _clock(cpu)) is not None}
    measured = board_tools.pi_clock(run_tool(["vcgencmd", "measure_clock", "arm"]))
    if measured is not None:
        clock["arm"] = measured, max((maximum for _, maximum in clock.values()), default=measured)
    degrees, tegra = temperatures(root), board_tools.tegrastats(run_tool(["tegrastats", "--interval", "100"]))
    if not degrees:
        soc = board_tools.pi_temperature(run_tool(["vcgencmd", "measure_temp"]))
        degrees = (tegra.temperatures if tegra else {}) | ({} if soc is None else {"SoC": soc})
    gpu = board_tools.jetson_gpu(run_tool(["jetson_clocks", "--show"]))
    if gpu is None and tegra is not None and tegra.clock is not None:
        # jetson_clocks needs root. tegrastats does not, but it does not print the maximum clock.
        gpu = tegra.clock, tegra.clock
    return Facts(
        board=read_text(root / "proc/device-tree/model"),
        processor=info.get("model name") or platform.processor() or platform.machine(),
        features=tuple(feature for feature in FEATURES if feature in flags),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=int(total[1]) * 1024 if total else None,
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        governors=tuple(dict.fromkeys(filter(None, governors))),
        clock=clock,
        temperatures=degrees,
        throttled=_throttled(run_tool(["vcgencmd", "get_throttled"]), cpus),
        power_mode=board_tools.power_mode(run_tool(["nvpmodel", "-q"])),
        gpu=gpu,
        gpu_load=tegra.load if tegra else None,
        power=tegra.power if tegra else {},
        load=_load(root),
        power_source=_power_source(root),
    )


def read_text(path: Path) -> str | None:
    """Return the text of a small file of the kernel without surrounding blanks; None: it is unreadable or empty."""
    try:
        with path.open("rb") as file:
            data = file.read(1 << 20)
    except OSError:
        return None
    return data.decode("utf-8", "replace").strip("\0 \n\t") or None


def _clock(cpu: Path) -> tuple[float, float] | None:
    """Return the present and the maximum clock of a core, MHz."""
    present, maximum = (read_text(cpu / "cpufreq" / name) or "" for name in ("scaling_cur_freq", "cpuinfo_max_freq"))
    if not (present.isdigit() and maximum.isdigit() and int(maximum)):
        return None
    return int(present) / 1e3, int(maximum) / 1e3


def _load(root: Path) -> float | None:
    """Return the load average of the last minute."""
    load = re.match(r"(\d{1,6}\.\d+) ", read_text(root / "proc/loadavg") or "")
    if load is None and hasattr(os, "getloadavg") and root == Path("/"):
        with suppress(OSError):
            return round(os.getloadavg()[0], 2)
    return float(load[1]) if load else None


def _power_source(root: Path) -> str | None:
    """Return the supply that feeds the device: the mains or USB if one is connected, and else a battery."""
    supplies = [supply for supply in sorted((root / "sys/class/power_supply").glob("*")) if supply.is_dir()]
    kinds = {read_text(supply / "type") for supply in supplies if read_text(supply / "online") == "1"}
    for kind, name in (("Mains", "mains"), ("USB", "USB")):
        if kind in kinds:
            return name
    return "battery" if "Battery" in {read_text(supply / "type") for supply in supplies} else None


def _throttled(firmware: str | None, cpus: list[Path]) -> tuple[str, ...] | None:
    """Return why the device throttles, from the output of a Raspberry Pi's firmware, or else from x86's counters."""
    if (reasons := board_tools.pi_throttled(firmware)) is not None:
        return reasons
    texts = [read_text(cpu / "thermal_throttle/core_throttle_count") for cpu in cpus]
    counts = [int(text) for text in texts if text and text.isdigit()]
    if not counts:
        return None
    return (f"clock capped {sum(counts):,} times by heat since it started",) if any(counts) else ()


def _run_tool(command: Sequence[str]) -> str | None:
    """Run a tool and return its output, or its first line if it is one of ``ENDLESS``; None: it is missing or fails."""
    endless = command[0] in ENDLESS
    try:
        null = subprocess.DEVNULL
        with subprocess.Popen(command, stdin=null, stdout=subprocess.PIPE, stderr=null) as child:  # noqa: S603
            stop = threading.Timer(TIMEOUT, child.kill)
            stop.start()
            assert child.stdout is not None
            output = child.stdout.readline(MAX_TEXT) if endless else child.stdout.read(MAX_TEXT)
            if endless:
                child.kill()
    except OSError:
        return None
    stop.cancel()
    return output.decode("utf-8", "replace") if endless or child.returncode == 0 else None
