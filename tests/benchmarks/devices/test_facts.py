"""Facts about a device: from files and tool output as on boards, and from this machine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edgeshift.benchmarks.devices.board_tools import (
    jetson_gpu,
    pi_clock,
    pi_temperature,
    pi_throttled,
    power_mode,
    tegrastats,
)
from edgeshift.benchmarks.devices.facts import Facts, read_facts

#: Output as in the tools' documentation; it was not verified on a board.
JETSON = "NV Fan Mode:quiet\nNV Power Mode: MODE_15W_6CORE\n2\n"
TRANSCRIPTS = Path(__file__).parent / "transcripts"


def transcript(name: str) -> str:
    """Return output of a tool from the folder ``transcripts``."""
    return (TRANSCRIPTS / f"{name}.txt").read_text()


def tree(root: Path, files: dict[str, str]) -> Path:
    """Write files under a root and return the root."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def tools(answers: dict[str, str]):
    """Return a function that returns the output of a tool, by its name and first argument, or else by its name."""
    return lambda command: answers.get(" ".join(command[:2]), answers.get(command[0]))


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


def test_facts_of_a_raspberry_pi(tmp_path: Path) -> None:
    facts = read_facts(tree(tmp_path, PI), tools({"vcgencmd get_throttled": "throttled=0x50000\n"}))
    assert facts.board == "Raspberry Pi 5 Model B Rev 1.0"
    assert facts.features == ("asimddp",)
    assert facts.memory == 8245744 * 1024
    assert facts.governors == ("ondemand",)
    assert facts.clock == {f"cpu{i}": (1500.0, 2400.0) for i in range(4)}
    assert facts.temperatures == {"cpu-thermal": 61.85}, "a sensor that is off is left out"
    assert facts.throttled == ("voltage too low since it started", "throttled since it started")
    assert facts.power_mode is None


@pytest.mark.parametrize(
    ("supplies", "source"),
    [
        ({}, None),
        ({"BAT0/type": "Battery", "AC/type": "Mains", "AC/online": "1"}, "mains"),
        ({"BAT0/type": "Battery", "AC/type": "Mains", "AC/online": "0"}, "battery"),
        ({"battery/type": "Battery", "usb/type": "USB", "usb/online": "1"}, "USB"),
        ({"hid/type": "Unknown", "usb/type": "USB", "usb/online": "0"}, None),
    ],
)
def test_load_and_power_source(tmp_path: Path, supplies: dict[str, str], source: str | None) -> None:
    files = {f"sys/class/power_supply/{name}": f"{value}\n" for name, value in supplies.items()}
    facts = read_facts(tree(tmp_path, {**PI, **files, "proc/loadavg": "0.52 0.58 0.59 1/467 12345\n"}), tools({}))
    assert (facts.load, facts.power_source) == (0.52, source)
    assert read_facts(tree(tmp_path, {"proc/loadavg": "broken\n"}), tools({})).load is None


def test_facts_of_a_jetson(tmp_path: Path) -> None:
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
    assert facts.throttled is None, "a Jetson does not report throttling"


def test_clock_and_temperature_of_a_raspberry_pi_come_from_its_firmware(tmp_path: Path) -> None:
    """The kernel reports the clock that it requested, even after the firmware has lowered the clock."""
    answers = {
        "vcgencmd get_throttled": "throttled=0x4\n",
        "vcgencmd measure_clock": "frequency(48)=1200126464\n",
        "vcgencmd measure_temp": "temp=84.2'C\n",
    }
    no_zone = {name: text for name, text in PI.items() if "thermal" not in name}
    facts = read_facts(tree(tmp_path, no_zone), tools(answers))
    assert facts.clock["arm"] == (1200.126464, 2400.0) and facts.throttled == ("throttled",)
    assert facts.temperatures == {"SoC": 84.2}


