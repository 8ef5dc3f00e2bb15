"""Event rules: when a spotter announces an event, how detections are scored, and how a rule is chosen."""

from __future__ import annotations

import math
from itertools import product
from time import perf_counter

import msgspec
import numpy as np
import pytest
from doubles import LABELS, frames, model, stream_spec

from edgeshift.artifact.description import RuleSpec
from edgeshift.errors import EdgeshiftError
from edgeshift.events.default_rule import rule_of
from edgeshift.events.score import EventScore, match_events
from edgeshift.events.spotter import Detection, Spotter, describe_rule, probabilities, window_means
from edgeshift.events.tuning import Recording, choose_rule
from edgeshift.gestures import Event

NAMES = ("a", "b", "none")
SPACING = 0.25


def rule(window=2, threshold=0.6, hold_off=1.0, none=None) -> RuleSpec:
    return RuleSpec(window=window, threshold=threshold, hold_off=hold_off, none=none)


def sure(text: str, share: float = 0.9) -> np.ndarray:
    """Return logits that give each frame's label the probability ``share``. Labels are "a", "b", and "." for none."""
    rows = np.full((len(text), 3), (1 - share) / 2)
    rows[np.arange(len(text)), [{"a": 0, "b": 1, ".": 2}[c] for c in text]] = share
    return np.log(rows).astype(np.float32)


def announced(text: str, spotter: Spotter, begin: float = 0.0) -> list[tuple[str, float]]:
    """Feed ``sure(text)`` to a spotter. Return (label, index of the frame) of each detection."""
    detections = [spotter.feed(row, begin + index * SPACING) for index, row in enumerate(sure(text))]
    return [(found.label, round((found.timestamp - begin) / SPACING)) for found in detections if found is not None]


# --- the spotter ----------------------------------------------------------------------------------------------------


def test_a_label_is_announced_when_its_mean_over_the_window_reaches_the_threshold():
    assert announced("..a...", Spotter(rule(window=2), NAMES)) == []
    assert announced("..aa..", Spotter(rule(window=2), NAMES)) == [("a", 3)]
    assert announced("..aa..", Spotter(rule(window=3, threshold=0.61), NAMES)) == [("a", 3)]
    assert announced("..aa..", Spotter(rule(window=3, threshold=0.65), NAMES)) == []
    assert announced("..a...", Spotter(rule(window=1), NAMES)) == [("a", 2)]


def test_frames_before_the_first_count_as_no_gesture():
    assert announced("aaaa", Spotter(rule(window=4, threshold=0.6), NAMES)) == [("a", 2)]


def test_the_score_is_the_mean_probability():
    spotter = Spotter(rule(window=2, threshold=0.8), NAMES)
    assert spotter.feed(sure("a")[0], 0.0) is None
    one = spotter.feed(sure("a")[0], 0.25)
    assert one is not None and one == Detection("a", one.score, 0.25)
    assert one.score == pytest.approx(0.9, abs=1e-6)


def test_none_is_never_announced_nor_a_label_that_is_less_likely_than_none():
    assert announced("......", Spotter(rule(), NAMES)) == []
    # "a" reaches the threshold with 0.45, but "none" is more likely.
    spotter = Spotter(rule(window=1, threshold=0.3), NAMES)
    assert spotter.feed(np.log(np.array([0.45, 0.05, 0.5])), 0.0) is None
    assert spotter.feed(np.log(np.array([0.5, 0.05, 0.45])), 0.25) is not None


def test_the_rule_states_which_label_means_no_gesture():
    assert announced("bb..", Spotter(rule(none="b"), NAMES)) == [("none", 3)]
    assert Spotter(rule(), ("a", "b", "c")).feed(sure(".")[0], 0.0) is None
    assert announced("...", Spotter(rule(window=1), ("a", "b", "c"))) == [("c", 0)]
    with pytest.raises(EdgeshiftError, match="'idle', is not one of the labels"):
        Spotter(rule(none="idle"), NAMES)


