"""Events in drawn streams: what is fed, what is counted, and what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from doubles import SIZE, LeakyExecutor, model, stream_spec

from edgeshift.artifact.description import RuleSpec
from edgeshift.benchmarks.studies import events
from edgeshift.events.spotter import Detection
from edgeshift.gestures import STROKES, draw_stream

LABELS = ("left", "right", "up", "none")
RULE = RuleSpec(window=2, threshold=0.5, hold_off=0.5)
KNOWN = {label: STROKES[label] for label in LABELS[:3]}
SEEDS = range(events.FIRST, events.FIRST + 2)


class Knowing(LeakyExecutor):
    """Answers to the end of each stream's first stroke only: rightly in the first stream, wrongly in the second."""

    def __init__(self, spec) -> None:
        super().__init__(spec)
        self.begun = -1  # a stream resets its states when it is made, and before it is fed

    def set_states(self, states) -> None:
        super().set_states(states)
        self.frames.clear()
        self.begun += 1

    def logits(self, level, colour):
        drawn = streams()[self.begun - 1]
        event, time = drawn.events[0], drawn.times[len(self.frames) - 1]
        place = LABELS.index(event.label) + self.begun - 1
        return 9.0 * np.eye(4)[[place % 3 if 0 <= time - event.end <= 2 else 3]]


_STREAMS: list = []


def streams() -> list:
    """The two streams of seed 0, as the benchmark draws them."""
    if not _STREAMS:
        _STREAMS.extend(draw_stream(s, seconds=events.SECONDS, spacing=1.0, size=SIZE, strokes=KNOWN) for s in SEEDS)
    return _STREAMS


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that the double is loaded from: one frame a second, so that drawing takes no time."""
    spec = stream_spec(labels=LABELS, frame_spacing=1.0, rule=RULE)
    path = tmp_path / "double.tflite"
    path.write_bytes(b"anything")
    monkeypatch.setattr("edgeshift.runtimes.load", lambda _: model(spec, Knowing))
    return path


def test_what_a_stream_announces_is_counted(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(events, "draw_stream", lambda seed, **options: seen.append((seed, options)) or draw(seed))

    def draw(seed: int):
        return streams()[seed - events.FIRST]

    report = events.measure(file, 2)
    assert [seed for seed, _ in seen] == list(SEEDS)
    assert all(options["seconds"] == 60 and options["size"] == SIZE for _, options in seen)
    assert set(seen[0][1]["strokes"]) == set(KNOWN)
    assert (report.precision.count, report.precision.total) == (1, 2)
    assert report.false_per_minute == 0.5
    assert {row.label: row.right for row in report.labels}[streams()[0].events[0].label] == 1
    assert sum(row.right + row.missed for row in report.labels) == report.recall.total > 4
    assert report.delay == {"p50": None, "p90": None}  # too few to say
    assert not report.assumed and report.rule == RULE


def test_labels_are_counted_apart():
    drawn = streams()[0]
    event = next(e for e in drawn.events if e.begin > 0 and e.end < 57)
    other = next(label for label in KNOWN if label != event.label)
    spotted = [Detection(event.label, 0.9, event.end), Detection(other, 0.9, 0.0)]
    found = events.by_label(spotted, drawn.events, 60)
    assert found[event.label].right == 1 and found[event.label].false == 0
    assert found[other].false == 1
    assert events.by_label([], [], 60) == {}


def test_json_is_one_document_and_the_table_has_its_figures(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert events.main([str(file), "--minutes", "1", "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert err == "" and document["streams"] == 1 and document["file"] == "double.tflite"
    assert events.main([str(file), "--minutes", "1"]) == 0
    out = capsys.readouterr().out
    for words in ("precision", "recall", "false alarms a minute", "delay", "untrained", "left", "reaches 0.5 over 2"):
        assert words in " ".join(out.split())


@pytest.mark.parametrize(
    "options", [["--minutes", "0"], ["--seed", "-1"], ["--seed", "300000"], ["--minutes", "10001"]]
)
def test_numbers_out_of_range_are_one_line(file: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert events.main([str(file), *options]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_other_labels_are_one_line(file: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("edgeshift.runtimes.load", lambda _: model(stream_spec(rule=RULE)))
    assert events.main([str(file)]) == 2
    assert "none of its labels is a gesture" in capsys.readouterr().err


def test_seeds_keep_clear_of_training() -> None:
    assert events.FIRST + events.SEEDS * events.EACH <= 1 << 32
