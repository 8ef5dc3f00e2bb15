"""Clip mode of a network with a sound segment: one graph takes the frames of a clip and the picture of a sound."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch

from edgeshift.artifact.description import WeightsSpec, describe_network
from edgeshift.checkpoints import Checkpoint
from edgeshift.checkpoints.without_sound import NOTE, without_sound
from edgeshift.converters import ClipOptions, Options, convert
from edgeshift.converters.pipeline import prepare
from edgeshift.errors import ConversionError, EdgeshiftError, SoundError
from edgeshift.gestures.fitted_clips import drawn_clips
from edgeshift.models import ModelConfig
from edgeshift.models.deploy import deploy_clip
from edgeshift.models.sound import fuse
from edgeshift.models.untrained import initial_network
from edgeshift.runtimes import load
from edgeshift.runtimes.pytorch import reference
from edgeshift.sound import SoundSettings, picture_of
from edgeshift.stream.clip_stream import ClipStream
from edgeshift.stream.selfcheck import self_check
from edgeshift.stream.sound_clip_stream import SoundClipStream
from edgeshift.stream.sound_parity import drawn_picture
from edgeshift.video.fit import FrameSpec, fit_frame

SIZE, CLASSES, FRAMES = 64, 6, 4
SETTINGS = SoundSettings(seconds=1.0, frames=FRAMES, weight=3.0, bands=64)
SUFFIX = {"tflite": ".tflite", "onnx": ".onnx", "executorch": ".pte", "coreml": ".mlpackage"}
RATE = 16_000


@pytest.fixture(scope="module")
def source() -> Checkpoint:
    """An untrained TSAM of depth 2 that also reads later frames, so that it cannot stream."""
    config = ModelConfig("tsam", "mobilenet_v2", CLASSES, size=SIZE, depth=2, bidirectional=True, sound=SETTINGS)
    clips = np.stack(drawn_clips(FrameSpec(SIZE, SIZE), 4, 9).frames)
    network = initial_network(config, torch.from_numpy(clips).permute(0, 1, 4, 2, 3).float())
    description = describe_network(
        config,
        weights=WeightsSpec(source="untrained", trained=False),
        frame_spacing=0.25,
        quiet=tuple(float(value) for value in range(CLASSES)),
    )
    return Checkpoint(network, description, "edgeshift")


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return drawn_clips(FrameSpec(SIZE, SIZE), 1, 3).frames[0]


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return (0.05 * np.random.default_rng(0).standard_normal(2 * RATE)).astype(np.float32)


def original(source: Checkpoint, frames: np.ndarray, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits of each frame, [T, classes], and of a sound, by the clip form of the network."""
    fitted = np.stack([fit_frame(frame, source.description.frame) for frame in frames])
    clip, heard = (torch.from_numpy(array).permute(0, 3, 1, 2).float() for array in (fitted, picture[None]))
    with torch.no_grad():
        of_frames, of_sound = source.network.watch_and_hear(clip[None], heard)
    return of_frames[0].numpy(), of_sound[0].numpy()


@pytest.mark.parametrize(("depth", "length"), [(1, 4), (2, 4), (3, 2)])
def test_the_clip_function_equals_the_network(source, frames, depth, length):
    """A depth of 3 reads frames that a clip of 2 frames does not have."""
    config = msgspec.structs.replace(source.config, depth=depth)
    network = initial_network(config, torch.from_numpy(frames[None]).permute(0, 1, 4, 2, 3).float())
    inputs = torch.from_numpy(np.concatenate((frames[:length], drawn_picture(5, SETTINGS, SIZE)[None])))
    inputs = inputs.permute(0, 3, 1, 2).float()
    with torch.no_grad():
        (rows,) = deploy_clip(network, length)(inputs)
        of_frames, of_sound = network.watch_and_hear(inputs[None, :length], inputs[length:])
    expected = torch.cat((of_frames.mean(1), of_sound))
    assert rows.shape == (2, CLASSES)
    assert float((rows - expected).abs().max()) <= 1e-5 * float(expected.max() - expected.min())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "precision"),
    [("tflite", "fp32"), ("tflite", "int8"), ("onnx", "int8"), ("executorch", "int8"), ("coreml", "fp32")],
)
def test_every_target_takes_a_clip_and_a_sound(source, frames, sound, target, precision, tmp_path):
    options = Options(precision=precision, clip=ClipOptions(FRAMES))
    converted = convert(source, target, tmp_path / f"sound{SUFFIX[target]}", options)
    spec, parity = converted.spec, converted.spec.parity
    assert spec.problems == () and parity is not None and parity.sound is not None
    assert (spec.frames, spec.sounds, spec.input.shape[0], spec.output.shape) == (FRAMES, 1, FRAMES + 1, (2, CLASSES))
    assert parity.frames >= 32 and parity.sound.sounds == 32
    assert parity.sound.max_error < (1e-4 if precision == "fp32" else 0.2)
    assert parity.sound.cosine > 0.99 and parity.sound.fused_cosine > 0.99
    if target == "tflite":
        assert spec.graph is not None and spec.graph.partitions == 1
        assert not any("transpose" in name.lower() for name in spec.graph.operators)
    model = load(converted.path)
    assert self_check(model).ok and spec.check is not None and len(spec.check.logits) == 5
    prediction = model.clip(frames[:FRAMES], (sound, RATE))
    of_frames, of_sound = original(source, frames[:FRAMES], picture_of(sound, RATE, SETTINGS, SIZE))
    expected = fuse(torch.from_numpy(of_frames), torch.from_numpy(of_sound), SETTINGS.weight).numpy()
    limit = 1e-4 if precision == "fp32" else 0.2
    assert np.abs(prediction.logits - expected).max() <= limit * np.ptp(expected) and prediction.heard == "heard"


