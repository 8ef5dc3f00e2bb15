"""Energy out of trees of files as boards have them (no board was here), and its arithmetic."""

from __future__ import annotations

import sys
import time

import pytest

from edgeshift.benchmarks.latency import power
from edgeshift.benchmarks.latency.power import Meter, Source, find_source, integrate


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


RAPL = {
    "sys/class/powercap/intel-rapl:0/name": "package-0",
    "sys/class/powercap/intel-rapl:0/energy_uj": 5_000_000,
    "sys/class/powercap/intel-rapl:0/max_energy_range_uj": 262_143_328_850,
    "sys/class/powercap/intel-rapl:0:0/name": "core",
}
JETSON = {
    "sys/class/hwmon/hwmon3/in1_label": "VDD_IN",
    "sys/class/hwmon/hwmon3/in1_input": 5000,
    "sys/class/hwmon/hwmon3/curr1_input": 1200,
    "sys/class/hwmon/hwmon3/in2_label": "VDD_CPU_GPU_CV",
}
BATTERY = {
    "sys/class/power_supply/battery/current_now": -250_000,
    "sys/class/power_supply/battery/voltage_now": 4_000_000,
    "sys/class/power_supply/battery/status": "Discharging",
}


def test_sources(tmp_path):
    assert find_source(tmp_path) == "nothing here measures power: no RAPL, no Jetson rail, no battery gauge"
    for name, files, words in (
        ("a", RAPL, "RAPL package"),
        ("b", JETSON, "Jetson rail VDD_IN"),
        ("c", BATTERY, "battery gauge"),
    ):
        write(tmp_path / name, files)
        found = find_source(tmp_path / name)
        assert isinstance(found, Source) and found.name == words
    write(tmp_path / "d", {**JETSON, "sys/class/hwmon/hwmon3/in1_label": "VDD_SOC"})
    assert isinstance(find_source(tmp_path / "d"), str)


def test_a_counter_that_only_root_reads_is_said(tmp_path, monkeypatch):
    write(tmp_path, RAPL)
    original = type(tmp_path).read_text

    def denied(self, *arguments):
        if self.name == "energy_uj":
            raise PermissionError
        return original(self, *arguments)

    monkeypatch.setattr(type(tmp_path), "read_text", denied)
    assert str(find_source(tmp_path)).endswith("energy_uj can be read by root only")


def test_counter(tmp_path, monkeypatch):
    """What was counted in the block, over the end of the counter too; the idle power is another stretch."""
    write(tmp_path, {"uj": 900_000})
    source = Source("RAPL package", ((tmp_path / "uj", 1_000_000),))
    monkeypatch.setattr(power, "LEAST_SECONDS", 0.0)
    meter = Meter(source)
    with meter.measured():
        write(tmp_path, {"uj": 400_000})
    assert meter.energy.joules == pytest.approx(0.5) and meter.energy.source == "RAPL package"
    assert meter.energy.reason is None and meter.energy.idle is None


def test_every_package_counts_and_may_start_again_more_than_once(tmp_path, monkeypatch):
    second = {name.replace("rapl:0", "rapl:1").replace("package-0", "package-1"): text for name, text in RAPL.items()}
    second["sys/class/powercap/intel-rapl:1/name"] = "package-1"
    write(tmp_path, {**RAPL, **second})
    source = find_source(tmp_path)
    assert isinstance(source, Source) and source.name == "RAPL package, 2 of them" and len(source.counters) == 2
    write(tmp_path, {"uj": 0})
    monkeypatch.setattr(power, "LEAST_SECONDS", 0.0)
    meter = Meter(Source("RAPL package", ((tmp_path / "uj", 1_000_000),)))
    with meter.measured():
        for value in (700_000, 400_000, 100_000):  # twice over the end
            write(tmp_path, {"uj": value})
            meter.tick()
    assert meter.energy.joules == pytest.approx(2.1)


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging", "Unknown"])
def test_a_phone_on_a_charger_tells_nothing(tmp_path, status):
    write(tmp_path, {**BATTERY, "sys/class/power_supply/battery/status": status})
    assert find_source(tmp_path) == f"the battery is {status.lower()}: its gauge tells what the charger does"


def test_a_gauge_that_is_read_more_often_than_it_measures(tmp_path, monkeypatch):
    write(tmp_path, BATTERY)
    monkeypatch.setattr(power, "LEAST_SECONDS", 0.0)
    meter = Meter(find_source(tmp_path))
    with meter.measured():
        time.sleep(0.5)  # the same figure all the time: 25 readings a second, none of them new
    assert meter.energy.joules is None and "gave 0.0 samples a second" in str(meter.energy.reason)


def test_sampling_that_ends_early_is_said(tmp_path, monkeypatch):
    write(tmp_path, JETSON)
    monkeypatch.setattr(power, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(power, "SLACK", 0.0)
    code = "for n in range(9): print(n / 100, 5.0, flush=True)"
    monkeypatch.setattr(power, "_myself", lambda: [sys.executable, "-c", code])
    meter = Meter(find_source(tmp_path))
    with meter.measured():
        time.sleep(0.6)
    assert meter.energy.joules is None and "was read for 0 of" in str(meter.energy.reason)


def test_too_short(tmp_path):
    write(tmp_path, {"uj": 1})
    meter = Meter(Source("RAPL package", ((tmp_path / "uj", 0),)))
    with meter.measured():
        pass
    assert meter.energy.joules is None and "an energy needs 10 s" in str(meter.energy.reason)


def test_rails_are_sampled_in_a_process_of_their_own(tmp_path, monkeypatch):
    """5 V and 1.2 A for a second are 6 joules. The process is gone afterwards."""
    write(tmp_path, JETSON)
    monkeypatch.setattr(power, "LEAST_SECONDS", 0.0)
    source = find_source(tmp_path)
    meter = Meter(source)
    meter.rest(0.5)
    assert meter.idle == pytest.approx(6.0, rel=0.02)
    with meter.measured():
        time.sleep(0.5)
    assert meter.energy.seconds is not None
    assert meter.energy.joules == pytest.approx(6.0 * meter.energy.seconds, rel=0.1)
    assert meter.energy.idle == meter.idle


def test_a_slow_gauge_is_not_believed(tmp_path, monkeypatch):
    write(tmp_path, JETSON)
    monkeypatch.setattr(power, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(
        power, "_myself", lambda: [sys.executable, "-c", "import time; print('0 1\\n9 1', flush=True); time.sleep(9)"]
    )
    meter = Meter(find_source(tmp_path))
    with meter.measured():
        time.sleep(0.5)
    assert meter.energy.joules is None and "samples a second; 10 are needed" in str(meter.energy.reason)


def test_no_source():
    meter = Meter("nothing here")
    meter.rest(5.0)  # does not wait
    with meter.measured():
        pass
    assert meter.energy.reason == "nothing here" and meter.energy.joules is None


def test_integrate():
    assert integrate([(0.0, 2.0), (1.0, 4.0), (3.0, 4.0)]) == 3.0 + 8.0
    assert integrate([(0.0, 2.0)]) == 0.0