def test_facts_from_the_tools_of_a_jetson(tmp_path: Path) -> None:
    answers = {"tegrastats": transcript("tegrastats_jetpack6"), "jetson_clocks": transcript("jetson_clocks_show")}
    facts = read_facts(tmp_path, tools(answers))
    assert facts.gpu == (306.0, 624.75) and facts.gpu_load == 45.0
    assert facts.power == {"VDD_IN": 5432.0, "VDD_CPU_GPU_CV": 1480.0, "VDD_SOC": 1560.0}
    assert facts.temperatures["tj"] == 48.5 and facts.temperatures["GPU"] == 47.25
    del answers["jetson_clocks"]  # it needs root
    assert read_facts(tmp_path, tools(answers)).gpu == (611.0, 611.0)


def test_tegrastats_of_jetpack_4_and_6() -> None:
    new, old = tegrastats(transcript("tegrastats_jetpack6")), tegrastats(transcript("tegrastats_jetpack4"))
    assert new is not None and (new.load, new.clock) == (45.0, 611.0)
    assert old is not None and (old.load, old.clock) == (99.0, 921.0)
    assert old.power == {"POM_5V_IN": 2380.0, "POM_5V_GPU": 40.0, "POM_5V_CPU": 322.0}
    assert "PMIC" not in old.temperatures and old.temperatures["CPU"] == 33.5
    for text in (None, "", "tegrastats: command not found", "RAM ", "x" * 9000):
        assert tegrastats(text) is None
    bare = tegrastats("RAM 1/2MB CPU [off] GR3D_FREQ 0%")
    assert bare is not None and bare.clock is None and bare.load == 0.0 and not bare.power


def test_clock_of_a_jetsons_gpu_and_temperature_and_clock_of_a_raspberry_pi() -> None:
    assert jetson_gpu(transcript("jetson_clocks_show")) == (306.0, 624.75)
    assert jetson_gpu("Error: Unable to open GPU") is None and jetson_gpu(None) is None
    assert pi_temperature("temp=61.8'C\n") == 61.8 and pi_clock("frequency(48)=1500398464\n") == 1500.398464
    for text in (None, "", "VCHI initialization failed", "temp=", "temp=900.0'C", "frequency(48)="):
        assert pi_temperature(text) is None and pi_clock(text) is None


def test_tegrastats_is_stopped_after_its_first_line(tmp_path: Path, monkeypatch) -> None:
    """tegrastats itself prints lines until it is stopped."""
    program = tmp_path / "tegrastats"
    program.write_text("#!/bin/sh\nwhile true; do echo 'RAM 1/2MB CPU [off] GR3D_FREQ 7%@100'; sleep 0.1; done\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    facts = read_facts(tmp_path)
    assert (facts.gpu, facts.gpu_load) == ((100.0, 100.0), 7.0)


def test_throttling_on_x86(tmp_path: Path) -> None:
    count = "sys/devices/system/cpu/cpu{}/thermal_throttle/core_throttle_count"
    facts = read_facts(tree(tmp_path / "a", {count.format(0): "0\n", count.format(1): "12\n"}), tools({}))
    assert facts.throttled == ("clock capped 12 times by heat since it started",)
    assert read_facts(tree(tmp_path / "b", {count.format(0): "0\n"}), tools({})).throttled == ()


def test_a_device_that_reports_nothing(tmp_path: Path) -> None:
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
def test_throttling_of_a_raspberry_pi(text: str | None, reasons: tuple[str, ...] | None) -> None:
    assert pi_throttled(text) == reasons


@pytest.mark.parametrize(
    ("text", "mode"),
    [(JETSON, "MODE_15W_6CORE"), ("NV Power Mode: MAXN\n0\n", "MAXN"), ("NV Power Mode:\n", None), ("no", None)],
)
def test_power_mode_of_a_jetson(text: str, mode: str | None) -> None:
    assert power_mode(text) == mode


def test_facts_of_this_machine() -> None:
    facts = read_facts()
    assert facts.processor and facts.cores >= 1 and facts.memory is not None and facts.memory > 1 << 28
    assert msgspec.json.decode(msgspec.json.encode(facts), type=Facts) == facts