def test_a_held_label_is_announced_once():
    assert announced("a" * 40, Spotter(rule(hold_off=0.5), NAMES)) == [("a", 1)]


def test_a_label_is_announced_again_after_it_was_below_the_threshold():
    assert announced("aa......aa", Spotter(rule(hold_off=0.5), NAMES)) == [("a", 1), ("a", 9)]


def test_the_hold_off_applies_to_every_label():
    assert announced("aabb......", Spotter(rule(hold_off=1.0), NAMES)) == [("a", 1)]
    # A label that is held is announced when the hold-off has passed.
    assert announced("aabbbbbb", Spotter(rule(hold_off=1.0), NAMES)) == [("a", 1), ("b", 5)]
    assert announced("aabbbbbb", Spotter(rule(hold_off=0.0), NAMES)) == [("a", 1), ("b", 3)]


def test_another_label_is_announced_only_when_the_announced_one_is_below_the_threshold():
    spotter = Spotter(rule(window=1, threshold=0.4, hold_off=0.0), NAMES)
    rows = np.log(np.array([[0.5, 0.45, 0.05], [0.45, 0.5, 0.05], [0.3, 0.65, 0.05]]))
    labels = [one and one.label for one in (spotter.feed(row, i * 1.0) for i, row in enumerate(rows))]
    assert labels == ["a", None, "b"]


def test_with_a_memory_the_label_depends_on_the_whole_gesture_and_not_only_on_its_last_frame():
    with_memory = msgspec.structs.replace(rule(window=1), memory=8)
    # The first five frames indicate "a", but also "none", as the gesture is not complete. The last one indicates "b".
    stroke = np.array([[4.0, 0.0, 9.0]] * 5 + [[0.0, 3.0, -3.0]])
    spotter = Spotter(with_memory, NAMES)
    found = [one for index, row in enumerate(stroke) if (one := spotter.feed(row, index * SPACING))]
    assert [(one.label, one.timestamp) for one in found] == [("a", 5 * SPACING)]
    spotter = Spotter(rule(window=1), NAMES)
    found = [one for index, row in enumerate(stroke) if (one := spotter.feed(row, index * SPACING))]
    assert [one.label for one in found] == ["b"]


def test_the_memory_starts_at_the_last_detection():
    with_memory = msgspec.structs.replace(rule(window=1, hold_off=0.0), memory=100)
    rows = np.array([[9.0, 0.0, 0.0]] * 6 + [[0.0, 0.0, 9.0]] * 2 + [[0.0, 1.0, -5.0]])
    spotter = Spotter(with_memory, NAMES)
    found = [one for index, row in enumerate(rows) if (one := spotter.feed(row, index * SPACING))]
    assert [(one.label, one.timestamp) for one in found] == [("a", 0.0), ("a", 8 * SPACING)]
    spotter.reset()
    assert spotter.feed(np.array([0.0, 1.0, -5.0]), 0.0) == Detection("b", pytest.approx(0.73, abs=0.01), 0.0)


def test_with_a_memory_the_score_is_the_product_of_two_probabilities():
    """The probabilities are that of any gesture, from the window, and that of the label, from the memory."""
    row = np.log(np.array([0.4, 0.35, 0.25]))
    with_memory = msgspec.structs.replace(rule(window=1, threshold=0.6), memory=8)
    assert Spotter(with_memory, NAMES).feed(row, 0.0) is None  # 0.75 for any gesture, times 0.4 / 0.75 for "a"
    spotter = Spotter(with_memory, NAMES)
    assert spotter.feed(np.array([6.0, 0.0, 9.0]), 0.0) is None  # any gesture is unlikely, but "a" is certain
    one = spotter.feed(row, SPACING)
    which = probabilities(np.array([6 + np.log(0.4), np.log(0.35)]) / 2)[0]
    assert one is not None and one.label == "a" and one.score == pytest.approx(0.75 * which)


