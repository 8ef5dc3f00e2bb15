"""Energy from the files of a board's power sensors. The tests write these files."""

from __future__ import annotations

import re
import sys
import time

import pytest

from edgeshift.benchmarks.latency import power
from edgeshift.benchmarks.latency.messages import PowerSample
from edgeshift.benchmarks.latency.power import Meter, Source, find_source, integrate


def write(root, files):
    """Write files under a root, each with one value."""
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


def test_power_sensors_are_found(tmp_path):
    assert find_source(tmp_path) == "this device has no power sensor: no RAPL, no Jetson rail, no battery gauge"
    for name, files, words in (
        ("a", RAPL, "RAPL package"),
        ("b", JETSON, "Jetson rail VDD_IN"),
        ("c", BATTERY, "battery gauge"),
    ):
        write(tmp_path / name, files)
        source = find_source(tmp_path / name)
        assert isinstance(source, Source) and source.name == words
    write(tmp_path / "d", {**JETSON, "sys/class/hwmon/hwmon3/in1_label": "VDD_SOC"})
    assert isinstance(find_source(tmp_path / "d"), str)


def test_a_counter_that_only_root_can_read_gives_a_reason_instead_of_a_sensor(tmp_path, monkeypatch):
    write(tmp_path, RAPL)
    original = type(tmp_path).read_text

    def denied(self, *arguments):
        if self.name == "energy_uj":
            raise PermissionError
        return original(self, *arguments)

    monkeypatch.setattr(type(tmp_path), "read_text", denied)
    assert re.fullmatch(r"only root can read .*energy_uj", str(find_source(tmp_path)))


def test_energy_of_a_counter_that_restarts(tmp_path, monkeypatch):
    write(tmp_path, {"uj": 900_000})
    source = Source("RAPL package", ((tmp_path / "uj", 1_000_000),))
    monkeypatch.setattr(power, "MIN_SECONDS", 0.0)
    meter = Meter(source)
    with meter.measured():
        write(tmp_path, {"uj": 400_000})
    assert meter.energy.joules == pytest.approx(0.5) and meter.energy.source == "RAPL package"
    assert meter.energy.reason is None and meter.energy.idle is None


def test_all_packages_are_found_and_counters_may_restart_more_than_once(tmp_path, monkeypatch):
    second = {name.replace("rapl:0", "rapl:1").replace("package-0", "package-1"): text for name, text in RAPL.items()}
    second["sys/class/powercap/intel-rapl:1/name"] = "package-1"
    write(tmp_path, {**RAPL, **second})
    source = find_source(tmp_path)
    assert isinstance(source, Source) and source.name == "RAPL package, 2 of them" and len(source.counters) == 2
    write(tmp_path, {"uj": 0})
    monkeypatch.setattr(power, "MIN_SECONDS", 0.0)
    meter = Meter(Source("RAPL package", ((tmp_path / "uj", 1_000_000),)))
    with meter.measured():
        for value in (700_000, 400_000, 100_000):  # it restarts twice
            write(tmp_path, {"uj": value})
            meter.tick()
    assert meter.energy.joules == pytest.approx(2.1)


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging", "Unknown"])
def test_the_gauge_of_a_battery_that_is_charged_is_not_used(tmp_path, status):
    write(tmp_path, {**BATTERY, "sys/class/power_supply/battery/status": status})
    assert find_source(tmp_path) == f"the battery is {status.lower()}, so its gauge includes the charger"


def test_equal_readings_of_a_gauge_do_not_count_as_samples(tmp_path, monkeypatch):
    write(tmp_path, BATTERY)
    monkeypatch.setattr(power, "MIN_SECONDS", 0.0)
    meter = Meter(find_source(tmp_path))
    with meter.measured():
        time.sleep(0.3)  # all readings are equal
    assert meter.energy.joules is None and "gave 0.0 samples per second" in str(meter.energy.reason)


