"""Streams of a network with a sound segment, run by PyTorch."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch

from edgeshift.artifact.description import describe_network
from edgeshift.artifact.spec import CheckSpec
from edgeshift.checkpoints import Checkpoint, load, save
from edgeshift.errors import EdgeshiftError
from edgeshift.models import ModelConfig, build
from edgeshift.models.sound import fuse
from edgeshift.models.untrained import initial_network
from edgeshift.runtimes.pytorch import reference
from edgeshift.sound import SoundSettings, picture_of
from edgeshift.stream import Model, check_sound
from edgeshift.stream.clip_stream import ClipStream
from edgeshift.stream.listening import Listening
from edgeshift.stream.selfcheck import make_check, self_check
from edgeshift.stream.sound_stream import ANSWERS, SoundStream
from edgeshift.video.fit import FrameSpec

RATE, SIZE, FRAMES, CLASSES, SPACING = 16_000, 64, 4, 5, 0.25
SETTINGS = SoundSettings(seconds=1.0, frames=FRAMES, bands=32, weight=3.0, every=SPACING)
QUIET = (0.0, 0.01, 0.02, 0.0, 0.03)


@pytest.fixture(scope="module")
def source() -> Checkpoint:
    config = ModelConfig("tsam", "mobilenet_v2", CLASSES, size=SIZE, depth=1, width=0.5, sound=SETTINGS)
    clips = np.random.default_rng(5).integers(0, 256, (4, 4, SIZE, SIZE, 3)).astype(np.float32)
    network = initial_network(config, torch.from_numpy(clips).permute(0, 1, 4, 2, 3))
    description = describe_network(config, frame=FrameSpec(SIZE, SIZE), quiet=QUIET, frame_spacing=SPACING)
    return Checkpoint(network, description, "edgeshift")


@pytest.fixture
def model(source) -> Model:
    return reference(source)


@pytest.fixture
def stream(model) -> SoundStream:
    stream = model.stream()
    assert isinstance(stream, SoundStream)
    return stream


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, SIZE, SIZE, 3), np.uint8)


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return (0.1 * np.random.default_rng(1).standard_normal(4 * RATE)).astype(np.float32).clip(-0.9, 0.9)


def logits_of_frames(source: Checkpoint, frames: np.ndarray) -> torch.Tensor:
    with torch.inference_mode():
        return source.network(torch.from_numpy(frames).permute(0, 3, 1, 2)[None].float())[0]


def logits_of_sound(source: Checkpoint, samples: np.ndarray) -> torch.Tensor:
    picture = torch.from_numpy(picture_of(samples, RATE, SETTINGS, SIZE)).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        return source.network.hear(picture)[0]


def piece(sound: np.ndarray, index: int) -> np.ndarray:
    """Return the samples between frame ``index - 1`` and frame ``index``."""
    return sound[round((index - 1) * SPACING * RATE) : round(index * SPACING * RATE)]


def test_the_answer_is_the_mean_of_newest_frames_and_sound(stream, source, frames, sound):
    expected = logits_of_frames(source, frames)
    heard = []
    for t, frame in enumerate(frames):
        if t:
            stream.hear(piece(sound, t), (t - 1) * SPACING, RATE)
        prediction = stream.step(frame, t * SPACING)
        heard.append(prediction.heard)
        if prediction.heard == "heard":
            of_sound = logits_of_sound(source, sound[: round(t * SPACING * RATE)])
        else:
            of_sound = torch.tensor(QUIET)
        fused = fuse(expected[max(0, t - FRAMES + 1) : t + 1], of_sound, SETTINGS.weight)
        assert np.allclose(prediction.logits, fused.numpy(), atol=2e-5 * float(np.ptp(expected.numpy())))
    assert heard == ["deaf", *["waiting"] * 4, *["heard"] * 7]


def test_without_a_microphone_the_answer_is_that_of_a_quiet_room(stream, source, frames):
    expected = logits_of_frames(source, frames)
    for t, frame in enumerate(frames):
        prediction = stream.step(frame)
        fused = fuse(expected[max(0, t - FRAMES + 1) : t + 1], torch.tensor(QUIET), SETTINGS.weight)
        assert prediction.heard == "deaf"
        assert np.allclose(prediction.logits, fused.numpy(), atol=1e-5 * float(np.ptp(expected.numpy())))


def test_without_quiet_logits_only_the_frames_count(source, frames):
    silent = msgspec.structs.replace(source.description, quiet=None)
    stream = reference(Checkpoint(source.network, silent, "edgeshift")).stream()
    expected = logits_of_frames(source, frames)
    answers = [stream.step(frame).logits for frame in frames]
    assert np.allclose(answers[-1], expected[-FRAMES:].mean(0).numpy(), atol=1e-5 * float(np.ptp(expected.numpy())))


def test_sound_changes_no_state_of_the_frames(model, frames, sound):
    with_sound, without = model.stream(), model.frame_stream()
    for t, frame in enumerate(frames):
        with_sound.hear(piece(sound, t + 1), t * SPACING, RATE)
        with_sound.step(frame)
        without.step(frame)
    states = with_sound.state
    assert states[ANSWERS].shape == (FRAMES, CLASSES)
    assert all(np.array_equal(states[name], value) for name, value in without.state.items())


def test_a_dropout_leaves_the_sound_out_until_it_is_whole_again(stream, frames, sound):
    heard = []
    for t in range(24):
        if not 8 <= t < 9:  # a quarter of a second is lost
            stream.hear(piece(sound, t % 12 + 1), t * SPACING, RATE)
        heard.append(stream.step(frames[t % 12], (t + 1) * SPACING).heard)
    assert heard[7] == "heard"
    assert heard[8] == "heard"  # the newest sample is a quarter of a second old
    assert set(heard[9:13]) == {"waiting"}
    assert heard[14] == "heard"


def test_a_microphone_that_gives_empty_pieces_is_late(stream, source, frames, sound):
    stream.hear(sound[: 2 * RATE], 0.0, RATE)
    heard = []
    for t, frame in enumerate(frames):
        for part in range(10):
            stream.hear(sound[:0], 2 + (t + part / 10) * SPACING, RATE)
        prediction = stream.step(frame, 2 + t * SPACING)
        heard.append(prediction.heard)
    assert heard == [*["heard"] * 3, *["late"] * 9]
    expected = logits_of_frames(source, frames)
    quiet = fuse(expected[-FRAMES:], torch.tensor(QUIET), SETTINGS.weight)
    assert np.allclose(prediction.logits, quiet.numpy(), atol=1e-5 * float(np.ptp(expected.numpy())))


def test_the_sound_runs_only_when_it_is_due(stream, frames, sound, monkeypatch):
    ran = []
    original = stream._sounds.step_fitted
    monkeypatch.setattr(stream._sounds, "step_fitted", lambda fitted: ran.append(1) or original(fitted))
    stream.hear(sound[: RATE * 2], 0.0, RATE)
    for t in range(10):  # no new samples
        stream.step(frames[t])
    assert len(ran) == 1
    tenth = RATE // 10
    for t in range(10):  # a second of new samples
        stream.hear(sound[(20 + t) * tenth : (21 + t) * tenth], 2 + t / 10, RATE)
        stream.step(frames[t])
    assert len(ran) in (5, 6)


@pytest.mark.parametrize("clip", [False, True])
def test_a_sound_alone_is_heard_and_changes_nothing(source, frames, sound, clip):
    stream = reference(source, frames=FRAMES if clip else 1).stream()
    assert isinstance(stream, Listening) and isinstance(stream, ClipStream) == clip
    answers = [stream.step(frame) for frame in frames[:FRAMES]]
    frame_logits = stream.frame_logits.copy()
    alone = stream.answer_to(picture_of(sound, RATE, SETTINGS, SIZE))
    expected = logits_of_sound(source, sound).numpy()
    assert alone.heard == "heard" and alone.index == int(expected.argmax())
    assert np.allclose(alone.logits, expected, atol=1e-5 * float(np.ptp(expected)))
    assert answers[-1].heard == "deaf" and stream.picture is None
    np.testing.assert_array_equal(stream.frame_logits, frame_logits)
    assert [answer.heard for frame in frames[:FRAMES] if (answer := stream.step(frame))] == ["deaf"] * FRAMES


def test_a_frame_that_is_not_due_repeats_the_answer(stream, frames, sound):
    stream.hear(sound, 0.0, RATE)
    first = stream.step(frames[0], 4.0)
    again = stream.step(frames[1], 4.01)
    assert first.fresh and not again.fresh
    assert np.array_equal(first.logits, again.logits)
    assert again.heard == "heard"


def test_reset_and_state(stream, frames, sound):
    def run() -> list[np.ndarray]:
        stream.hear(sound[: 2 * RATE], 0.0, RATE)
        return [stream.step(frame).logits for frame in frames[:6]]

    first = run()
    saved = stream.state
    after = [stream.step(frame).logits for frame in frames[6:]]
    stream.reset()
    assert all(np.array_equal(a, b) for a, b in zip(first, run(), strict=True))
    stream.state = saved
    stream.hear(sound[: 2 * RATE], 0.0, RATE)
    again = [stream.step(frame).logits for frame in frames[6:]]
    # PyTorch adds in another order after a state was assigned, because its memory is laid out differently.
    assert np.allclose(after, again, atol=1e-5 * float(np.ptp(after)))


@pytest.mark.parametrize("answers", [None, np.zeros((FRAMES + 1, CLASSES), np.float32), np.zeros((1, 2), np.float32)])
def test_a_state_of_another_stream_is_refused(stream, frames, answers):
    stream.step(frames[0])
    state = stream.state
    if answers is None:
        del state[ANSWERS]
    else:
        state[ANSWERS] = answers
    with pytest.raises(EdgeshiftError, match="assign a state that a stream returned"):
        stream.state = state


def test_the_self_check_contains_a_sound(model):
    check = make_check(model)
    assert len(check.logits) == 9 and check.logits[8] not in check.logits[:8]
    checked = model_with(model, check)
    assert self_check(checked).ok and self_check(checked).frames == 8
    wrong = [list(row) for row in check.logits]
    wrong[8][0] += 0.05 * check.span
    changed = msgspec.structs.replace(check, logits=tuple(map(tuple, wrong)))
    assert not self_check(model_with(model, changed)).ok


def test_the_self_check_finds_a_wrong_spectrogram(model, monkeypatch):
    checked = model_with(model, make_check(model))
    monkeypatch.setattr(
        check_sound, "picture_of", lambda s, rate, *rest: picture_of(np.roll(s, rate // 20), rate, *rest)
    )
    assert not self_check(checked).ok


def model_with(model: Model, check: CheckSpec) -> Model:
    return Model(msgspec.structs.replace(model.spec, check=check), "PyTorch", model._executor)


def test_a_network_without_a_sound_segment_cannot_hear(frames):
    config = ModelConfig("tsam", "mobilenet_v2", CLASSES, size=SIZE, depth=1, width=0.5)
    stream = reference(Checkpoint(build(config, seed=0), describe_network(config), "edgeshift")).stream()
    with pytest.raises(EdgeshiftError, match="it has no sound segment"):
        stream.hear(np.zeros(100, np.float32), 0.0, RATE)
    assert stream.step(frames[0]).heard is None


@pytest.mark.parametrize("norms", ["shared", "separate"])
def test_a_checkpoint_keeps_the_sound_segment_and_the_quiet_room(norms, source, sound, tmp_path):
    settings = msgspec.structs.replace(SETTINGS, norms=norms)
    network = build(msgspec.structs.replace(source.config, sound=settings), seed=3)
    for name, tensor in network.named_buffers():
        if name.endswith("sound.running_mean"):
            tensor += 0.1
    save(tmp_path / "sound.safetensors", network, source.description)
    again = load(tmp_path / "sound.safetensors")
    assert again.config.sound == settings
    assert again.description.quiet == QUIET
    assert all(
        torch.equal(a, b)
        for a, b in zip(network.state_dict().values(), again.network.state_dict().values(), strict=True)
    )


def test_after_a_failed_sound_the_frame_can_be_given_again(model, frames, sound, monkeypatch):
    stream, expected = model.stream(), model.stream()
    for each in (stream, expected):
        each.step(frames[0], 2.0)
        each.hear(sound, 2.1 - len(sound) / RATE, RATE)

    def fail(_frame: np.ndarray) -> np.ndarray:
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(stream._sounds._executor, "run", fail)
        with pytest.raises(EdgeshiftError, match="no memory"):
            stream.step(frames[1], 2.25)
    assert stream.picture is None
    again, whole = stream.step(frames[1], 2.25), expected.step(frames[1], 2.25)
    assert again.fresh and again.heard == whole.heard == "heard"
    np.testing.assert_array_equal(again.logits, whole.logits)
    for name, value in expected.state.items():
        np.testing.assert_array_equal(stream.state[name], value)
