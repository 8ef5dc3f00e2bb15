"""The study of competing load, shortened: a busy process per core makes a run invalid."""

from __future__ import annotations

import json

import msgspec
import pytest

from edgeshift.benchmarks.latency import mode
from edgeshift.benchmarks.studies import disturbance
from edgeshift.benchmarks.studies.disturbance import Disturbance, Run

IDLE = Run(undisturbed=True, tail_ok=True, valid=True, competing=0.01, tail=1.1, load=0.1)
BUSY = Run(undisturbed=False, tail_ok=True, valid=False, competing=0.5, tail=1.1, load=2.0)


def test_the_goal_is_that_all_busy_runs_and_no_idle_run_are_noticed():
    assert Disturbance("f", "rapid", 2, (IDLE,) * 10, (BUSY,) * 10).good
    assert not Disturbance("f", "rapid", 2, (IDLE,) * 10, (*(BUSY,) * 9, IDLE)).good
    assert not Disturbance("f", "rapid", 2, (*(IDLE,) * 9, BUSY), (BUSY,) * 10).good
    long_tail = msgspec.structs.replace(IDLE, tail_ok=False, tail=15.0)
    result = Disturbance("f", "rapid", 2, (long_tail,), (BUSY,))
    assert result.false_alarms == 1 and not result.good


def test_the_runs_are_printed(capsys):
    disturbance.show(Disturbance("f.tflite", "rapid", 2, (IDLE,) * 2, (BUSY,) * 2))
    assert capsys.readouterr().out.splitlines()[-1] == ("marked as not valid: 0 of 2, and 2 of 2 beside busy processes")


@pytest.mark.slow
def test_a_busy_process_per_core_is_noticed(made, monkeypatch, capsys):
    monkeypatch.setitem(mode.MODES, "rapid", mode.Length(64, 1.0, 3))
    disturbance.main([str(made("tsm", "int8").path), "--runs", "1", "--json"])
    (run,) = json.loads(capsys.readouterr().out)["busy"]
    assert run["undisturbed"] is False and not run["valid"] and run["competing"] > 0.2
    assert disturbance.main(["gone.tflite"]) == 2
    assert "gone.tflite: no such file" in capsys.readouterr().err
