"""Events in drawn streams: the streams that are fed, the counts, and the output."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from clip_doubles import HOP, T, clip_model
from doubles import SIZE, LeakyExecutor, model, stream_spec

from edgeshift.artifact.description import RuleSpec
from edgeshift.benchmarks.studies import events
from edgeshift.events.spotter import Detection
from edgeshift.gestures import STROKES, DrawnStream, draw_stream

LABELS = ("left", "right", "up", "none")
RULE = RuleSpec(window=2, threshold=0.5, hold_off=0.5)
KNOWN = {label: STROKES[label] for label in LABELS[:3]}
SEEDS = range(events.FIRST_SEED, events.FIRST_SEED + 2)


class ScriptedExecutor(LeakyExecutor):
    """Computes logits that announce only the first stroke of each stream, with the right label in stream 0 only."""

    def __init__(self, spec) -> None:
        super().__init__(spec)
        self.resets = -1  # the states are reset when a stream is made, and before each drawn stream

    def set_states(self, states) -> None:
        super().set_states(states)
        self.frames.clear()
        self.resets += 1

    def logits(self, level, colour):
        drawn = streams()[self.resets - 1]
        event, time = drawn.events[0], drawn.times[len(self.frames) - 1]
        label = LABELS.index(event.label) + self.resets - 1
        return 9.0 * np.eye(4)[[label % 3 if 0 <= time - event.end <= 2 else 3]]


@cache
def streams() -> list[DrawnStream]:
    """Return the first two streams of seed 0, as the study draws them."""
    return [draw_stream(s, seconds=events.SECONDS, spacing=1.0, size=SIZE, strokes=KNOWN) for s in SEEDS]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file from which the double is loaded. It takes one frame per second, so that drawing is fast."""
    spec = stream_spec(labels=LABELS, frame_spacing=1.0, rule=RULE)
    path = tmp_path / "double.tflite"
    path.write_bytes(b"anything")
    monkeypatch.setattr("edgeshift.runtimes.load", lambda _, **_options: model(spec, ScriptedExecutor))
    return path


def test_announcements_in_a_stream_are_counted(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def draw(seed: int, **options):
        calls.append((seed, options))
        return streams()[seed - events.FIRST_SEED]

    monkeypatch.setattr(events, "draw_stream", draw)
    report = events.measure(file, 2)
    assert [seed for seed, _ in calls] == list(SEEDS)
    assert all(options["seconds"] == 60 and options["size"] == SIZE for _, options in calls)
    assert set(calls[0][1]["strokes"]) == set(KNOWN)
    assert (report.precision.count, report.precision.total) == (1, 2)
    assert report.false_per_minute == 0.5
    assert {row.label: row.right for row in report.labels}[streams()[0].events[0].label] == 1
    assert sum(row.right + row.missed for row in report.labels) == report.recall.total > 4
    assert report.delay == {"p50": None, "p90": None}  # too few announcements
    assert not report.assumed and report.rule == RULE


def test_only_fresh_answers_of_a_clip_artifact_count(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, _ = clip_model(labels=LABELS, frame_spacing=1.0, rule=RULE)
    monkeypatch.setattr("edgeshift.runtimes.load", lambda _, **_options: clip)
    times = []
    monkeypatch.setattr(events.Stream, "spotter", lambda *_: SimpleNamespace(feed=lambda _, time: times.append(time)))
    report = events.measure(file, 1)
    drawn = streams()[0].times
    assert times == list(drawn[T - 1 :: HOP]) and 10 < len(times) < len(drawn)
    assert report.hop == HOP
    events.show(report)
    assert "over 2 answers" in " ".join(capsys.readouterr().out.split())


def test_detections_count_for_their_own_label_only():
    drawn = streams()[0]
    event = next(e for e in drawn.events if e.begin > 0 and e.end < 57)
    other = next(label for label in KNOWN if label != event.label)
    detections = [Detection(event.label, 0.9, event.end), Detection(other, 0.9, 0.0)]
    scores = events.score_by_label(detections, drawn.events, 60)
    assert scores[event.label].right == 1 and scores[event.label].false == 0
    assert scores[other].false == 1
    assert events.score_by_label([], [], 60) == {}


def test_json_is_one_document_and_the_text_has_the_same_figures(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert events.main([str(file), "--minutes", "1", "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert err == "" and document["streams"] == 1 and document["file"] == "double.tflite"
    assert events.main([str(file), "--minutes", "1"]) == 0
    out = capsys.readouterr().out
    for words in ("precision", "recall", "false alarms per minute", "delay", "untrained", "left", "event rule"):
        assert words in " ".join(out.split())


@pytest.mark.parametrize(
    "options", [["--minutes", "0"], ["--seed", "-1"], ["--seed", "300000"], ["--minutes", "10001"]]
)
def test_the_error_for_a_number_out_of_range_is_one_line(file: Path, options: list[str], capsys) -> None:
    assert events.main([str(file), *options]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_model_without_drawn_labels_is_an_error(file: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("edgeshift.runtimes.load", lambda _, **_options: model(stream_spec(rule=RULE)))
    assert events.main([str(file)]) == 2
    assert "none of its labels is a gesture" in capsys.readouterr().err


def test_seeds_stay_below_those_of_training() -> None:
    assert events.FIRST_SEED + events.SEEDS * events.STREAMS_PER_SEED <= 1 << 32
