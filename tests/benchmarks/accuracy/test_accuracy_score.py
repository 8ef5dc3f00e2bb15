"""Predictions for a clip from the logits of its frames, and accuracies from the predictions for clips."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from doubles import LABELS, stream_spec

from edgeshift.artifact.description import RuleSpec
from edgeshift.benchmarks.accuracy.clip import FrameLogits
from edgeshift.benchmarks.accuracy.measure import Measured
from edgeshift.benchmarks.accuracy.report import make_report
from edgeshift.benchmarks.accuracy.score import ClipScore, score_clip
from edgeshift.benchmarks.statistics import mcnemar, share
from edgeshift.events.spotter import Detection
from edgeshift.video.dataset import DataSet

RULE = RuleSpec(window=2, threshold=0.6, hold_off=1.0)


def frame_logits(*rows: tuple[float, ...]) -> FrameLogits:
    """Return logits for probabilities of red, green, blue and none, one row per frame, with a frame every 0.25 s."""
    logits = np.log(np.array(rows) + 1e-9).astype(np.float32)
    return FrameLogits(np.arange(len(rows)) * 0.25, logits)


RED, GREEN, NONE = (0.9, 0.04, 0.03, 0.03), (0.03, 0.9, 0.04, 0.03), (0.02, 0.03, 0.01, 0.94)


def test_the_kinds_of_predictions_differ():
    clip = score_clip("c.mp4", "red", frame_logits(NONE, RED, RED, NONE, GREEN, NONE, GREEN, NONE, GREEN), RULE, LABELS)
    assert (clip.consensus, clip.last, clip.window, clip.spotted) == ("green", "green", "red", "red")
    assert clip.score == pytest.approx(0.9, abs=1e-5)
    assert clip.frames == 9 and clip.seconds == 2.0 and clip.first == 3
    assert clip.idle == pytest.approx(4 / 9, abs=1e-6)
    assert [(detection.label, detection.timestamp) for detection in clip.announced] == [("red", 0.5)]


def test_the_consensus_is_the_mean_or_the_last_frame_as_in_training():
    frames = frame_logits(RED, RED, GREEN)
    assert score_clip("c.mp4", "red", frames, RULE, LABELS).consensus == "red"
    assert score_clip("c.mp4", "red", frames, RULE, LABELS, "last").consensus == "green"


def test_the_running_prediction_is_that_of_the_mean_of_the_first_frames():
    clip = score_clip("c.mp4", "red", frame_logits(*[GREEN] * 4, *[NONE] * 2, *[RED] * 7), RULE, LABELS)
    assert clip.running == ("green", "green", "red", "red", "red", "red") and clip.consensus == clip.running[-1]
    short = score_clip("c.mp4", "red", frame_logits(GREEN, RED, RED), RULE, LABELS)
    assert short.running == ("red",) * 6
    last = score_clip("c.mp4", "red", frame_logits(RED, RED, GREEN), RULE, LABELS, "last")
    assert (last.consensus, last.running[-1]) == ("green", "red")


def test_no_gesture_is_never_predicted_for_a_clip():
    clip = score_clip("c.mp4", "green", frame_logits(NONE, NONE, NONE), RULE, LABELS)
    assert (clip.consensus, clip.last, clip.window, clip.spotted) == ("green", "green", "green", None)
    assert clip.first is None and clip.idle == 1.0


def test_a_model_without_a_label_for_no_gesture_has_no_idle_share():
    clip = score_clip("c.mp4", "odd", frame_logits(NONE), RULE, ("red", "green", "blue", "black"))
    assert clip.idle is None and clip.consensus == "black" and clip.first is None


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # Values of R's binom.confint(x, n, methods="wilson") and of Newcombe (1998), table 1.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_equals_published_values(count, total, low, high):
    wilson = share(count, total)
    assert (wilson.low, wilson.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    mirrored = share(total - count, total)
    assert (mirrored.low, mirrored.high) == (pytest.approx(1 - high, abs=1e-4), pytest.approx(1 - low, abs=1e-4))


def test_a_share_of_no_clips_has_no_value():
    assert share(0, 0).value is None and str(share(0, 0)) == "-"
    assert str(share(1, 2)) == "50.0% (9.5% to 90.5%, 1 of 2)"


def test_mcnemars_test_is_the_sign_test():
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1.0
    assert mcnemar(0, 5) == mcnemar(5, 0) == 2 / 32
    assert mcnemar(2, 9) == pytest.approx(2 * (1 + 11 + comb(11, 2)) / 2**11)
    assert 0 <= mcnemar(0, 5000) < 1e-300 or mcnemar(0, 5000) == 0.0


def scored(file: str, label: str, consensus: str, spotted: str | None = None, first: int | None = None) -> ClipScore:
    announced = (Detection(spotted, 0.8, 1.0),) if spotted else ()
    return ClipScore(
        file=file,
        label=label,
        frames=4,
        seconds=1.0,
        last="blue",
        window=consensus,
        consensus=consensus,
        score=0.8,
        first=first,
        running=("blue", *[consensus] * 5),
        idle=0.25,
        announced=announced,
    )


def measured(file: str, *clips: ClipScore, **changes) -> Measured:
    return Measured(file, "0" * 64, "double 1.0", stream_spec(**changes), RULE, clips)


FIRST = measured(
    "first.tflite",
    scored("1", "red", "red", "red", first=3),
    scored("2", "red", "green", "green"),
    scored("3", "green", "green", None, first=2),
    scored("4", "blue", "blue", "blue", first=8),
    scored("5", "odd", "red", None),
    scored("6", "odd", "red", "red"),
    scored("7", "none", "red", None),
)


def test_a_report_counts_clips_by_label_and_prediction():
    (subject,) = make_report([FIRST], DataSet("data", ()), subset=["red", "blue"]).subjects
    assert {name: (s.count, s.total) for name, s in subject.accuracy.items()} == {
        "consensus": (3, 4),
        "window": (3, 4),
        "last": (1, 4),
        "spotted": (2, 4),
    }
    assert subject.subset is not None and (subject.subset["consensus"].count, subject.subset["last"].total) == (2, 3)
    assert [row.label for row in subject.rows] == ["red", "green", "blue"]
    assert subject.matrix == ((1, 1, 0), (0, 1, 0), (0, 0, 1))
    assert sum(map(sum, subject.matrix)) == 4
    assert [(row.clips, row.right["spotted"]) for row in subject.rows] == [(2, 1), (1, 0), (1, 1)]
    assert subject.first == 3.0
    assert list(subject.running) == ["4", "8", "12", "16", "24", "end"]
    assert [(s.count, s.total) for s in subject.running.values()] == [(1, 4)] + [(3, 4)] * 5
    assert [(row.label, row.clips, row.frames, row.silent.count) for row in subject.idle] == [
        ("none", 1, 0.25, 1),
        ("odd", 2, 0.25, 1),
    ]
    assert subject.assumed and len(subject.clips) == 7


def test_artifacts_are_compared_with_the_first_on_common_clips():
    second = measured(
        "second.tflite",
        scored("1", "red", "blue"),
        scored("2", "red", "red"),
        scored("3", "green", "red"),
        scored("6", "odd", "green"),
        scored("8", "blue", "blue"),
    )
    (compared,) = make_report([FIRST, second], DataSet("data", ())).comparisons
    assert (compared.file, compared.clips, compared.changed) == ("second.tflite", 3, 3)
    assert (compared.lost, compared.won) == (2, 1)
    assert compared.p == mcnemar(2, 1)


def test_an_artifact_with_an_event_rule_does_not_use_the_default_rule():
    (subject,) = make_report([measured("a", FIRST.clips[0], rule=RULE)], DataSet("data", ())).subjects
    assert not subject.assumed