def test_with_a_memory_of_one_frame_the_score_is_the_probability_of_the_label():
    one = Spotter(RuleSpec(window=1, threshold=0.3, memory=1), NAMES).feed(np.log(np.array([0.4, 0.35, 0.25])), 0.0)
    assert one is not None and one.label == "a" and one.score == pytest.approx(0.4)


def test_describe_rule_puts_a_rule_into_words():
    assert describe_rule(rule(window=3, threshold=0.5, hold_off=1.0), NAMES) == (
        "the label with the largest mean probability over 3 frames is announced when its mean reaches 0.5. After an "
        "event, nothing is announced for at least 1 s and until its mean is below 0.5. 'none' means no gesture"
    )
    with_memory = msgspec.structs.replace(rule(window=1, threshold=0.6, hold_off=0.5, none="idle"), memory=12)
    assert describe_rule(with_memory, ("a", "b", "idle")) == (
        "a gesture is announced when its score reaches 0.6. The score has two factors: the mean probability of all "
        "gestures together over 1 frame, and the probability of the most likely gesture by the mean logits of the last "
        "12 frames, without frames before the last event. After an event, nothing is announced for at least 0.5 s and "
        "until the first factor is below 0.6. 'idle' means no gesture"
    )
    assert describe_rule(rule(), ("a", "b")).endswith("is below 0.6")


def test_a_reset_and_a_time_that_jumps_back_restart_the_spotter():
    spotter = Spotter(rule(hold_off=100), NAMES)
    assert announced("aa", spotter) == [("a", 1)]
    assert announced("..aa", spotter, begin=10) == []
    spotter.reset()
    assert announced("aa", spotter, begin=20) == [("a", 1)]
    assert announced("aa", spotter, begin=5) == [("a", 1)]
    assert announced("a", Spotter(rule(), NAMES)) == []
    spotter.reset()
    assert announced("a", spotter) == []  # the window is empty again


@pytest.mark.parametrize(
    ("logits", "time", "words"),
    [
        (np.zeros(4), 0.0, "the logits have shape (4,), not one value for each of 3 labels"),
        (np.zeros((1, 3)), 0.0, "shape (1, 3)"),
        (np.array([0, np.nan, 0]), 0.0, "not finite"),
        (np.array([0, np.inf, 0]), 0.0, "not finite"),
        (np.zeros(3), math.nan, "timestamp of nan"),
        (np.zeros(3), math.inf, "timestamp of inf"),
    ],
)
def test_invalid_logits_and_times_are_refused(logits, time, words):
    with pytest.raises(EdgeshiftError) as caught:
        Spotter(rule(), NAMES).feed(logits, time)
    assert words in str(caught.value)


def test_large_logits_do_not_overflow():
    assert probabilities(np.array([1e30, -1e30, 0.0])).tolist() == [1.0, 0.0, 0.0]
    assert probabilities(np.array([3e38, -3e38], np.float32)).tolist() == [1.0, 0.0]


def test_feeding_takes_less_than_half_a_millisecond():
    """A step takes about a millisecond. The spotter takes about a hundredth of this time, and must not take half."""
    spotter, row = Spotter(rule(window=16), NAMES), sure("a")[0]
    times = []
    for index in range(300):
        begin = perf_counter()
        spotter.feed(row, index * 0.25)
        times.append(perf_counter() - begin)
    assert sorted(times)[150] < 5e-4


def test_a_stream_makes_a_spotter_with_its_rule():
    spec = stream_spec(rule=rule(window=1, threshold=0.3, none="none"))
    stream = model(spec).stream()
    spotter = stream.spotter()
    assert (spotter.rule, spotter.labels) == (spec.rule, LABELS)
    found = [spotter.feed(stream.step(frame).logits, float(i)) for i, frame in enumerate(frames(20))]
    assert any(found)
    assert stream.spotter(rule(window=7)).rule.window == 7
    assert model().stream().spotter().rule == rule_of(model().spec)