def test_a_stream_answers_to_the_newest_frames_and_sound(source, frames, sound):
    model = reference(source, frames=FRAMES)
    model.spec = msgspec.structs.replace(model.spec, hop=2)
    stream = model.stream()
    assert isinstance(stream, SoundClipStream)
    assert [stream.step(frames[0], 0.0), stream.step(frames[1], 0.25), stream.step(frames[2], 0.5)] == [None] * 3
    deaf = stream.step(frames[3], 0.75)
    of_frames, _ = original(source, frames[:4], drawn_picture(5, SETTINGS, SIZE))
    quiet = fuse(torch.from_numpy(of_frames), torch.tensor(source.description.quiet), SETTINGS.weight)
    np.testing.assert_allclose(deaf.logits, quiet, atol=1e-4)
    assert (deaf.heard, stream.picture) == ("deaf", None)
    stream.hear(sound, 1.25 - len(sound) / RATE, RATE)
    repeated = stream.step(frames[4], 1.0)
    assert repeated is not None and not repeated.fresh
    heard = stream.step(frames[5], 1.25)
    picture = picture_of(sound, RATE, SETTINGS, SIZE)
    of_frames, of_sound = original(source, frames[2:6], picture)
    expected = fuse(torch.from_numpy(of_frames), torch.from_numpy(of_sound), SETTINGS.weight)
    np.testing.assert_allclose(heard.logits, expected, atol=1e-4)
    np.testing.assert_allclose(stream.frame_logits, of_frames.mean(0), atol=1e-4)
    np.testing.assert_array_equal(stream.picture, picture)
    np.testing.assert_allclose(stream.answer_to(picture).logits, of_sound, atol=1e-4)
    assert heard.heard == "heard" and stream.picture is not None
    stream.deafen()
    stream.step(frames[6], 1.5)
    again = stream.step(frames[7], 1.75)
    assert (again.heard, stream.picture) == ("deaf", None)


def test_a_late_sound_leaves_the_frames_answer_whole(source, frames, sound):
    stream = reference(source, frames=FRAMES).stream()
    stream.hear(sound, 0.0, RATE)
    for index in range(FRAMES):
        prediction = stream.step(frames[index], 10 + 0.25 * index)
    assert prediction.heard == "late" and stream.picture is None


def test_whole_clips_with_and_without_a_sound(source, frames, sound):
    model = reference(source, frames=FRAMES)
    alone, both = model.clip(frames), model.clip(frames, (sound, RATE))
    assert (alone.heard, both.heard) == (None, "heard")
    assert np.abs(alone.logits - both.logits).max() > 1e-3
    np.testing.assert_array_equal(model.clip(frames).logits, alone.logits)
    with pytest.raises(SoundError, match="too short for a picture of 1 s"):
        model.clip(frames, (sound[:800], RATE))


