"""From answers to events: the artifact's rule, a running mean, the Jester demo's, none; and masked labels."""

from __future__ import annotations

import numpy as np
import pytest
from doubles import LABELS, stream_spec
from scene import RULE

from edgeshift.apps.camera.engine.smoothing import HELD, JESTER_MASK, Smoother, find_smoother
from edgeshift.errors import EdgeshiftError
from edgeshift.events.spotter import Spotter
from edgeshift.models.config import ModelConfig

JESTER = ("Doing other things", "Drumming Fingers", "No gesture", "Rolling Hand Forward", "Swiping Left", "Thumb Up")


def jester_spec():
    from doubles import tensor

    return stream_spec(
        labels=JESTER,
        output=tensor("logits", 1, len(JESTER)),
        model=ModelConfig("tsm", "mobilenet_v2", len(JESTER), size=64),
    )


def logits(label: str, labels=LABELS, height: float = 8.0):
    row = np.zeros(len(labels), np.float32)
    row[list(labels).index(label)] = height
    return row


def feed(smoother: Smoother, names, labels=LABELS, spacing=0.25):
    return [smoother.feed(logits(name, labels), index * spacing) for index, name in enumerate(names)]


def events(said):
    return [one.event.label for one in said if one.event is not None]


def test_none_announces_each_change_to_a_gesture():
    said = feed(find_smoother("none", stream_spec()), ["none", "red", "red", "none", "red", "blue"])
    assert [one.label for one in said] == ["none", "red", "red", "none", "red", "blue"]
    assert events(said) == ["red", "red", "blue"]
    assert said[0].idle and not said[1].idle and said[1].score > 0.99
    assert said[5].event is not None and said[5].event.timestamp == 1.25


def test_mean_does_not_follow_a_single_frame():
    names = ["none"] * 5 + ["red"] + ["none"] * 5 + ["blue"] * 5
    said = feed(find_smoother("mean", stream_spec()), names)
    assert events(said) == ["blue"]
    # A window of five frames: the third blue one is the majority.
    assert [one.label for one in said[11:14]] == ["none", "none", "blue"]
    assert said[13].score == pytest.approx(0.6, abs=0.01)


def test_rule_announces_what_the_spotter_announces_and_holds_it_in_sight():
    spec = stream_spec(rule=RULE)
    names = ["none"] * 3 + ["red"] * 4 + ["none"] * 20 + ["green"] * 2 + ["none"]
    said = feed(find_smoother(None, spec), names)
    spotter = Spotter(RULE, LABELS)
    wanted = [spotter.feed(logits(name), index * 0.25) for index, name in enumerate(names)]
    assert [one.event for one in said] == wanted and events(said) == ["red", "green"]
    first = next(index for index, one in enumerate(said) if one.event)
    held = [one for one in said[first:] if one.announced and one.label == "red"]
    assert len(held) == HELD / 0.25
    # Before it is announced, one sees it come.
    assert said[first - 1].label in ("none", "red") and not said[first - 1].announced


def test_without_a_rule_the_mean_and_a_rule_that_is_asked_for_is_refused():
    assert type(find_smoother(None, stream_spec())) is type(find_smoother("mean", stream_spec()))
    with pytest.raises(EdgeshiftError, match=r"carries no rule .* --smoothing mean"):
        find_smoother("rule", stream_spec())
    with pytest.raises(EdgeshiftError, match="unknown smoothing 'jestr'; did you mean jester"):
        find_smoother("jestr", stream_spec())
    with pytest.raises(EdgeshiftError, match="unknown label 'rde'"):
        find_smoother("none", stream_spec(), ["rde"])


def test_jester_sums_logits_and_shows_a_label_for_two_frames_at_least():
    smoother = find_smoother("jester", jester_spec())
    # Nothing is shown yet, so the first gesture comes at once; with growing certainty, each sum is the newest label's.
    rows = [("Swiping Left", 1), ("Thumb Up", 10), ("Swiping Left", 100), ("Thumb Up", 1000), ("Thumb Up", 1)]
    said = [smoother.feed(logits(name, JESTER, height), index * 0.1) for index, (name, height) in enumerate(rows)]
    assert [one.label for one in said] == ["Swiping Left", "Swiping Left", "Swiping Left", "Thumb Up", "Thumb Up"]
    assert events(said) == ["Swiping Left", "Thumb Up"]


def test_jester_is_the_mean_of_twelve():
    smoother = find_smoother("jester", jester_spec())
    said = feed(smoother, ["Swiping Left"] * 12 + ["Thumb Up"] * 12, JESTER)
    # Six of twelve are a tie, and the first label wins it.
    assert [one.label for one in said].index("Thumb Up") == 12 + 6


def test_jester_has_one_label_for_nothing_and_masks_what_is_mixed_up():
    said = feed(find_smoother("jester", jester_spec()), ["Doing other things"] * 3, JESTER)
    assert [one.label for one in said] == ["Doing other things"] * 3 and not events(said)
    assert all(one.idle for one in said)
    assert "Rolling Hand Forward" in JESTER_MASK
    smoother = find_smoother("jester", jester_spec())
    rows = [("Swiping Left", 1), ("Swiping Left", 1), ("Rolling Hand Forward", 50), ("Rolling Hand Forward", 50)]
    said = [smoother.feed(logits(name, JESTER, height), index * 0.1) for index, (name, height) in enumerate(rows)]
    # A masked label changes nothing: what was shown stays.
    assert [one.label for one in said] == ["Swiping Left"] * 4 and events(said) == ["Swiping Left"]


@pytest.mark.parametrize("name", ["none", "mean", "rule", "jester"])
def test_a_masked_label_is_never_shown_nor_announced(name):
    smoother = find_smoother(name, stream_spec(rule=RULE), ["red"])
    said = feed(smoother, ["none"] * 4 + ["red"] * 8 + ["none"] * 8 + ["blue"] * 8)
    assert events(said) == ["blue"]
    assert "red" not in {one.label for one in said}


@pytest.mark.parametrize("name", ["none", "mean", "rule", "jester"])
def test_a_reset_forgets_everything(name):
    smoother = find_smoother(name, stream_spec(rule=RULE))
    names = ["none", "none", "red", "red", "red", "blue"]
    first = feed(smoother, names)
    smoother.reset()
    assert feed(smoother, names) == first
