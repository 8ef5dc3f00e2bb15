"""Streams of a clip artifact: when they answer, which frames they use, and how they start again."""

from __future__ import annotations

import numpy as np
import pytest
from clip_doubles import FORMS, T, clip_model
from doubles import SIZE, expected_outputs, frames, stream_spec, tensor
from doubles import model as stream_model

from edgeshift.artifact.spec import decode, encode
from edgeshift.errors import EdgeshiftError, RuntimeStepError, VideoError
from edgeshift.stream import ClipStream, Fitted
from edgeshift.stream.sequence import answered_frames, answers
from edgeshift.video.fit import fit_frame
from edgeshift.video.segments import segment_middles


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_answers_at_every_hop_with_the_last_frames(form):
    model, made = clip_model(form)
    shown, stream = frames(11), model.stream()
    assert isinstance(stream, ClipStream)
    answers = [stream.step(frame) for frame in shown]
    assert answers[: T - 1] == [None] * (T - 1)
    fresh = [index for index, answer in enumerate(answers) if answer and answer.fresh]
    assert fresh == [3, 5, 7, 9]
    for answer, clip in zip(fresh, made[0].clips, strict=True):
        assert np.array_equal(clip, np.stack(shown[answer - T + 1 : answer + 1]))
    assert np.array_equal(answers[6].logits, answers[5].logits) and not answers[6].fresh
    assert answers[6].timings.infer == 0 and answers[6].timings.pre > 0


def test_fitted_frames_give_the_same_answers():
    model, _ = clip_model()
    one, other = model.stream(), model.stream()
    for frame in frames(9, height=100, width=80):
        expected, answer = one.step(frame), other.step_fitted(other.fit(frame))
        assert (expected is None) == (answer is None)
        assert expected is None or np.array_equal(expected.logits, answer.logits)
    with pytest.raises(VideoError, match="the frame was fitted to"):
        other.step_fitted(Fitted(np.zeros((32, 32, 3), np.uint8), 0.0))


def test_frames_that_are_not_due_are_not_kept():
    model, made = clip_model(frame_spacing=0.1)
    shown, stream = frames(20), model.stream()
    answers = [stream.step(frame, index * 0.05) for index, frame in enumerate(shown)]
    assert [index for index, answer in enumerate(answers) if answer and answer.fresh] == [6, 10, 14, 18]
    assert np.array_equal(made[0].clips[0], np.stack(shown[0:8:2]))
    assert np.array_equal(made[0].clips[1], np.stack(shown[4:12:2]))


def test_a_reset_stream_forgets_its_frames():
    model, made = clip_model()
    shown, stream = frames(5), model.stream()
    for frame in shown:
        stream.step(frame)
    stream.reset()
    assert [stream.step(frame) for frame in shown[:3]] == [None] * 3
    assert stream.step(shown[3]) is not None and np.array_equal(made[0].clips[-1], np.stack(shown[:4]))


@pytest.mark.parametrize("at", [2, 5, 6])
def test_a_saved_state_continues(at):
    model, _ = clip_model()
    shown, stream = frames(12), model.stream()
    for frame in shown[:at]:
        stream.step(frame)
    other = model.stream()
    other.state = stream.state
    for frame in shown[at : at + 1]:  # the last answer is not a part of the state
        stream.step(frame), other.step(frame)
    for frame in shown[at + 1 :]:
        expected, answer = stream.step(frame), other.step(frame)
        if expected is not None and expected.fresh:
            assert np.array_equal(expected.logits, answer.logits) and answer.fresh
    with pytest.raises(EdgeshiftError, match="a state of this stream is"):
        other.state = {}


def test_a_frame_that_fails_is_taken_again():
    model, made = clip_model()
    shown, stream = frames(4), model.stream()
    for frame in shown[:3]:
        stream.step(frame)
    with pytest.raises(VideoError):
        stream.step(shown[3].astype(np.float32))

    def broken(clip):
        raise OSError("no memory")

    run, made[0].run = made[0].run, broken
    with pytest.raises(RuntimeStepError, match="no memory"):
        stream.step(shown[3])
    made[0].run = run
    assert stream.step(shown[3]).fresh and np.array_equal(made[0].clips[-1], np.stack(shown))


@pytest.mark.parametrize(("count", "indices"), [(4, [0, 1, 2, 3]), (8, [1, 3, 5, 7]), (2, [0, 0, 1, 1]), (1, [0] * 4)])
def test_a_whole_clip_is_sampled_evenly(count, indices):
    model, made = clip_model()
    shown = frames(count, height=90, width=70)
    answer = model.clip(shown)
    fitted = [fit_frame(frame, model.spec.frame) for frame in shown]
    assert np.array_equal(made[0].clips[0], np.stack([fitted[index] for index in indices]))
    assert answer.fresh and answer.timings.infer > 0


def test_wrong_uses_are_one_line():
    model, _ = clip_model()
    with pytest.raises(VideoError, match="a clip has no frames"):
        model.clip([])
    with pytest.raises(EdgeshiftError, match="this artifact takes one frame at a time"):
        stream_model().clip(frames(4))
    for changes, message in (
        ({"hop": T + 1}, "a clip has no states, and a hop of at most its number of frames"),
        ({"hop": None}, "a clip has no states, and a hop"),
        ({"mode": "stream", "hop": None}, "which is not one RGB frame"),
        ({"input": tensor("clip", 1, SIZE, SIZE, 3)}, "which is not a clip of RGB frames"),
    ):
        with pytest.raises(ValueError, match=message):
            clip_model(**changes)
    with pytest.raises(ValueError, match="a hop belongs to a clip"):
        stream_spec(hop=2)
    assert decode(encode(model.spec), "a.tflite") == model.spec


@pytest.mark.parametrize("count", [1, 3, 4, 5, 6, 11])
def test_answers_to_a_clip_from_fresh_states(count):
    model, made = clip_model()
    shown, stream = frames(count), model.stream()
    stream.step(frames(1)[0])  # is forgotten
    indices = answered_frames(model.spec, count)
    assert len(list(answers(stream, shown))) == len(indices) == len(made[0].clips)
    for index, clip in zip(indices, made[0].clips, strict=True):
        used = range(index - T + 1, index + 1) if count >= T else segment_middles(count, T)
        assert np.array_equal(clip, np.stack([shown[frame] for frame in used]))


def test_a_frame_by_frame_artifact_answers_to_every_frame():
    shown, stream = frames(5), stream_model().stream()
    stream.step(shown[0])
    logits = [prediction.logits for prediction in answers(stream, shown)]
    assert answered_frames(stream.spec, 5) == [0, 1, 2, 3, 4] and answered_frames(stream.spec, 0) == []
    assert np.allclose(logits, expected_outputs(shown)[0], atol=1e-4)
