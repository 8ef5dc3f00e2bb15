"""Heat, clocks and memory around a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from edgeshift.benchmarks.latency import clocks
from edgeshift.benchmarks.latency.reading import cool_down, read
from edgeshift.benchmarks.latency.result import Memory, Reading
from edgeshift.errors import DeviceError


def hot(*degrees):
    readings = [Reading(temperatures={"cpu": value} if value else {}, clock={}, throttled=None) for value in degrees]
    return lambda: readings.pop(0) if len(readings) > 1 else readings[0]


class Watch:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def rest(self, seconds):
        self.now += seconds


@pytest.mark.parametrize(
    ("degrees", "waited"),
    [((60.0,), 0.0), ((90.0, 85.0, 79.0), 10.0), ((90.0,), 60.0), ((None,), 0.0)],
    ids=["cool", "cools down", "stays hot", "not told"],
)
def test_waits_for_the_heat(degrees, waited):
    watch = Watch()
    reading, seconds = cool_down(80.0, 60.0, hot(*degrees), watch.rest, watch)
    assert seconds == waited
    assert reading.temperatures == ({"cpu": degrees[-1]} if degrees[-1] else {})


def test_reading_is_of_this_machine():
    reading = read()
    assert all(-40 < value < 200 for value in reading.temperatures.values())
    assert all(value > 0 for value in reading.clock.values())


def governors(root, *values):
    for index, value in enumerate(values):
        folder = root / f"sys/devices/system/cpu/cpu{index}/cpufreq"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "scaling_governor").write_text(f"{value}\n")
    return lambda: [path.read_text().strip() for path in sorted(root.rglob("scaling_governor"))]


def test_clocks_are_put_back(tmp_path, monkeypatch):
    monkeypatch.setattr(clocks.shutil, "which", lambda _: None)
    now = governors(tmp_path, "schedutil", "powersave")
    with clocks.locked(tmp_path):
        assert now() == ["performance", "performance"]
    assert now() == ["schedutil", "powersave"]
    with pytest.raises(ZeroDivisionError), clocks.locked(tmp_path):
        _ = 1 / 0
    assert now() == ["schedutil", "powersave"]


def test_clocks_that_cannot_be_locked(tmp_path, monkeypatch):
    monkeypatch.setattr(clocks.shutil, "which", lambda _: None)
    with pytest.raises(DeviceError, match="this device shows no governors"), clocks.locked(tmp_path):
        pass
    governors(tmp_path, "schedutil")

    def denied(*_):
        raise PermissionError

    monkeypatch.setattr(type(tmp_path), "write_text", denied)
    with pytest.raises(DeviceError, match="by root only"), clocks.locked(tmp_path):
        pass


def test_one_clock_that_cannot_be_put_back_does_not_keep_the_others(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(clocks.shutil, "which", lambda _: None)
    now = governors(tmp_path, "schedutil", "powersave", "ondemand")
    original = type(tmp_path).write_text

    def write(self, text):
        if "cpu0" in self.parts and text != "performance":
            raise OSError(5, "Input/output error")
        return original(self, text)

    monkeypatch.setattr(type(tmp_path), "write_text", write)
    with clocks.locked(tmp_path):
        pass
    assert now() == ["performance", "powersave", "ondemand"]
    assert "the clocks of cpu0 could not be put back" in capsys.readouterr().err


def test_what_the_run_is_refused_is_not_the_clocks_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(clocks.shutil, "which", lambda _: None)
    governors(tmp_path, "schedutil")
    with pytest.raises(PermissionError), clocks.locked(tmp_path):
        raise PermissionError("of something else")


def test_a_jetson_is_locked_by_its_own_tool(tmp_path, monkeypatch):
    """A program of that name which keeps a record; no Jetson was here."""
    program, record = tmp_path / "jetson_clocks", tmp_path / "record"
    program.write_text(f'#!/bin/sh\necho "$1" >> {record}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with clocks.locked(tmp_path):
        assert record.read_text().split() == ["--store"]
    assert record.read_text().split() == ["--store", "--restore"]
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(DeviceError, match=r"jetson_clocks failed: .*; run as root"), clocks.locked(tmp_path):
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

found = memory.measure_memory(load, [np.zeros((64, 64, 3), np.uint8)])
kept.clear()
print(msgspec.json.encode((found, memory.resident())).decode())
"""


def test_memory_of_what_is_loaded():
    """64 MB that are kept are seen, and seen to be let go. In a process that has nothing else to give back."""
    argv = [sys.executable, "-c", ALLOCATES, str(Path(__file__).parents[2])]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found, after = msgspec.json.decode(said, type=tuple[Memory, int])
    assert found.loaded - found.before > 60 << 20
    assert found.peak >= found.loaded
    assert after < found.loaded - (50 << 20)
