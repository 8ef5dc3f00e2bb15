"""Smoothing by the artifact's event rule, a running mean, the rule of the Jester demo, or not at all; masked labels."""

from __future__ import annotations

import numpy as np
import pytest
from doubles import LABELS, stream_spec, tensor
from scene import RULE

from edgeshift.apps.camera.engine.smoothing import HELD, JESTER_MASK, Smoother, make_smoother
from edgeshift.errors import EdgeshiftError
from edgeshift.events.spotter import Spotter
from edgeshift.models.config import ModelConfig

JESTER = ("Doing other things", "Drumming Fingers", "No gesture", "Rolling Hand Forward", "Swiping Left", "Thumb Up")


def jester_smoother() -> Smoother:
    spec = stream_spec(
        labels=JESTER,
        output=tensor("logits", 1, len(JESTER)),
        model=ModelConfig("tsm", "mobilenet_v2", len(JESTER), size=64),
    )
    return make_smoother("jester", spec)


def logits(label: str, labels=LABELS, height: float = 8.0):
    row = np.zeros(len(labels), np.float32)
    row[list(labels).index(label)] = height
    return row


def feed(smoother: Smoother, names, labels=LABELS, spacing=0.25):
    return [smoother.feed(logits(name, labels), index * spacing) for index, name in enumerate(names)]


def events(states):
    return [state.event.label for state in states if state.event is not None]


def test_smoothing_none_announces_each_change_to_a_gesture():
    states = feed(make_smoother("none", stream_spec()), ["none", "red", "red", "none", "red", "blue"])
    assert [state.label for state in states] == ["none", "red", "red", "none", "red", "blue"]
    assert events(states) == ["red", "red", "blue"]
    assert states[0].idle and not states[1].idle and states[1].score > 0.99
    assert states[5].event is not None and states[5].event.timestamp == 1.25


def test_smoothing_mean_ignores_a_single_deviating_frame():
    names = ["none"] * 5 + ["red"] + ["none"] * 5 + ["blue"] * 5
    states = feed(make_smoother("mean", stream_spec()), names)
    assert events(states) == ["blue"]
    # The window has five frames, so blue has the majority from its third frame on.
    assert [state.label for state in states[11:14]] == ["none", "none", "blue"]
    assert states[13].score == pytest.approx(0.6, abs=0.01)


def test_smoothing_rule_announces_the_detections_of_the_spotter_and_shows_them_for_a_while():
    spec = stream_spec(rule=RULE)
    names = ["none"] * 3 + ["red"] * 4 + ["none"] * 20 + ["green"] * 2 + ["none"]
    states = feed(make_smoother(None, spec), names)
    spotter = Spotter(RULE, LABELS)
    wanted = [spotter.feed(logits(name), index * 0.25) for index, name in enumerate(names)]
    assert [state.event for state in states] == wanted and events(states) == ["red", "green"]
    first = next(index for index, state in enumerate(states) if state.event)
    held = [state for state in states[first:] if state.announced and state.label == "red"]
    assert len(held) == HELD / 0.25
    # Before the announcement, the leading label is shown.
    assert states[first - 1].label in ("none", "red") and not states[first - 1].announced


def test_an_artifact_without_a_rule_gets_the_default_rule_which_announces_nothing_on_the_first_frame():
    assert type(make_smoother(None, stream_spec())) is type(make_smoother("rule", stream_spec()))
    states = feed(make_smoother(None, stream_spec()), ["red"] * 8 + ["none"] * 8)
    assert states[0].event is None and events(states) == ["red"]


def test_both_labels_of_jester_that_are_not_gestures_are_idle_and_never_announced():
    spec = stream_spec(
        labels=JESTER,
        output=tensor("logits", 1, len(JESTER)),
        model=ModelConfig("tsm", "mobilenet_v2", len(JESTER), size=64),
    )
    states = feed(make_smoother(None, spec), ["Doing other things"] * 20 + ["No gesture"] * 20, JESTER)
    assert not events(states) and all(state.idle for state in states)
    assert events(feed(make_smoother(None, spec), ["No gesture"] * 9 + ["Thumb Up"] * 20, JESTER)) == ["Thumb Up"]


def test_an_unknown_smoothing_is_an_error():
    with pytest.raises(EdgeshiftError, match="unknown smoothing 'jestr'; did you mean jester"):
        make_smoother("jestr", stream_spec())
    feed(make_smoother("none", stream_spec(), ["label of another artifact"]), ["red"])


def test_smoothing_jester_sums_logits_and_shows_a_label_for_at_least_two_frames():
    smoother = jester_smoother()
    # The first gesture is shown at once. The logits grow, so that each sum is largest for the newest label.
    rows = [("Swiping Left", 1), ("Thumb Up", 10), ("Swiping Left", 100), ("Thumb Up", 1000), ("Thumb Up", 1)]
    states = [smoother.feed(logits(name, JESTER, height), index * 0.1) for index, (name, height) in enumerate(rows)]
    assert [state.label for state in states] == ["Swiping Left", "Swiping Left", "Swiping Left", "Thumb Up", "Thumb Up"]
    assert events(states) == ["Swiping Left", "Thumb Up"]


def test_smoothing_jester_covers_twelve_frames():
    smoother = jester_smoother()
    states = feed(smoother, ["Swiping Left"] * 12 + ["Thumb Up"] * 12, JESTER)
    # At six of twelve frames the two labels are tied, and the one with the lower index is shown.
    assert [state.label for state in states].index("Thumb Up") == 12 + 6


def test_smoothing_jester_treats_both_idle_labels_alike_and_masks_labels_that_are_often_confused():
    states = feed(jester_smoother(), ["Doing other things"] * 3, JESTER)
    assert [state.label for state in states] == ["Doing other things"] * 3 and not events(states)
    assert all(state.idle for state in states)
    assert "Rolling Hand Forward" in JESTER_MASK
    smoother = jester_smoother()
    rows = [("Swiping Left", 1), ("Swiping Left", 1), ("Rolling Hand Forward", 50), ("Rolling Hand Forward", 50)]
    states = [smoother.feed(logits(name, JESTER, height), index * 0.1) for index, (name, height) in enumerate(rows)]
    # A masked label leaves the shown label as it is.
    assert [state.label for state in states] == ["Swiping Left"] * 4 and events(states) == ["Swiping Left"]


@pytest.mark.parametrize("name", ["none", "mean", "rule", "jester"])
def test_a_masked_label_is_never_shown_nor_announced(name):
    smoother = make_smoother(name, stream_spec(rule=RULE), ["red"])
    states = feed(smoother, ["none"] * 4 + ["red"] * 8 + ["none"] * 8 + ["blue"] * 8)
    assert events(states) == ["blue"]
    assert "red" not in {state.label for state in states}
