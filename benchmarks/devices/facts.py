"""Read what a device reports of itself: board, processor, clocks, temperatures, power mode. Nothing is changed.

A value that cannot be read is None or empty, never a guess. Reports are published, so host names and paths are left out.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from edgeshift._system.temperature import temperatures
from edgeshift.benchmarks.devices import board_tools

#: Instructions that decide the speed of int8, as /proc/cpuinfo spells them (x86, then Arm).
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm", "sve")
#: Seconds that a tool may take, and characters of its output that are read.
TIMEOUT, MAX_TEXT = 5.0, 4096
#: Tools that print a line at an interval until they are stopped.
ENDLESS = ("tegrastats",)

#: Runs a tool and returns its output; None: there is no such tool, or it fails.
RunTool = Callable[[Sequence[str]], str | None]


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a device reports of itself.

    Attributes:
        board: name of the board, from its device tree; None: not reported.
        processor: model of the processor.
        features: those of ``FEATURES`` that the processor has.
        cores: number of cores that this process may use.
        memory: bytes of main memory; None: not reported.
        system: kernel, machine and version of Python.
        governors: frequency governors of the cores, each once.
        clock: {core: (present MHz, maximum MHz)}. "arm" is the clock that a Raspberry Pi's firmware measures; the
            firmware lowers clocks without the kernel's knowledge.
        temperatures: {sensor: degrees Celsius}.
        throttled: why the device throttles, or did since it started; empty: it does not; None: not reported.
        power_mode: power mode of a Jetson, or Android's battery saver; None: not reported.
        gpu: present and maximum clock of a Jetson's GPU, MHz; None: not reported.
        gpu_load: load of the GPU, percent of the time; None: not reported.
        power: {power rail of a Jetson: milliwatts}.
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


def read_facts(root: Path = Path("/"), run_tool: RunTool | None = None) -> Facts:
    """Return the facts of this device.

    Args:
        root: root of the file system; tests give another one.
        run_tool: runs a tool of the board; None: run it as a program. Tests give recorded output.
    """
    run_tool = run_tool or _run_tool
    info = _cpuinfo(root)
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
        memory=_memory(root),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        governors=tuple(dict.fromkeys(filter(None, governors))),
        clock=clock,
        temperatures=degrees,
        throttled=_throttled(run_tool(["vcgencmd", "get_throttled"]), cpus),
        power_mode=board_tools.power_mode(run_tool(["nvpmodel", "-q"])),
        gpu=gpu,
        gpu_load=tegra.load if tegra else None,
        power=tegra.power if tegra else {},
    )


def read_text(path: Path) -> str | None:
    """Return the text of a small file of the kernel without surrounding blanks; None: unreadable or empty."""
    try:
        with path.open("rb") as file:
            data = file.read(1 << 20)
    except OSError:
        return None
    return data.decode("utf-8", "replace").strip("\0 \n\t") or None


def _cpuinfo(root: Path) -> dict[str, str]:
    """Return the fields of the first processor in /proc/cpuinfo."""
    first = (read_text(root / "proc/cpuinfo") or "").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _clock(cpu: Path) -> tuple[float, float] | None:
    """Return the present and the maximum clock of a core, MHz."""
    present, maximum = (read_text(cpu / "cpufreq" / name) or "" for name in ("scaling_cur_freq", "cpuinfo_max_freq"))
    if not (present.isdigit() and maximum.isdigit() and int(maximum)):
        return None
    return int(present) / 1e3, int(maximum) / 1e3


def _throttled(pi: str | None, cpus: list[Path]) -> tuple[str, ...] | None:
    """Return why the device throttles, from a Raspberry Pi's firmware, or else from x86's counters."""
    if (reasons := board_tools.pi_throttled(pi)) is not None:
        return reasons
    texts = [read_text(cpu / "thermal_throttle/core_throttle_count") for cpu in cpus]
    counts = [int(text) for text in texts if text and text.isdigit()]
    if not counts:
        return None
    return (f"clock capped {sum(counts):,} times by heat since it started",) if any(counts) else ()


def _memory(root: Path) -> int | None:
    for line in (read_text(root / "proc/meminfo") or "").splitlines():
        words = line.split()
        if words[:1] == ["MemTotal:"] and len(words) == 3 and words[1].isdigit():
            return int(words[1]) * 1024
    return None


def _run_tool(command: Sequence[str]) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    if command[0] in ENDLESS:
        return _first_line(command)
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=True, stdin=subprocess.DEVNULL)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout[:MAX_TEXT].decode("utf-8", "replace")


def _first_line(command: Sequence[str]) -> str | None:
    """Return the first line that a tool prints, and stop the tool."""
    try:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)  # noqa: S603
    except OSError:
        return None
    stop = threading.Timer(TIMEOUT, child.kill)  # the tool may print nothing
    stop.start()
    with child:
        assert child.stdout is not None
        line = child.stdout.readline(MAX_TEXT)
        child.kill()
    stop.cancel()
    return line.decode("utf-8", "replace") or None
