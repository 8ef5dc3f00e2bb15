"""Parse the output of boards' own tools: vcgencmd of a Raspberry Pi; nvpmodel, tegrastats, jetson_clocks of a Jetson.

Every function takes the output of a tool, or None if the device does not have the tool, and returns None if it cannot
parse the output. The formats come from documentation and published output; they were not verified on a board.
"""

from __future__ import annotations

import re

import msgspec

#: Bits of ``vcgencmd get_throttled`` for the present state. The bits 16 places higher mean "since the board started".
THROTTLED = {0: "voltage too low", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}
#: Degrees Celsius. Sensors that are off report values outside of this range.
COLDEST, HOTTEST = -40.0, 150.0


class Tegra(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``tegrastats``.

    Attributes:
        load: GPU load, percent of the time; None: not reported.
        clock: GPU clock, MHz; None: not reported.
        temperatures: {sensor: degrees Celsius}.
        power: {power rail: milliwatts at this moment}.
    """

    load: float | None
    clock: float | None
    temperatures: dict[str, float]
    power: dict[str, float]


def tegrastats(output: str | None) -> Tegra | None:
    """Parse the last complete line of ``tegrastats`` of JetPack 4 to 6."""
    lines = [line for line in (output or "").splitlines() if "RAM " in line and "CPU [" in line]
    if not lines:
        return None
    line = lines[-1]
    gpu = re.search(r"\bGR3D_FREQ (\d+)%(?:@\[?(\d+))?", line)
    temperatures = {name: float(value) for name, value in re.findall(r"\b([A-Za-z][\w-]*)@(-?\d+(?:\.\d+)?)C\b", line)}
    # Present and average power: "VDD_IN 5432mW/5100mW" since JetPack 5, "POM_5V_IN 2380/2380" before.
    rails = re.findall(r"\b((?:VDD|POM|VIN)_?\w*) (\d+)(?:mW)?/(\d+)(?:mW)?", line)
    return Tegra(
        load=float(gpu[1]) if gpu else None,
        clock=float(gpu[2]) if gpu and gpu[2] else None,
        # A power chip that is not connected always reports 100 degrees.
        temperatures={n: v for n, v in temperatures.items() if COLDEST < v < HOTTEST and n != "PMIC"},
        power={name: float(present) for name, present, _ in rails},
    )


def jetson_gpu(output: str | None) -> tuple[float, float] | None:
    """Return the present and the maximum clock of a Jetson's GPU, MHz, from ``jetson_clocks --show``."""
    clock = re.search(r"^GPU MinFreq=\d+ MaxFreq=(\d+) CurrentFreq=(\d+)", output or "", re.MULTILINE)
    return (int(clock[2]) / 1e6, int(clock[1]) / 1e6) if clock else None


def power_mode(output: str | None) -> str | None:
    """Return a Jetson's power mode from ``nvpmodel -q``, which prints ``NV Power Mode: MAXN``."""
    mode = re.search(r"^ *NV Power Mode *: *(\S.*?) *$", output or "", re.MULTILINE)
    return mode[1] if mode else None


def pi_throttled(output: str | None) -> tuple[str, ...] | None:
    """Return why a Raspberry Pi throttles or has throttled. ``vcgencmd get_throttled`` prints ``throttled=0x50005``."""
    match = re.fullmatch(r"throttled=(?:0x)?([0-9a-fA-F]+)", (output or "").strip())
    if match is None:
        return None
    bits = int(match[1], 16)
    present = [reason for bit, reason in THROTTLED.items() if bits >> bit & 1]
    past = [f"{reason} since it started" for bit, reason in THROTTLED.items() if bits >> (bit + 16) & 1]
    return (*present, *past)


def pi_temperature(output: str | None) -> float | None:
    """Return degrees Celsius from ``vcgencmd measure_temp``, which prints ``temp=61.8'C``."""
    match = re.fullmatch(r"temp=(-?\d+(?:\.\d+)?)'C", (output or "").strip())
    return float(match[1]) if match and COLDEST < float(match[1]) < HOTTEST else None


def pi_clock(output: str | None) -> float | None:
    """Return the measured clock, MHz. ``vcgencmd measure_clock arm`` prints ``frequency(48)=1500398464``."""
    match = re.fullmatch(r"frequency\(\d+\)=(\d+)", (output or "").strip())
    return int(match[1]) / 1e6 if match else None
