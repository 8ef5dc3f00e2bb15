"""The study of events: two artifacts get the same frames, a stopped run goes on, and different events are seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeshift.benchmarks.studies import events, same_events
from edgeshift.stream import Stream

pytestmark = pytest.mark.slow


def run(*arguments: object) -> int:
    return same_events.main([str(argument) for argument in arguments])


def test_a_stopped_run_goes_on_and_gives_the_same_answers(made, tmp_path: Path, monkeypatch, capsys):
    path, other = made("shipped").path, made("shipped", "fp32").path
    line = (path, "--against", other, "--seconds", 8, "--json")
    assert run(*line, "--out", tmp_path / "whole", "--strict") == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole["same"] and whole["frames"] >= 30 and whole["drawn"] and whole["events"][0] == whole["events"][1]

    step, steps = Stream.step, []

    def stop(self, *given, **named):
        if len(steps) == 25:
            raise KeyboardInterrupt
        steps.append(1)
        return step(self, *given, **named)

    monkeypatch.setattr(Stream, "step", stop)
    assert run(*line, "--out", tmp_path / "stopped") == 130
    capsys.readouterr()
    steps.clear()
    monkeypatch.setattr(Stream, "step", lambda *given, **named: (steps.append(1), step(*given, **named))[1])
    assert run(*line, "--out", tmp_path / "stopped") == 0
    assert json.loads(capsys.readouterr().out) == whole
    assert len(steps) == 2 * whole["frames"] - 20, "twenty frames were stored before"


def test_different_events_are_reported(made, tmp_path: Path, monkeypatch, capsys):
    answers = same_events.answers
    calls: list[np.ndarray] = []

    def changed(*given):
        calls.append(answers(*given))
        return calls[-1] if len(calls) == 1 else np.roll(calls[-1], 1, axis=1)

    monkeypatch.setattr(same_events, "answers", changed)
    path = made("shipped").path
    assert run(path, "--against", path, "--seconds", 8, "--out", tmp_path, "--strict") == 1
    assert "the events are not the same: their labels differ" in capsys.readouterr().out


def test_the_distance_of_events_is_in_frames():
    first = tuple(same_events.Announced(label, frame) for label, frame in (("up", 3), ("down", 20)))
    second = tuple(same_events.Announced(label, frame) for label, frame in (("up", 4), ("down", 18)))
    assert same_events._distance(first, second) == 2 and same_events._distance((), ()) == 0
    assert same_events._distance(first, second[:1]) is None and same_events._distance(first, second[::-1]) is None


def test_other_networks_and_damaged_results_are_refused(made, tmp_path: Path, monkeypatch, capsys):
    shipped, untrained = made("shipped").path, made("tsm").path
    assert run(shipped, "--against", untrained, "--out", tmp_path) == 2
    assert "differ in their labels, frames or frame spacing" in capsys.readouterr().err
    assert run(shipped, "--against", shipped, "--out", tmp_path, "--seconds", 2) == 0
    (stored,) = tmp_path.glob("*.npz")
    whole = stored.read_bytes()
    for damaged in (b"", b"PK damaged", whole[: len(whole) // 2]):
        stored.write_bytes(damaged)
        assert run(shipped, "--against", shipped, "--out", tmp_path, "--seconds", 2) == 2
        assert "this stored result is damaged: delete it" in capsys.readouterr().err
    monkeypatch.setattr(events, "STROKES", {"another gesture": None})
    assert run(shipped, "--against", shipped, "--out", tmp_path) == 2
    assert "none of its labels is a gesture that edgeshift can draw" in capsys.readouterr().err
