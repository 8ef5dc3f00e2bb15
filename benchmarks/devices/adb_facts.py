"""A phone's facts out of one script's output: files as Linux has them, and what Android's services say.

The script prints sections, each under a line ``=== NAME``; files are sections named by their path, and are read by the
same code as on any other board.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import msgspec

from edgeshift.benchmarks.devices.facts import Facts, read_facts

_SECTION = "==="
#: What a device is asked; no word of it comes from outside.
SCRIPT = f"""
say() {{ echo; echo "{_SECTION} $1"; }}
for f in /proc/cpuinfo /proc/meminfo \
    /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor \
    /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq \
    /sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq \
    /sys/class/thermal/thermal_zone*/type /sys/class/thermal/thermal_zone*/temp
do [ -r "$f" ] && say "$f" && cat "$f"; done 2>/dev/null
say getprop; getprop 2>/dev/null
say thermal; dumpsys thermalservice 2>/dev/null
say battery; dumpsys battery 2>/dev/null
say low_power; settings get global low_power 2>/dev/null
say uname; uname -sm
say nproc; nproc
exit 0
"""
#: Android's thermal status, as ``PowerManager`` numbers it; the first is none.
THERMAL = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
#: A file of sysfs or procfs under a name that cannot leave a folder.
_FILE = re.compile(r"/(?:proc|sys)(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")
_READING = re.compile(r"Temperature\{mValue=(-?[0-9.]+), mType=-?\d+, mName=([^,}]+), mStatus=\d+\}")


def phone_facts(text: str) -> Facts:
    """The facts out of what ``SCRIPT`` prints. What a phone does not tell is None or empty."""
    parts = sections(text)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, body in parts.items():
            if _FILE.fullmatch(name):
                file = root / name[1:]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(body, encoding="utf-8")
        linux = read_facts(root, lambda command: None)
    properties = dict(re.findall(r"^\[([^]]+)\]: \[([^]]*)\]", parts.get("getprop", ""), re.MULTILINE))
    thermal, battery = parts.get("thermal", ""), parts.get("battery", "")
    return msgspec.structs.replace(
        linux,
        board=_joined(properties, "ro.product.manufacturer", "ro.product.model"),
        processor=_joined(properties, "ro.soc.manufacturer", "ro.soc.model")
        or _joined(properties, "ro.board.platform")
        or _joined(properties, "ro.hardware")
        or "unknown",
        cores=_count(parts.get("nproc", "")) or max(len(linux.clock), 1),
        system=_system(properties, parts.get("uname", "").strip()),
        temperatures={**linux.temperatures, **thermal_temperatures(thermal), **_battery(battery)},
        throttled=thermal_status(thermal),
        power_mode="battery saver" if parts.get("low_power", "").strip() == "1" else None,
    )


def sections(text: str) -> dict[str, str]:
    """{name: text} of what the script prints."""
    found: dict[str, list[str]] = {}
    body: list[str] = []
    for line in text.splitlines():
        mark, _, name = line.partition(" ")
        if mark == _SECTION and name:
            body = found.setdefault(name.strip(), [])
        else:
            body.append(line)
    return {name: "\n".join(lines).strip("\n") + "\n" for name, lines in found.items()}


def thermal_status(text: str) -> tuple[str, ...] | None:
    """Reasons out of ``dumpsys thermalservice``: empty when its status is none; None: it does not say."""
    status = re.search(r"^\s*Thermal Status: (\d+)", text, re.MULTILINE)
    if status is None or int(status[1]) >= len(THERMAL):
        return None
    return (f"Android's thermal status: {THERMAL[int(status[1])]}",) if int(status[1]) else ()


def thermal_temperatures(text: str) -> dict[str, float]:
    """{sensor: degrees Celsius} as the hardware tells ``dumpsys thermalservice`` now, or else as it last told it."""
    cached, _, now = text.partition("Current temperatures from HAL:")
    now = now.partition("Current cooling devices")[0]
    values = ((name.strip(), float(value)) for value, name in _READING.findall(now) or _READING.findall(cached))
    # Sensors that are off give values no phone survives.
    return {name: value for name, value in values if -40 < value < 200}


def fastest_cores(clock: dict[str, tuple[float, float]], least: int = 1) -> tuple[int, ...]:
    """Numbers of the fastest cores: clusters of one highest clock, fastest first, until there are ``least``.

    Args:
        clock: {"cpu0": (MHz now, MHz at most)}, as in ``Facts``.
    """
    chosen: list[int] = []
    for top in sorted({most for _, most in clock.values()}, reverse=True):
        if len(chosen) >= least:
            break
        chosen += [int(name.removeprefix("cpu")) for name, (_, most) in clock.items() if most == top]
    return tuple(sorted(chosen))


def taskset_mask(cores: tuple[int, ...]) -> str:
    """The mask that ``taskset`` takes, hexadecimal: (4, 5, 6, 7) is "f0"."""
    return f"{sum(1 << core for core in cores):x}"


def _joined(properties: dict[str, str], *names: str) -> str | None:
    return " ".join(filter(None, (properties.get(name) for name in names))) or None


def _system(properties: dict[str, str], kernel: str) -> str:
    release, level = properties.get("ro.build.version.release", "?"), properties.get("ro.build.version.sdk", "?")
    return f"Android {release} (API {level}), {kernel or 'Linux'}"


def _battery(text: str) -> dict[str, float]:
    tenths = re.search(r"^\s*temperature: (-?\d+)\s*$", text, re.MULTILINE)
    return {"battery": int(tenths[1]) / 10} if tenths else {}


def _count(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None
