"""What is read of a device: from file trees and tools' answers as boards give them, and from this machine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edgeshift.benchmarks.facts import Facts, pi_throttled, power_mode, read_facts

#: Answers as the tools' documentation gives them; no board was at hand.
JETSON = "NV Fan Mode:quiet\nNV Power Mode: MODE_15W_6CORE\n2\n"


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def tools(answers: dict[str, str]):
    return lambda command: answers.get(command[0])


PI = {
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd asimddp crc32\n\nprocessor\t: 1\nFeatures\t: none\n",
    "proc/meminfo": "MemTotal:        8245744 kB\nMemFree: 1 kB\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "61850\n",
    "sys/class/thermal/thermal_zone1/temp": "-274000\n",
    **{f"sys/devices/system/cpu/cpu{i}/cpufreq/scaling_governor": "ondemand\n" for i in range(4)},
    **{f"sys/devices/system/cpu/cpu{i}/cpufreq/scaling_cur_freq": "1500000\n" for i in range(4)},
    **{f"sys/devices/system/cpu/cpu{i}/cpufreq/cpuinfo_max_freq": "2400000\n" for i in range(4)},
}


def test_a_raspberry_pi(tmp_path: Path) -> None:
    facts = read_facts(tree(tmp_path, PI), tools({"vcgencmd": "throttled=0x50000\n"}))
    assert facts.board == "Raspberry Pi 5 Model B Rev 1.0"
    assert facts.features == ("asimddp",)
    assert facts.memory == 8245744 * 1024
    assert facts.governors == ("ondemand",)
    assert facts.clock == {f"cpu{i}": (1500.0, 2400.0) for i in range(4)}
    assert facts.temperatures == {"cpu-thermal": 61.85}, "a sensor that is off is left out"
    assert facts.throttled == ("voltage too low since it started", "throttled since it started")
    assert facts.power_mode is None


def test_a_jetson(tmp_path: Path) -> None:
    files = {
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        "sys/class/thermal/thermal_zone0/type": "tj-thermal",
        "sys/class/thermal/thermal_zone0/temp": "48000",
        "sys/class/thermal/thermal_zone1/type": "tj-thermal",
        "sys/class/thermal/thermal_zone1/temp": "47000",
    }
    facts = read_facts(tree(tmp_path, files), tools({"nvpmodel": JETSON}))
    assert facts.power_mode == "MODE_15W_6CORE"
    assert facts.temperatures == {"tj-thermal": 48.0, "tj-thermal (thermal_zone1)": 47.0}
    assert facts.throttled is None, "it does not say"


def test_heat_on_x86(tmp_path: Path) -> None:
    count = "sys/devices/system/cpu/cpu{}/thermal_throttle/core_throttle_count"
    facts = read_facts(tree(tmp_path / "a", {count.format(0): "0\n", count.format(1): "12\n"}), tools({}))
    assert facts.throttled == ("clock capped 12 times by heat since it started",)
    assert read_facts(tree(tmp_path / "b", {count.format(0): "0\n"}), tools({})).throttled == ()


def test_a_device_that_says_nothing(tmp_path: Path) -> None:
    facts = read_facts(tmp_path, tools({}))
    assert (facts.board, facts.memory, facts.throttled, facts.power_mode) == (None, None, None, None)
    assert facts.governors == () and not facts.clock and not facts.temperatures
    assert facts.cores >= 1 and facts.system


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("throttled=0x0\n", ()),
        ("throttled=0x5", ("voltage too low", "throttled")),
        ("throttled=0xa", ("clock capped", "soft temperature limit")),
        ("throttled=0x80008", ("soft temperature limit", "soft temperature limit since it started")),
        ("throttled=", None),
        ("throttled=lots", None),
        ("VCHI initialization failed", None),
        ("", None),
        (None, None),
    ],
)
def test_what_a_pi_says_of_throttling(text: str | None, reasons: tuple[str, ...] | None) -> None:
    assert pi_throttled(text) == reasons


@pytest.mark.parametrize(
    ("text", "mode"),
    [(JETSON, "MODE_15W_6CORE"), ("NV Power Mode: MAXN\n0\n", "MAXN"), ("NV Power Mode:\n", None), ("no", None)],
)
def test_what_a_jetson_says_of_its_power(text: str, mode: str | None) -> None:
    assert power_mode(text) == mode


def test_this_machine() -> None:
    facts = read_facts()
    assert facts.processor and facts.cores >= 1 and facts.memory is not None and facts.memory > 1 << 28
    assert msgspec.json.decode(msgspec.json.encode(facts), type=Facts) == facts
