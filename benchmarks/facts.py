"""What a device says of itself, where it can be read: board, processor, clocks, heat, power mode. Nothing is changed.

A figure that cannot be read is None or empty, never a guess. No host name and no path: reports are published.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from edgeshift.temperature import temperatures

#: Instructions that decide how fast int8 is, as /proc/cpuinfo spells them (x86, then Arm).
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm", "sve")
#: Bits of a Raspberry Pi's ``vcgencmd get_throttled``: what is so now; 16 bits further up, what was since it started.
THROTTLED = {
    0: "voltage too low",
    1: "clock capped",
    2: "throttled",
    3: "soft temperature limit",
}
#: Seconds that a tool may take to answer, and characters of what it may say.
PATIENCE, LONGEST = 5.0, 4096

Ask = Callable[[Sequence[str]], str | None]


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device.

    Attributes:
        board: its name, where a device tree has it. processor: its model. features: those of ``FEATURES`` it has.
        cores: that this process may use. memory: bytes. system: kernel, machine, Python.
        governors: of the cores' clocks, each once. clock: {core: (MHz now, MHz at most)}.
        temperatures: {zone: degrees Celsius}.
        throttled: reasons, now or since it started; empty: it says that there are none; None: it does not say.
        power_mode: a Jetson's.
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
    return Facts(
        board=_text(root / "proc/device-tree/model"),
        processor=info.get("model name") or platform.processor() or platform.machine(),
        features=tuple(feature for feature in FEATURES if feature in flags),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=_memory(root),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        governors=tuple(dict.fromkeys(filter(None, governors))),
        clock={name: (now / 1e3, most / 1e3) for name, (now, most) in clock.items() if now is not None and most},
        temperatures=temperatures(root),
        throttled=_throttled(ask(["vcgencmd", "get_throttled"]), cpus),
        power_mode=power_mode(ask(["nvpmodel", "-q"])),
    )


def cpuinfo(root: Path = Path("/")) -> dict[str, str]:
    """The first processor of /proc/cpuinfo."""
    first = (_text(root / "proc/cpuinfo") or "").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def power_mode(text: str | None) -> str | None:
    """A Jetson's power mode out of what ``nvpmodel -q`` prints: ``NV Power Mode: MAXN``."""
    for line in (text or "").splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() == "NV Power Mode":
            return value.strip() or None
    return None


def pi_throttled(text: str | None) -> tuple[str, ...] | None:
    """Reasons out of what ``vcgencmd get_throttled`` prints: ``throttled=0x50005``; None: something else."""
    name, _, value = (text or "").strip().partition("=")
    try:
        bits = int(value, 16) if name == "throttled" else None
    except ValueError:
        return None
    if bits is None:
        return None
    now = [words for bit, words in THROTTLED.items() if bits >> bit & 1]
    past = [f"{words} since it started" for bit, words in THROTTLED.items() if bits >> (bit + 16) & 1]
    return (*now, *past)


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
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True, stdin=subprocess.DEVNULL)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout[:LONGEST].decode("utf-8", "replace")
