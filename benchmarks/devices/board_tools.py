"""What boards' own tools print, as figures: a Raspberry Pi's vcgencmd; a Jetson's nvpmodel, tegrastats, jetson_clocks.

Every function takes what a tool has printed, or None where it is not there, and gives None for what it does not
understand. The forms are those of the tools' documentation and of what people show in public; no board was at hand.
"""

from __future__ import annotations

import re

import msgspec

#: Bits of a Raspberry Pi's ``vcgencmd get_throttled``: what is so now; 16 bits further up, what was since it started.
THROTTLED = {
    0: "voltage too low",
    1: "clock capped",
    2: "throttled",
    3: "soft temperature limit",
}
#: A sensor that is off says something that no device survives.
COLDEST, HOTTEST = -40.0, 150.0


class Tegra(msgspec.Struct, frozen=True, kw_only=True):
    """A line of ``tegrastats``.

    Attributes:
        memory: MB used, and in all. load: percent of the GPU's time. clock: MHz of the GPU; None: it is not said.
        temperatures: {sensor: degrees Celsius}. power: {rail: milliwatts}, of this moment.
    """

    memory: tuple[float, float] | None
    load: float | None
    clock: float | None
    temperatures: dict[str, float]
    power: dict[str, float]


def tegrastats(text: str | None) -> Tegra | None:
    """The last whole line of what ``tegrastats`` prints, of JetPack 4 to 6; None: it is none."""
    lines = [line for line in (text or "").splitlines() if "RAM " in line and "CPU [" in line]
    if not lines:
        return None
    line = lines[-1]
    memory = re.search(r"\bRAM (\d+)/(\d+)MB", line)
    gpu = re.search(r"\bGR3D_FREQ (\d+)%(?:@\[?(\d+))?", line)
    heat = {name: float(value) for name, value in re.findall(r"\b([A-Za-z][\w-]*)@(-?\d+(?:\.\d+)?)C\b", line)}
    # "VDD_IN 5432mW/5100mW" since JetPack 5, "POM_5V_IN 2380/2380" before: now, and on average.
    rails = re.findall(r"\b((?:VDD|POM|VIN)_?\w*) (\d+)(?:mW)?/(\d+)(?:mW)?", line)
    return Tegra(
        memory=(float(memory[1]), float(memory[2])) if memory else None,
        load=float(gpu[1]) if gpu else None,
        clock=float(gpu[2]) if gpu and gpu[2] else None,
        # A power chip that is not wired up says 100 degrees, for ever.
        temperatures={n: v for n, v in heat.items() if COLDEST < v < HOTTEST and n != "PMIC"},
        power={name: float(now) for name, now, _ in rails},
    )


def jetson_gpu(text: str | None) -> tuple[float, float] | None:
    """MHz of a Jetson's GPU now and at most, out of what ``jetson_clocks --show`` prints."""
    found = re.search(r"^GPU MinFreq=\d+ MaxFreq=(\d+) CurrentFreq=(\d+)", text or "", re.MULTILINE)
    return (int(found[2]) / 1e6, int(found[1]) / 1e6) if found else None


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


def pi_temperature(text: str | None) -> float | None:
    """Degrees Celsius out of what ``vcgencmd measure_temp`` prints: ``temp=61.8'C``."""
    found = re.fullmatch(r"temp=(-?\d+(?:\.\d+)?)'C", (text or "").strip())
    return float(found[1]) if found and COLDEST < float(found[1]) < HOTTEST else None


def pi_clock(text: str | None) -> float | None:
    """MHz out of what ``vcgencmd measure_clock arm`` prints: ``frequency(48)=1500398464``. Counted, not asked for."""
    found = re.fullmatch(r"frequency\(\d+\)=(\d+)", (text or "").strip())
    return int(found[1]) / 1e6 if found else None
