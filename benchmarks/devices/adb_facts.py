"""Read the facts of a phone from the output of one script, which prints files of the kernel and Android's services.

The script prints sections, each below a line ``=== NAME``. If the name is a path, the section is the contents of that
file. These files are parsed by the same code as the files of a board.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import msgspec

from edgeshift.benchmarks.devices.facts import Facts, read_facts

_SECTION = "==="
#: The script that runs on the phone. It has no parameters.
SCRIPT = f"""
section() {{ echo; echo "{_SECTION} $1"; }}
for f in /proc/cpuinfo /proc/meminfo /proc/loadavg \
    /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor \
    /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq \
    /sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq \
    /sys/class/thermal/thermal_zone*/type /sys/class/thermal/thermal_zone*/temp
do [ -r "$f" ] && section "$f" && cat "$f"; done 2>/dev/null
section getprop; getprop 2>/dev/null
section thermal; dumpsys thermalservice 2>/dev/null
section battery; dumpsys battery 2>/dev/null
section low_power; settings get global low_power 2>/dev/null
section uname; uname -sm
section nproc; nproc
exit 0
"""
#: Android's thermal statuses, by the numbers of ``android.os.PowerManager``.
THERMAL = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
#: The path of a file in /proc or /sys. It has no "..", so that a copy cannot be written outside a given folder.
_FILE = re.compile(r"/(?:proc|sys)(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")
_TEMPERATURE = re.compile(r"Temperature\{mValue=(-?[0-9.]+), mType=-?\d+, mName=([^,}]+), mStatus=\d+\}")


def phone_facts(output: str) -> Facts:
    """Return the facts in the output of ``SCRIPT``. A value that the phone does not report is None or empty."""
    parts = sections(output)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in parts.items():
            if _FILE.fullmatch(name):
                file = root / name[1:]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
        linux = read_facts(root, lambda command: None)
    properties = dict(re.findall(r"^\[([^]]+)\]: \[([^]]*)\]", parts.get("getprop", ""), re.MULTILINE))
    release, level = (properties.get(f"ro.build.version.{name}", "?") for name in ("release", "sdk"))
    thermal, cores = parts.get("thermal", ""), parts.get("nproc", "").strip()
    tenths = re.search(r"^\s*temperature: (-?\d+)\s*$", parts.get("battery", ""), re.MULTILINE)
    battery = {"battery": int(tenths[1]) / 10} if tenths else {}
    processor = (("ro.soc.manufacturer", "ro.soc.model"), ("ro.board.platform",), ("ro.hardware",))
    return msgspec.structs.replace(
        linux,
        board=_joined(properties, "ro.product.manufacturer", "ro.product.model"),
        processor=next(filter(None, (_joined(properties, *names) for names in processor)), "unknown"),
        cores=int(cores) if cores.isdigit() else max(len(linux.clock), 1),
        system=f"Android {release} (API {level}), {parts.get('uname', '').strip() or 'Linux'}",
        temperatures={**linux.temperatures, **thermal_temperatures(thermal), **battery},
        throttled=thermal_status(thermal),
        power_mode="battery saver" if parts.get("low_power", "").strip() == "1" else None,
        power_source=power_source(parts.get("battery", "")),
    )


def sections(output: str) -> dict[str, str]:
    """Return {name: text} of the sections that the script prints."""
    parts: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in output.splitlines():
        mark, _, name = line.partition(" ")
        if mark == _SECTION and name:
            lines = parts.setdefault(name.strip(), [])
        else:
            lines.append(line)
    return {name: "\n".join(lines).strip("\n") + "\n" for name, lines in parts.items()}


def thermal_status(text: str) -> tuple[str, ...] | None:
    """Return why the phone throttles, from ``dumpsys thermalservice``; empty: it does not; None: not reported."""
    status = re.search(r"^\s*Thermal Status: (\d+)", text, re.MULTILINE)
    if status is None or int(status[1]) >= len(THERMAL):
        return None
    return (f"Android's thermal status: {THERMAL[int(status[1])]}",) if int(status[1]) else ()


def thermal_temperatures(text: str) -> dict[str, float]:
    """Return {sensor: degrees Celsius} from ``dumpsys thermalservice``: current values, or else cached ones."""
    cached, _, current = text.partition("Current temperatures from HAL:")
    current = current.partition("Current cooling devices")[0]
    values = _TEMPERATURE.findall(current) or _TEMPERATURE.findall(cached)
    # Sensors that are off report impossible values.
    return {name.strip(): float(value) for value, name in values if -40 < float(value) < 200}


def power_source(text: str) -> str | None:
    """Return the supply that feeds the phone, from ``dumpsys battery``; None: not reported."""
    powered = dict(re.findall(r"^\s*(AC|USB|Wireless|Dock) powered: (true|false)\s*$", text, re.MULTILINE))
    if not powered:
        return None
    names = {"AC": "mains", "USB": "USB", "Wireless": "wireless charger", "Dock": "dock"}
    return next((names[kind] for kind, connected in powered.items() if connected == "true"), "battery")


def fastest_cores(clock: dict[str, tuple[float, float]], least: int = 1) -> tuple[int, ...]:
    """Return the numbers of the fastest cores: whole clusters, fastest first, until there are ``least`` cores.

    Args:
        clock: {"cpu0": (present MHz, maximum MHz)}, as in ``Facts``.
    """
    chosen: list[int] = []
    for fastest in sorted({maximum for _, maximum in clock.values()}, reverse=True):
        if len(chosen) < least:
            chosen += [int(name.removeprefix("cpu")) for name, (_, maximum) in clock.items() if maximum == fastest]
    return tuple(sorted(chosen))


def taskset_mask(cores: tuple[int, ...]) -> str:
    """Return the hexadecimal mask that ``taskset`` takes: "f0" for the cores (4, 5, 6, 7)."""
    return f"{sum(1 << core for core in cores):x}"


def _joined(properties: dict[str, str], *names: str) -> str | None:
    return " ".join(filter(None, (properties.get(name) for name in names))) or None