def test_a_network_without_a_sound_segment_takes_no_sound(source, frames, sound):
    silent = without_sound(source)
    assert silent.notes == silent.description.notes == (NOTE,)
    model, hearing = reference(silent, frames=FRAMES), reference(source, frames=FRAMES).stream()
    in_quiet_room = hearing.answer(frames[:FRAMES]).logits
    assert np.abs(in_quiet_room - hearing.frame_logits).max() > 0.1
    np.testing.assert_allclose(model.clip(frames[:FRAMES]).logits, in_quiet_room, atol=1e-4)
    unknown = Checkpoint(source.network, msgspec.structs.replace(source.description, quiet=None), "edgeshift")
    alone = reference(without_sound(unknown), frames=FRAMES).clip(frames[:FRAMES])
    np.testing.assert_allclose(alone.logits, hearing.frame_logits, atol=1e-4)
    assert type(model.stream()) is ClipStream
    with pytest.raises(EdgeshiftError, match="takes frames only: it has no sound segment"):
        model.clip(frames, (sound, RATE))


def test_each_calibration_sample_has_a_sound(source):
    pictures = [drawn_picture(seed, SETTINGS, SIZE) for seed in range(3)]
    prepared = prepare(source, Options(precision="int8", clip=ClipOptions(FRAMES), sounds=pictures))
    clips = [sample["clip"] for sample in prepared.samples]
    assert {clip.shape for clip in clips} == {(FRAMES + 1, SIZE, SIZE, 3)}
    assert all(np.array_equal(clip[-1], pictures[index % 3]) for index, clip in enumerate(clips))


def test_int8_of_unscaled_sounds_is_refused(source):
    config = msgspec.structs.replace(source.config, sound=msgspec.structs.replace(SETTINGS, cut=False))
    network = initial_network(config, torch.zeros(1, 2, 3, SIZE, SIZE))
    with pytest.raises(ConversionError, match=r"int8 cannot hold .* use --precision fp16, or --without-sound"):
        prepare(Checkpoint(network, source.description, "edgeshift"), Options(clip=ClipOptions(FRAMES)))


def test_odd_sounds_are_one_clear_line(source, frames, sound):
    model = reference(source, frames=FRAMES)
    for odd in (sound, (sound,), 5):
        with pytest.raises(SoundError, match="is a pair"):
            model.clip(frames, odd)
    with pytest.raises(SoundError, match="one channel"):
        model.clip(frames, (np.stack((sound, sound)), RATE))
    with pytest.raises(SoundError, match="not finite"):
        model.clip(frames, (np.where(sound > 0.1, np.nan, sound), RATE))
    for rate in (0, -RATE, 8_000):
        with pytest.raises(SoundError, match="samples per second cannot be used"):
            model.clip(frames, (sound, rate))
    for shape in ((1, 1, 3), (SIZE, SIZE), (2, SIZE, SIZE, 3)):  # the first one would be spread over the whole picture
        with pytest.raises(SoundError, match="has the shape"):
            model.stream().answer(frames[:FRAMES], np.zeros(shape, np.uint8))


def test_a_failed_answer_leaves_the_sound_of_the_newest_prediction(source, frames, sound, monkeypatch):
    stream = reference(source, frames=FRAMES).stream()
    picture, other = (drawn_picture(seed, SETTINGS, SIZE) for seed in (5, 6))
    expected = stream.answer(frames[:FRAMES], picture)

    def fail(_clip: np.ndarray) -> np.ndarray:
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(stream._executor, "run", fail)
        for call in (lambda: stream.answer(frames[:FRAMES], other), lambda: stream.answer_to(other)):
            with pytest.raises(EdgeshiftError, match="no memory"):
                call()
            assert stream.picture is picture
    with pytest.raises(EdgeshiftError, match="clips of 4 frames"):
        stream.answer(frames[:2], other)
    assert stream.picture is picture
    np.testing.assert_array_equal(stream.answer(frames[:FRAMES], picture).logits, expected.logits)


def test_a_state_brings_back_the_frames_in_any_order_of_calls(source, frames, sound):
    model = reference(source, frames=FRAMES)
    stream, other = model.stream(), model.stream()
    for index in range(FRAMES):
        expected = stream.step(frames[index], 0.25 * index)
    kept = stream.state
    stream.hear(sound, 0.0, RATE)
    stream.deafen()
    stream.reset()
    assert stream.step(frames[0], 0.0) is None
    for again in (stream, other):
        again.state = kept
        again.deafen()
        answers = [again.step(frame, 1 + 0.25 * index) for index, frame in enumerate(frames[:FRAMES])]
        assert answers[-1].heard == "deaf" and again.picture is None
        np.testing.assert_array_equal(answers[-1].logits, expected.logits)
