"""What a device says of itself, where it can be read: board, processor, clocks, heat, power mode. Nothing is changed.

A figure that cannot be read is None or empty, never a guess. No host name and no path: reports are published.
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
from edgeshift.benchmarks.devices.board_tools import (
    Tegra,
    jetson_gpu,
    pi_clock,
    pi_temperature,
    pi_throttled,
    power_mode,
    tegrastats,
)

#: Instructions that decide how fast int8 is, as /proc/cpuinfo spells them (x86, then Arm).
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm", "sve")
#: Seconds that a tool may take to answer, and characters of what it may say.
PATIENCE, LONGEST = 5.0, 4096
#: Tools that print a line every so often until they are stopped.
ENDLESS = ("tegrastats",)

Ask = Callable[[Sequence[str]], str | None]


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device.

    Attributes:
        board: its name, where a device tree has it. processor: its model. features: those of ``FEATURES`` it has.
        cores: that this process may use. memory: bytes. system: kernel, machine, Python.
        governors: of the cores' clocks, each once. clock: {core: (MHz now, MHz at most)}; a Raspberry Pi's "arm" is
            counted by its firmware, which lowers clocks without telling the kernel.
        temperatures: {zone: degrees Celsius}.
        throttled: reasons, now or since it started; empty: it says that there are none; None: it does not say.
        power_mode: a Jetson's. gpu: MHz of its GPU now and at most. gpu_load: percent of its time. power: {rail of its
            board: milliwatts}.
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


def read_facts(root: Path = Path("/"), ask: Ask | None = None) -> Facts:
    """The facts of this device.

    Args:
        root: of the file system, for tests. ask: runs a tool and gives what it prints, None if it cannot; for tests.
    """
    ask = ask or _ask
    info = cpuinfo(root)
    flags = set((info.get("flags") or info.get("Features") or "").split())
    cpus = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*"), key=lambda path: int(path.name[3:]))
    governors = (_text(cpu / "cpufreq/scaling_governor") for cpu in cpus)
    clock = {cpu.name: (_number(cpu, "scaling_cur_freq"), _number(cpu, "cpuinfo_max_freq")) for cpu in cpus}
    known = {name: (now / 1e3, most / 1e3) for name, (now, most) in clock.items() if now is not None and most}
    counted = pi_clock(ask(["vcgencmd", "measure_clock", "arm"]))
    if counted is not None:
        known["arm"] = counted, max((most for _, most in known.values()), default=counted)
    heat, tegra = temperatures(root), tegrastats(ask(["tegrastats", "--interval", "100"]))
    if not heat:
        soc = pi_temperature(ask(["vcgencmd", "measure_temp"]))
        heat = (tegra.temperatures if tegra else {}) | ({} if soc is None else {"SoC": soc})
    return Facts(
        board=_text(root / "proc/device-tree/model"),
        processor=info.get("model name") or platform.processor() or platform.machine(),
        features=tuple(feature for feature in FEATURES if feature in flags),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=_memory(root),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        governors=tuple(dict.fromkeys(filter(None, governors))),
        clock=known,
        temperatures=heat,
        throttled=_throttled(ask(["vcgencmd", "get_throttled"]), cpus),
        power_mode=power_mode(ask(["nvpmodel", "-q"])),
        gpu=_gpu(jetson_gpu(ask(["jetson_clocks", "--show"])), tegra),
        gpu_load=tegra.load if tegra else None,
        power=tegra.power if tegra else {},
    )


def cpuinfo(root: Path = Path("/")) -> dict[str, str]:
    """The first processor of /proc/cpuinfo."""
    first = (_text(root / "proc/cpuinfo") or "").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _gpu(shown: tuple[float, float] | None, tegra: Tegra | None) -> tuple[float, float] | None:
    """What ``jetson_clocks`` shows, which asks for root; else ``tegrastats``, which knows no highest clock."""
    if shown is not None or tegra is None or tegra.clock is None:
        return shown
    return tegra.clock, tegra.clock


def _throttled(pi: str | None, cpus: list[Path]) -> tuple[str, ...] | None:
    if (found := pi_throttled(pi)) is not None:
        return found
    counts = [_text(cpu / "thermal_throttle/core_throttle_count") for cpu in cpus]
    known = [int(count) for count in counts if count and count.isdigit()]
    if not known:
        return None
    return (f"clock capped {sum(known):,} times by heat since it started",) if any(known) else ()


def _memory(root: Path) -> int | None:
    for line in (_text(root / "proc/meminfo") or "").splitlines():
        words = line.split()
        if words[:1] == ["MemTotal:"] and len(words) == 3 and words[1].isdigit():
            return int(words[1]) * 1024
    return None


def _number(cpu: Path, name: str) -> float | None:
    text = _text(cpu / "cpufreq" / name)
    return float(text) if text and text.isdigit() else None


def _text(path: Path) -> str | None:
    """What a file says, without what does not belong into a report; None: it cannot be read or is empty."""
    try:
        with path.open("rb") as file:
            data = file.read(1 << 20)
    except OSError:
        return None
    return data.decode("utf-8", "replace").strip("\0 \n\t") or None


def _ask(command: Sequence[str]) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    if command[0] in ENDLESS:
        return _first_line(command)
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True, stdin=subprocess.DEVNULL)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout[:LONGEST].decode("utf-8", "replace")


def _first_line(command: Sequence[str]) -> str | None:
    """Of a tool that goes on until it is stopped."""
    try:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)  # noqa: S603
    except OSError:
        return None
    # A tool that says nothing must not be waited for without an end.
    stop = threading.Timer(PATIENCE, child.kill)
    stop.start()
    with child:
        assert child.stdout is not None
        line = child.stdout.readline(LONGEST)
        child.kill()
    stop.cancel()
    return line.decode("utf-8", "replace") or None
