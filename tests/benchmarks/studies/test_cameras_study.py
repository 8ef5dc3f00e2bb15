"""The study of cameras in one call: it runs, and refuses artifacts that cannot be compared."""

from __future__ import annotations

import json

import msgspec
import pytest

from edgeshift.benchmarks.studies import cameras

pytestmark = pytest.mark.slow


def test_it_times_both(made, capsys):
    one, several = (made("tsm", "int8", "onnx", **batch).path for batch in ({}, {"batch": 3}))
    assert cameras.main([str(one), str(several), "--rounds", "4", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["cameras"] == 3 and result["calls"] > 0 and result["together"] > 0
    assert cameras.main([str(one), str(several), "--rounds", "4"]) == 0
    text = capsys.readouterr().out
    assert "one call for 3 cameras" in text and result["note"] is None and "not verified here" not in text
    cameras.show(msgspec.structs.replace(cameras.measure(one, several, 1), note=cameras.NO_GPU_YET))
    assert "not verified here" in capsys.readouterr().out


def test_other_networks_are_refused(made, capsys):
    several = made("tsm", "int8", "onnx", batch=3).path
    assert cameras.main([str(made("tsm", "fp32", "onnx").path), str(several), "--rounds", "4"]) == 2
    assert "not the same network in the same precision" in capsys.readouterr().err
    assert cameras.main([str(several), str(several), "--rounds", "4"]) == 2
    assert "use Model.cameras()" in capsys.readouterr().err
