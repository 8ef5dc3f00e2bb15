"""Whether a frame is due is decided once; resets; what a run counts."""

from __future__ import annotations

import pytest
from scene import frame, session

from edgeshift.apps.camera.engine.counters import Rate, StepCounter
from edgeshift.stream import Timings


def fed(of, colours, spacing=1 / 30):
    """The answers to frames of the given colours, None for those that were not due."""
    captured = [of.capture(frame(colour), index * spacing) for index, colour in enumerate(colours)]
    return [of.step(one) if one.fitted is not None else None for one in captured]


def test_frames_are_due_at_the_trained_spacing():
    answers = fed(session(frame_spacing=0.1), ["red"] * 15 + ["blue"] * 15)
    assert [index for index, answer in enumerate(answers) if answer] == list(range(0, 30, 3))
    assert [answer.prediction.label for answer in answers if answer] == ["red"] * 5 + ["blue"] * 5


def test_every_frame_is_due_if_the_spacing_is_unknown():
    assert all(fed(session(frame_spacing=None), ["red"] * 5))


def test_a_fitted_frame_is_answered_as_the_stream_answers_the_frame_itself():
    of = session(smoothing="mean")
    stream = of.artifact.model.stream()
    for colour, answer in zip(["red", "red", "blue"], fed(of, ["red", "red", "blue"]), strict=True):
        assert list(answer.prediction.logits) == list(stream.step(frame(colour)).logits)


def test_a_reset_makes_the_next_frame_due_and_resets_stream_and_smoothing():
    of = session(frame_spacing=1.0, smoothing="mean")
    first = fed(of, ["red"] * 2)
    of.reset()
    again = fed(of, ["red"] * 2)
    assert [answer is not None for answer in first + again] == [True, False, True, False]
    assert again[0].epoch == first[0].epoch + 1
    assert (again[0].shown, list(again[0].prediction.logits)) == (first[0].shown, list(first[0].prediction.logits))


def test_a_switch_feeds_the_next_artifact_and_frames_captured_before_it_the_old_one():
    of = session(2)
    before = of.capture(frame("red"), 0.0)
    assert of.switch() is of.artifacts[1]
    after = of.capture(frame("blue"), 0.1)
    assert of.step(before).prediction.label == "red" and of.step(after).prediction.label == "blue"
    assert [steps.count for steps in of.counters.steps] == [1, 1] and of.counters.fed == 2
    assert of.switch() is of.artifacts[0]


def test_a_rate_is_measured_over_the_last_events_and_reset_when_the_clock_jumps_back():
    rate = Rate()
    assert rate.hertz is None
    for time in (10.0, 10.5, 11.0):
        rate.tick(time)
    assert rate.hertz == pytest.approx(2.0)
    rate.tick(1.0)
    assert rate.hertz is None
    for index in range(100):
        rate.tick(2.0 + index / 50)
    assert rate.hertz == pytest.approx(50.0)


def test_percentiles_of_steps_need_enough_of_them_and_cover_the_last_ones():
    steps = StepCounter()
    assert steps.milliseconds() == {phase: {"p50": None, "p90": None} for phase in ("pre", "infer", "post")}
    for index in range(200):
        steps.add(Timings(0.001, 0.01 if index < 100 else 0.02, 0.003), index / 10)
    assert steps.count == 200 and steps.rate.hertz == pytest.approx(10.0)
    assert steps.milliseconds(64)["infer"] == {"p50": pytest.approx(20.0), "p90": pytest.approx(20.0)}
    assert steps.milliseconds(10)["pre"] == {"p50": None, "p90": None}