# --- recordings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_a_recording_gives_the_same_detections_as_a_spotter(seed):
    random = np.random.default_rng(seed)
    drift = np.cumsum(random.normal(0, 0.7, (400, 3)), 0)
    logits = (drift - drift.mean(1, keepdims=True)) * 0.4
    times = np.cumsum(random.uniform(0.01, 0.5, 400))
    counts = []
    rules = [(1, 0.4, 0.0), (3, 0.5, 1.0), (8, 0.6, 3.0), (500, 0.3, 0.5)]
    for (window, threshold, hold_off), memory in product(rules, (None, 1, 5, 1000)):
        tried = msgspec.structs.replace(rule(window, threshold, hold_off), memory=memory)
        spotter = Spotter(tried, NAMES)
        want = [one for one in map(spotter.feed, logits, times.tolist()) if one is not None]
        found = Recording(times, logits, NAMES).detect(tried)
        assert [(one.label, one.timestamp) for one in found] == [(one.label, one.timestamp) for one in want]
        assert [one.score for one in found] == pytest.approx([one.score for one in want])
        counts.append(len(found))
    assert max(counts) >= 3


def test_window_means_count_frames_before_the_first_as_zero():
    rows = sure("ab.")
    single = probabilities(rows)
    assert np.allclose(window_means(rows, 2), [single[0] / 2, single[:2].mean(0), single[1:].mean(0)])
    assert np.allclose(window_means(rows, 10)[-1], single.sum(0) / 10)


# --- scoring --------------------------------------------------------------------------------------------------------


def at(label: str, time: float) -> Detection:
    return Detection(label, 0.9, time)


EVENTS = (Event("a", 2.0, 4.0), Event("b", 10.0, 12.0))


@pytest.mark.parametrize(
    ("detections", "right", "false"),
    [
        ([], 0, 0),
        ([at("a", 4.5), at("b", 12.5)], 2, 0),
        ([at("b", 4.5), at("a", 12.5)], 0, 2),
        ([at("a", 2.99)], 0, 1),  # before the middle of the event
        ([at("a", 3.0)], 1, 0),
        ([at("a", 6.0)], 1, 0),
        ([at("a", 6.01)], 0, 1),
        ([at("a", 4.0), at("a", 5.0)], 1, 1),  # an event is matched once
        ([at("a", 5.0), at("a", 4.0)], 1, 1),
        ([at("a", 20.0)], 0, 1),
    ],
)
def test_a_detection_matches_one_event_of_its_label_in_time(detections, right, false):
    score = match_events(detections, EVENTS, 60)
    assert (score.right, score.false, score.missed) == (right, false, 2 - right)
    assert len(score.delays) == right and score.seconds == 60


def test_two_events_of_one_label_are_matched_in_order():
    events = (Event("a", 4.0, 5.0), Event("a", 2.0, 4.0))
    score = match_events([at("a", 5.5), at("a", 4.75)], events, 60)
    assert (score.right, score.false, score.missed) == (2, 0, 0)
    assert sorted(score.delays) == [0.5, 0.75]


def test_events_that_are_partly_outside_of_the_stream_are_not_counted():
    events = (Event("a", -1.0, 1.0), Event("b", 56.0, 58.5))
    assert match_events([], events, 60) == EventScore(seconds=60)
    assert match_events([at("a", 1.5), at("b", 59.0)], events, 60) == EventScore(seconds=60)
    assert match_events([at("b", 1.5)], events, 60).false == 1
    assert match_events([], [Event("b", 56.0, 58.0)], 60).missed == 1


def test_precision_recall_f1_and_delays():
    score = EventScore(3, 1, 2, (0.5, -0.25, 1.0), 60) + EventScore(1, 1, 0, (0.25,), 60)
    assert score == EventScore(4, 2, 2, (0.5, -0.25, 1.0, 0.25), 120)
    assert score.precision == pytest.approx(4 / 6) and score.recall == pytest.approx(4 / 6)
    assert score.f1 == pytest.approx(2 / 3)
    assert score.false_per_minute == 1.0
    assert score.delay(50) == pytest.approx(0.375) and score.delay(90) == pytest.approx(0.85)
    nothing = EventScore()
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.false_per_minute) == (None, None, 0, None)
    assert nothing.delay(50) is None


