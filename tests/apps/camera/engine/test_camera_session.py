"""The session decides which frames are due, feeds them and resets the stream; a run is counted and timed."""

from __future__ import annotations

import pytest
from scene import frame, make_session

from edgeshift.apps.camera.engine.counters import Rate, StepCounter
from edgeshift.stream import Timings


def run_frames(session, colours, spacing=1 / 30):
    """Return the answers to frames of the given colours; None for each frame that was not due."""
    frames = [session.capture(frame(colour), index * spacing) for index, colour in enumerate(colours)]
    return [session.step(captured) if captured.fitted is not None else None for captured in frames]


def test_frames_are_due_at_the_frame_spacing():
    answers = run_frames(make_session(frame_spacing=0.1), ["red"] * 15 + ["blue"] * 15)
    assert [index for index, answer in enumerate(answers) if answer] == list(range(0, 30, 3))
    assert [answer.prediction.label for answer in answers if answer] == ["red"] * 5 + ["blue"] * 5


def test_every_frame_is_due_if_the_frame_spacing_is_unknown():
    assert all(run_frames(make_session(frame_spacing=None), ["red"] * 5))


def test_a_captured_frame_gives_the_logits_that_the_stream_gives_for_the_frame():
    session = make_session(smoothing="mean")
    stream = session.artifact.model.stream()
    for colour, answer in zip(["red", "red", "blue"], run_frames(session, ["red", "red", "blue"]), strict=True):
        assert list(answer.prediction.logits) == list(stream.step(frame(colour)).logits)


def test_a_reset_makes_the_next_frame_due_and_resets_stream_and_smoothing():
    session = make_session(frame_spacing=1.0, smoothing="mean")
    first = run_frames(session, ["red"] * 2)
    session.reset()
    again = run_frames(session, ["red"] * 2)
    assert [answer is not None for answer in first + again] == [True, False, True, False]
    assert again[0].epoch == first[0].epoch + 1
    assert (again[0].shown, list(again[0].prediction.logits)) == (first[0].shown, list(first[0].prediction.logits))


def test_after_a_switch_new_frames_are_fed_to_the_next_artifact_and_earlier_ones_to_the_old_one():
    session = make_session(2)
    before = session.capture(frame("red"), 0.0)
    assert session.switch() is session.artifacts[1]
    after = session.capture(frame("blue"), 0.1)
    assert session.step(before).prediction.label == "red" and session.step(after).prediction.label == "blue"
    assert [steps.count for steps in session.counters.steps] == [1, 1] and session.counters.fed == 2
    assert session.switch() is session.artifacts[0]


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


def test_percentiles_cover_the_last_steps_and_are_none_for_too_few_steps():
    steps = StepCounter()
    assert steps.milliseconds() == {phase: {"p50": None, "p90": None} for phase in ("pre", "infer", "post")}
    for index in range(200):
        steps.add(Timings(0.001, 0.01 if index < 100 else 0.02, 0.003), index / 10)
    assert steps.count == 200 and steps.rate.hertz == pytest.approx(10.0)
    assert steps.milliseconds(64)["infer"] == {"p50": pytest.approx(20.0), "p90": pytest.approx(20.0)}
    assert steps.milliseconds(10)["pre"] == {"p50": None, "p90": None}
