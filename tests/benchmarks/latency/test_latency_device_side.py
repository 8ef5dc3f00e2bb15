"""Code that runs on the device: sensors, cool-down, locked clocks and memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from edgeshift.benchmarks.latency.clocks import locked_clocks
from edgeshift.benchmarks.latency.result import Memory, SensorReading
from edgeshift.benchmarks.latency.sensors import cool_down, read_sensors
from edgeshift.errors import DeviceError


def sensors(*degrees):
    """Return a function that returns the given readings of one sensor in turn, and then repeats the last one."""
    readings = [
        SensorReading(temperatures={"cpu": value} if value else {}, clock={}, throttled=None) for value in degrees
    ]
    return lambda: readings.pop(0) if len(readings) > 1 else readings[0]


class Clock:
    """A clock that advances only during waits."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


@pytest.mark.parametrize(
    ("degrees", "waited"),
    [((60.0,), 0.0), ((90.0, 85.0, 79.0), 10.0), ((90.0,), 60.0), ((None,), 0.0)],
    ids=["cool", "cools down", "stays hot", "not reported"],
)
def test_cool_down_waits_until_the_device_is_cool_or_the_timeout_has_passed(degrees, waited):
    clock = Clock()
    reading, seconds = cool_down(80.0, 60.0, sensors(*degrees), clock.wait, clock)
    assert seconds == waited
    assert reading.temperatures == ({"cpu": degrees[-1]} if degrees[-1] else {})


def test_sensors_of_this_machine_have_plausible_values():
    reading = read_sensors()
    assert all(-40 < value < 200 for value in reading.temperatures.values())
    assert all(value > 0 for value in reading.clock.values())


@pytest.fixture(autouse=True)
def no_jetson(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def governors(root, *values):
    """Create the files of governors, and return a function that reads them."""
    for index, value in enumerate(values):
        folder = root / f"sys/devices/system/cpu/cpu{index}/cpufreq"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "scaling_governor").write_text(f"{value}\n")
    return lambda: [path.read_text().strip() for path in sorted(root.rglob("scaling_governor"))]


def test_governors_are_restored(tmp_path):
    now = governors(tmp_path, "schedutil", "powersave")
    with locked_clocks(tmp_path):
        assert now() == ["performance", "performance"]
    assert now() == ["schedutil", "powersave"]
    with pytest.raises(ZeroDivisionError), locked_clocks(tmp_path):
        _ = 1 / 0
    assert now() == ["schedutil", "powersave"]


def test_clocks_that_cannot_be_locked_are_an_error(tmp_path, monkeypatch):
    with pytest.raises(DeviceError, match="this device shows no governors"), locked_clocks(tmp_path):
        pass
    governors(tmp_path, "schedutil")

    def denied(*_):
        raise PermissionError

    monkeypatch.setattr(type(tmp_path), "write_text", denied)
    with pytest.raises(DeviceError, match="only root can lock them"), locked_clocks(tmp_path):
        pass


def test_governors_are_restored_even_if_one_of_them_fails(tmp_path, monkeypatch, capsys):
    now = governors(tmp_path, "schedutil", "powersave", "ondemand")
    original = type(tmp_path).write_text

    def write(self, text):
        if "cpu0" in self.parts and text != "performance":
            raise OSError(5, "Input/output error")
        return original(self, text)

    monkeypatch.setattr(type(tmp_path), "write_text", write)
    with locked_clocks(tmp_path):
        pass
    assert now() == ["performance", "powersave", "ondemand"]
    assert "the clocks of cpu0 could not be restored" in capsys.readouterr().err


def test_an_error_inside_the_block_is_raised_unchanged(tmp_path):
    governors(tmp_path, "schedutil")
    with pytest.raises(PermissionError, match="something else"), locked_clocks(tmp_path):
        raise PermissionError("something else")


def test_the_clocks_of_a_jetson_are_locked_by_jetson_clocks(tmp_path, monkeypatch):
    """Here, jetson_clocks is a script that records its arguments."""
    program, record = tmp_path / "jetson_clocks", tmp_path / "record"
    program.write_text(f'#!/bin/sh\necho "$1" >> {record}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with locked_clocks(tmp_path):
        assert record.read_text().split() == ["--store"]
    assert record.read_text().split() == ["--store", "--restore"]
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(DeviceError, match=r"jetson_clocks failed: .*; run as root"), locked_clocks(tmp_path):
        pass


ALLOCATES = """
import sys
sys.path.insert(0, sys.argv[1])
import msgspec
import numpy as np
from doubles import model
from edgeshift.benchmarks.latency import memory

kept = []
def load():
    kept.append(np.ones(1 << 26, np.uint8))
    return model().stream()

measured = memory.measure_memory(load, [np.zeros((64, 64, 3), np.uint8)])
kept.clear()
print(msgspec.json.encode((measured, memory.resident())).decode())
"""


def test_allocating_and_releasing_64_mb_shows_in_the_resident_memory():
    """It runs in a new process, which has no other memory that it could release."""
    argv = [sys.executable, "-c", ALLOCATES, str(Path(__file__).parents[2])]
    output = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    measured, after = msgspec.json.decode(output, type=tuple[Memory, int])
    assert measured.loaded - measured.before > 60 << 20
    assert measured.peak >= measured.loaded
    assert after < measured.loaded - (50 << 20)