# --- choosing -------------------------------------------------------------------------------------------------------


def streams(count: int, flicker: float) -> list:
    """Return recordings with right logits for about a second after each event, and wrong single frames elsewhere.

    ``flicker`` is the probability of a wrong frame.
    """
    random = np.random.default_rng(1)
    made = []
    for _ in range(count):
        times = np.arange(240) * SPACING
        events, text = [], ["."] * 240
        for begin in range(12, 220, 24):
            label = "ab"[random.integers(2)]
            events.append(Event(label, times[begin], times[begin + 8]))
            text[begin + 8 : begin + 13] = label * 5
        for index in range(240):
            if text[index] == "." and random.random() < flicker:
                text[index] = "ab"[random.integers(2)]
        made.append((times, sure("".join(text)), events))
    return made


def score_of(chosen: RuleSpec, made: list) -> EventScore:
    total = EventScore()
    for times, logits, events in made:
        found = Recording(times, logits, NAMES).detect(chosen)
        total += match_events(found, events, len(times) * SPACING)
    return total


def test_clean_logits_need_no_delay():
    made = streams(2, 0.0)
    chosen = choose_rule(made, SPACING, NAMES)
    assert chosen.none == "none"
    score = score_of(chosen, made)
    assert score.f1 == 1.0 and score.delay(50) == 0.0


def test_flickering_logits_need_a_window():
    made = streams(3, 0.15)
    chosen = choose_rule(made, SPACING, NAMES)
    assert chosen.window > 1
    assert score_of(chosen, made).f1 > score_of(rule(window=1, threshold=0.5), made).f1 + 0.2
    assert score_of(chosen, made).f1 > 0.9


def test_json_keeps_a_chosen_rule():
    chosen = choose_rule(streams(1, 0.1), SPACING, NAMES)
    again = msgspec.json.decode(msgspec.json.encode(chosen), type=RuleSpec)
    assert again == chosen
    assert choose_rule([(np.arange(4) * 1.0, sure("abab"), [])], 1.0, ("a", "b", "c")).none is None


@pytest.mark.parametrize(
    ("made", "spacing"),
    [
        ([], 0.25),
        ([(np.arange(3), np.zeros((4, 3)), [])], 0.25),
        ([(np.arange(4), np.zeros((4, 2)), [])], 0.25),
        ([(np.arange(4), np.zeros((4, 3)), [])], 0.0),
        ([(np.arange(4), np.zeros((4, 3)), [])], math.nan),
        ([(np.arange(4), np.full((4, 3), np.nan), [])], 0.25),
    ],
)
def test_invalid_recordings_are_refused_in_one_line(made, spacing):
    with pytest.raises(EdgeshiftError) as caught:
        choose_rule(made, spacing, NAMES)
    assert "\n" not in str(caught.value)


def test_leading_returns_the_label_with_the_largest_mean_and_that_mean():
    """Before the window is full, the mean is over the frames so far."""
    spotter = Spotter(rule(window=3, threshold=0.9), NAMES)
    assert spotter.leading() == (0, 0.0)
    shown = [np.array(row, np.float64) for row in ([0, 4, 0], [0, 0, 3], [5, 0, 0], [5, 0, 0], [5, 0, 0])]
    for index, logits in enumerate(shown):
        spotter.feed(logits, 0.25 * index)
        mean = np.mean([probabilities(one) for one in shown[max(0, index - 2) : index + 1]], 0)
        best, value = spotter.leading()
        assert best == mean.argmax() and value == pytest.approx(mean.max())
    spotter.reset()
    assert spotter.leading() == (0, 0.0)