def sampling_command(*samples, wait=0.0):
    """Return a function for ``_own_command`` whose program prints samples (seconds, watts), and then waits."""
    lines = "".join(f"write_message(PowerSample(seconds={seconds}, watts={watts}));" for seconds, watts in samples)
    code = (
        "import time; from edgeshift.benchmarks.devices.messages import write_message;"
        f"from edgeshift.benchmarks.latency.messages import PowerSample; {lines} time.sleep({wait})"
    )
    return lambda: [sys.executable, "-c", code]


def test_a_long_run_may_have_more_samples_than_a_pipe_holds(tmp_path, monkeypatch):
    write(tmp_path, JETSON)
    monkeypatch.setattr(power, "MIN_SECONDS", 0.0)
    code = (
        "from edgeshift.benchmarks.devices.messages import write_message;"
        "from edgeshift.benchmarks.latency.messages import PowerSample;"
        "[write_message(PowerSample(seconds=index / 25, watts=5.0)) for index in range(3000)]; open('done', 'w')"
    )
    monkeypatch.setattr(power, "_own_command", lambda: [sys.executable, "-c", code])
    monkeypatch.chdir(tmp_path)
    meter = Meter(find_source(tmp_path))
    with meter.measured():
        while not (tmp_path / "done").exists():
            time.sleep(0.01)
    assert meter.energy.seconds is not None
    assert meter.energy.joules == pytest.approx(5.0 * meter.energy.seconds)


def test_sampling_that_ends_early_gives_no_energy(tmp_path, monkeypatch):
    write(tmp_path, JETSON)
    monkeypatch.setattr(power, "MIN_SECONDS", 0.0)
    monkeypatch.setattr(power, "SLACK", 0.0)
    monkeypatch.setattr(power, "_own_command", sampling_command(*((index / 100, 5.0) for index in range(9))))
    meter = Meter(find_source(tmp_path))
    with meter.measured():
        time.sleep(0.2)
    assert meter.energy.joules is None and "was sampled for only 0 of" in str(meter.energy.reason)


def test_a_short_run_gives_no_energy(tmp_path):
    write(tmp_path, {"uj": 1})
    meter = Meter(Source("RAPL package", ((tmp_path / "uj", 0),)))
    with meter.measured():
        pass
    assert meter.energy.joules is None and "to measure energy needs 10 s" in str(meter.energy.reason)


def test_the_power_of_a_rail_is_sampled_and_integrated(tmp_path, monkeypatch):
    """5 V times 1.2 A is 6 W."""
    write(tmp_path, JETSON)
    monkeypatch.setattr(power, "MIN_SECONDS", 0.0)
    source = find_source(tmp_path)
    meter = Meter(source)
    meter.measure_idle(0.5)
    assert meter.idle == pytest.approx(6.0, rel=0.02)
    with meter.measured():
        time.sleep(0.5)
    assert meter.energy.seconds is not None
    assert meter.energy.joules == pytest.approx(6.0 * meter.energy.seconds, rel=0.1)
    assert meter.energy.idle == meter.idle


def test_a_slow_gauge_gives_no_energy(tmp_path, monkeypatch):
    write(tmp_path, JETSON)
    monkeypatch.setattr(power, "MIN_SECONDS", 0.0)
    monkeypatch.setattr(power, "_own_command", sampling_command((0.0, 1.0), (9.0, 1.0), wait=9))
    meter = Meter(find_source(tmp_path))
    with meter.measured():
        time.sleep(0.1)
    assert meter.energy.joules is None and "samples per second, and 10 are needed" in str(meter.energy.reason)


def test_without_a_sensor_the_energy_has_a_reason():
    meter = Meter("no sensor")
    meter.measure_idle(5.0)  # returns at once
    with meter.measured():
        pass
    assert meter.energy.reason == "no sensor" and meter.energy.joules is None


def test_energy_is_integrated_by_the_trapezoidal_rule():
    samples = [PowerSample(seconds=seconds, watts=watts) for seconds, watts in ((0.0, 2.0), (1.0, 4.0), (3.0, 4.0))]
    assert integrate(samples) == 3.0 + 8.0
    assert integrate(samples[:1]) == 0.0
