"""Streams, tested with a small recurrent network: predictions, input tensors, states and frame spacing."""

from __future__ import annotations

import os

import doubles
import msgspec
import numpy as np
import pytest
from doubles import INT8, LABELS, SIZE, STATE, LeakyExecutor, expected_outputs, frames, model, stream_spec, tensor

from edgeshift.errors import EdgeshiftError, RuntimeStepError, VideoError
from edgeshift.stream import Prediction, Stream, Timings
from edgeshift.video.fit import FrameSpec, fit_frame

FLOAT_AND_INT8 = pytest.mark.parametrize("spec", [stream_spec(), stream_spec(**INT8)], ids=["float", "int8"])


def logits(stream: Stream, shown: list[np.ndarray]) -> np.ndarray:
    return np.stack([stream.step(frame).logits for frame in shown])


# --- predictions ----------------------------------------------------------------------------------------------------


def test_logits_are_those_of_the_network():
    shown = frames(12)
    want, _ = expected_outputs(shown)
    assert np.allclose(logits(model().stream(), shown), want, atol=1e-4)
    assert np.ptp(want.argmax(1)) > 0


def test_a_prediction_has_the_top_label_and_its_softmax():
    stream = model().stream()
    for frame in frames(8):
        answer = stream.step(frame)
        powers = np.exp(answer.logits.astype(np.float64) - answer.logits.max())
        assert answer.index == int(np.argmax(answer.logits)) and answer.label == LABELS[answer.index]
        assert answer.score == pytest.approx((powers / powers.sum()).max(), rel=1e-5)
        assert answer.logits.dtype == np.float32 and answer.logits.shape == (len(LABELS),)
        assert answer.fresh
        assert min(answer.timings.pre, answer.timings.infer, answer.timings.post) > 0
        assert isinstance(answer.label, str) and isinstance(answer.score, float) and type(answer.index) is int


def test_huge_logits_do_not_overflow():
    class Huge(LeakyExecutor):
        def logits(self, level, colour):
            return np.array([[1e38, -1e38, 0.0, 1.0]])

    answer = model(executor=Huge).stream().step(frames(1)[0])
    assert (answer.label, answer.score) == ("red", 1.0)


def test_the_next_step_does_not_overwrite_logits():
    class Reusing(LeakyExecutor):
        buffer = np.zeros((1, len(LABELS)), np.float32)

        def run(self, frame):
            self.buffer[:] = super().run(frame)
            return self.buffer

    stream = model(executor=Reusing).stream()
    first, *rest = (stream.step(frame) for frame in frames(3))
    assert not np.array_equal(first.logits, rest[-1].logits)
    assert np.allclose(first.logits, expected_outputs(frames(1))[0][0], atol=1e-4)


def test_int8_logits_are_dequantized():
    class Fixed(LeakyExecutor):
        def run(self, frame):
            return np.array([[-128, 127, 11, 12]], np.int8)

    answer = model(stream_spec(**INT8), Fixed).stream().step(frames(1)[0])
    assert answer.logits.tolist() == [(-128 - 11) / 8, (127 - 11) / 8, 0.0, 0.125]
    assert answer.label == "green"


@pytest.mark.parametrize(("scale", "zero"), [(0.0184, -1), (0.3, 127), (1e-6, -128)])
def test_each_of_the_256_int8_values_is_dequantized(scale, zero):
    stored = np.random.default_rng(0).permutation(256).astype(np.uint8).view(np.int8)

    class Fixed(LeakyExecutor):
        at = 0

        def run(self, frame):
            self.at += 4
            return stored[None, self.at - 4 : self.at]

    output = tensor("logits", 1, len(LABELS), dtype="int8", scale=scale, zero_point=zero)
    got = logits(model(stream_spec(**{**INT8, "output": output}), Fixed).stream(), frames(64)).ravel()
    assert got.dtype == np.float32
    assert np.array_equal(got, (stored.astype(np.float32) - np.float32(zero)) * np.float32(scale))


def test_the_next_step_does_not_overwrite_int8_logits():
    class Reusing(LeakyExecutor):
        buffer = np.zeros((1, len(LABELS)), np.int8)

        def run(self, frame):
            self.buffer += 1
            return self.buffer

    stream = model(stream_spec(**INT8), Reusing).stream()
    first, second = (stream.step(frame) for frame in frames(2))
    assert np.array_equal(second.logits - first.logits, np.full(len(LABELS), 0.125))
    assert first.logits.flags.owndata and first.logits.flags.writeable


def test_a_prediction_is_immutable():
    answer = model().stream().step(frames(1)[0])
    with pytest.raises(AttributeError):
        answer.label = "none"
    with pytest.raises(AttributeError):
        answer.timings.pre = 0.0


def test_an_int8_stream_follows_the_network():
    shown = frames(12)
    want, levels = expected_outputs(shown)
    stream = model(stream_spec(**INT8)).stream()
    got = []
    for frame, level in zip(shown, levels, strict=True):
        got.append(stream.step(frame).logits)
        stored = stream.state[STATE]
        assert stored.dtype == np.int8
        assert np.allclose((stored[0, 0, 0].astype(float) + 100) * 4, level, atol=8)
    assert np.allclose(got, want, atol=0.5)


# --- input tensors --------------------------------------------------------------------------------------------------


def every_value(size: int = SIZE) -> np.ndarray:
    """Return a frame that contains each of the 256 values in each channel."""
    values = np.arange(size * size).reshape(size, size, 1) + np.array([0, 85, 170])
    return (values % 256).astype(np.uint8)


def test_a_float_input_holds_the_pixel_values():
    frame = every_value()
    assert all(len(np.unique(frame[:, :, c])) == 256 for c in range(3))
    prepared = model().stream().prepare(frame)
    assert prepared.dtype == np.float32 and prepared.shape == (1, SIZE, SIZE, 3)
    assert np.array_equal(prepared[0], frame.astype(np.float32))


def test_an_int8_input_holds_the_pixel_values_minus_128():
    frame = every_value()
    prepared = model(stream_spec(**INT8)).stream().prepare(frame)
    assert prepared.dtype == np.int8 and prepared.shape == (1, SIZE, SIZE, 3)
    assert np.array_equal(prepared[0].astype(int), frame.astype(int) - 128)


@FLOAT_AND_INT8
@pytest.mark.parametrize("fit", ["squash", "crop"])
@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_frames_of_any_size_are_fitted_as_the_description_states(spec, fit, order):
    spec = msgspec.structs.replace(spec, frame=FrameSpec(SIZE, SIZE, fit, order=order))
    frame = frames(1, height=50, width=91)[0]
    want = fit_frame(frame, spec.frame).astype(int) - (128 if spec.input.dtype == "int8" else 0)
    made: list[LeakyExecutor] = []
    stream = model(spec, made=made).stream()
    assert np.array_equal(stream.prepare(frame)[0].astype(int), want)
    stream.step(frame)
    assert np.array_equal(made[0].frames[0][0].astype(int), want)


UINT8 = {"input": tensor("frame", 1, SIZE, SIZE, 3, dtype="uint8")}


@pytest.mark.parametrize("spec", [stream_spec(), stream_spec(**INT8), stream_spec(**UINT8)], ids=["f", "int8", "uint8"])
@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_a_frame_that_is_fitted_ahead_gives_the_same_prediction(spec, order):
    spec = msgspec.structs.replace(spec, frame=FrameSpec(SIZE, SIZE, "crop", order=order))
    fitting, other = model(spec).stream(), model(spec).stream()
    shown = frames(6, height=50, width=91)
    ahead = [fitting.fit(frame) for frame in shown]  # all frames are fitted before the first step
    for frame, fitted in zip(shown, ahead, strict=True):
        before = fitted.pixels.copy()
        answer, want = fitting.step_fitted(fitted), other.step(frame)
        assert np.array_equal(answer.logits, want.logits) and np.array_equal(fitted.pixels, before)
        assert answer.timings.pre > fitted.seconds > 0


def test_a_frame_that_was_fitted_for_another_network_is_refused():
    size, network = SIZE + 1, msgspec.structs.replace(stream_spec().model, size=SIZE + 1)
    larger = stream_spec(model=network, frame=FrameSpec(size, size), input=tensor("frame", 1, size, size, 3))
    other = model(larger).stream()
    with pytest.raises(VideoError, match="this stream takes"):
        model().stream().step_fitted(other.fit(frames(1)[0]))
    with pytest.raises(VideoError, match="must be uint8"):
        other.fit(np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize("frame", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), None, "frame"])
def test_an_invalid_frame_is_refused_and_the_stream_continues(frame):
    shown = frames(4)
    stream = model().stream()
    first = logits(stream, shown[:2])
    with pytest.raises(VideoError, match="must be uint8"):
        stream.step(frame)
    rest = logits(stream, shown[2:])
    assert np.array_equal(np.concatenate([first, rest]), logits(model().stream(), shown))


# --- states ---------------------------------------------------------------------------------------------------------


@FLOAT_AND_INT8
def test_streams_of_one_model_are_independent(spec):
    one = model(spec)
    a, b = frames(8, seed=1), frames(8, seed=2)
    alone = logits(one.stream(), a), logits(one.stream(), b)
    first, second = one.stream(), one.stream()
    together = [(first.step(x).logits, second.step(y).logits) for x, y in zip(a, b, strict=True)]
    assert np.array_equal(np.stack([x for x, _ in together]), alone[0])
    assert np.array_equal(np.stack([y for _, y in together]), alone[1])


@FLOAT_AND_INT8
def test_after_a_reset_the_same_frames_give_the_same_bits(spec):
    shown = frames(8)
    stream = model(spec).stream()
    first = logits(stream, shown)
    assert not np.array_equal(logits(stream, shown), first), "without a reset, earlier frames have an effect"
    stream.reset()
    assert np.array_equal(logits(stream, shown), first)


@FLOAT_AND_INT8
def test_a_restored_state_continues_with_the_same_bits(spec):
    shown = frames(10)
    stream = model(spec).stream()
    logits(stream, shown[:5])
    saved = stream.state
    kept = {name: array.copy() for name, array in saved.items()}
    rest = logits(stream, shown[5:])
    assert all(np.array_equal(saved[name], kept[name]) for name in kept), "a saved state is a copy"
    for again in (stream, model(spec).stream()):
        again.state = saved
        assert all(np.array_equal(again.state[name], kept[name]) for name in kept)
        assert np.array_equal(logits(again, shown[5:]), rest)
    assert all(np.array_equal(saved[name], kept[name]) for name in kept), "a restored state is a copy too"


def test_states_start_with_the_values_in_the_description():
    states = (
        tensor(STATE, 1, 1, 1, 3, start=2.5),
        tensor("byte", 2, 3, dtype="int8", scale=0.5, zero_point=-10, start=1.5),
        tensor("zero", 4, dtype="int8", scale=0.5, zero_point=5),
    )
    stream = model(stream_spec(states=states)).stream()
    wanted = {STATE: np.full((1, 1, 1, 3), 2.5, np.float32), "byte": np.full((2, 3), -7, np.int8)}
    wanted["zero"] = np.full(4, 5, np.int8)
    for _ in range(2):
        assert stream.state.keys() == wanted.keys()
        for name, array in stream.state.items():
            assert array.dtype == wanted[name].dtype and np.array_equal(array, wanted[name])
        stream.state = {name: array + 1 for name, array in stream.state.items()}
        stream.reset()


def test_a_reset_copies_the_start_values():
    class Keeping(LeakyExecutor):
        def set_states(self, states):
            super().set_states(states)
            for array in self._states.values():
                array += 1  # an executor may change its own copies

    stream = model(executor=Keeping).stream()
    stream.reset()
    assert stream.state[STATE].max() == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, f"'{STATE}': given None"),
        ({STATE: np.zeros((1, 1, 1, 4), np.float32)}, "(1, 1, 1, 4)"),
        ({STATE: np.zeros((3,), np.float32)}, "given ((3,)"),
        ({STATE: np.zeros((1, 1, 1, 3), np.float64)}, "float64"),
        ({STATE: np.zeros((1, 1, 1, 3), np.int8)}, "int8"),
        ({STATE: np.zeros((1, 1, 1, 3), ">f4")}, "given"),
        ({"other": np.zeros((1, 1, 1, 3), np.float32)}, f"'{STATE}': given None"),
        ({STATE: np.zeros((1, 1, 1, 3), np.float32), "other": np.zeros(1)}, "'other'"),
    ],
    ids=["missing", "shape", "rank", "float64", "int8", "byte order", "name", "additional"],
)
def test_a_state_of_another_shape_or_type_is_refused(given, words):
    stream = model().stream()
    stream.step(frames(1)[0])
    before = stream.state
    with pytest.raises(EdgeshiftError, match="but the artifact has") as caught:
        stream.state = given
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert np.array_equal(stream.state[STATE], before[STATE])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_state_that_is_not_finite_is_refused(value):
    stream = model().stream()
    before = stream.state
    with pytest.raises(EdgeshiftError, match=f"state '{STATE}' contains NaN or infinity"):
        stream.state = {STATE: np.full((1, 1, 1, 3), value, np.float32)}
    assert np.array_equal(stream.state[STATE], before[STATE])


@pytest.mark.parametrize("given", [None, 5, [], {STATE: None}, {STATE: [0.0] * 3}])
def test_a_state_that_is_no_dict_of_arrays_is_refused(given):
    with pytest.raises(EdgeshiftError, match="a state is a dict of arrays"):
        model().stream().state = given


@pytest.mark.parametrize("timestamp", [1e308, -1e308, 10**400, -(10**400), np.nan, np.inf, 2.0**54])
@pytest.mark.parametrize("spacing", [None, 1e-3])
def test_a_timestamp_that_is_no_time_in_seconds_is_refused(timestamp, spacing):
    stream = model(stream_spec(frame_spacing=spacing)).stream()
    stream.step(frames(1)[0], -(2.0**53))
    with pytest.raises(EdgeshiftError, match="is not a time in seconds"):
        stream.step(frames(1)[0], timestamp)
    assert stream.step(frames(1)[0], 2.0**53).fresh


def test_a_runtime_that_fails_in_the_first_step_is_one_line_without_its_log(capfd):
    class Failing(LeakyExecutor):
        def run(self, frame):
            os.write(2, b"ERROR: native log")
            raise ValueError("first line\nsecond line")

    with pytest.raises(RuntimeStepError, match="artifact: first line second line; check the") as caught:
        model(stream_spec(), Failing).stream().step(frames(1)[0])
    assert "\n" not in str(caught.value) and capfd.readouterr().err == ""


def test_a_stream_without_states():
    class Flat(LeakyExecutor):
        def run(self, frame):
            return frame.mean((1, 2)) @ doubles.OWN

    stream = model(stream_spec(states=()), Flat).stream()
    shown = frames(3)
    assert stream.state == {}
    stream.state = {}
    first = logits(stream, shown)
    assert np.array_equal(logits(stream, shown), first)


# --- frame spacing --------------------------------------------------------------------------------------------------


def step_at(spacing: float | None, stamps: list[float | None]) -> tuple[list[bool], list[Prediction], int]:
    """Step a stream at these times. Return the flags ``fresh``, the predictions, and the number of frames that ran."""
    made: list[LeakyExecutor] = []
    stream = model(stream_spec(frame_spacing=spacing), made=made).stream()
    given = [stream.step(frame, stamp) for frame, stamp in zip(frames(len(stamps)), stamps, strict=True)]
    return [answer.fresh for answer in given], given, len(made[0].frames)


def test_frames_that_are_not_due_are_not_run():
    stamps = [10 + i / 10 for i in range(12)]
    fresh, given, run = step_at(0.4, stamps)
    assert [i for i, flag in enumerate(fresh) if flag] == [0, 4, 8]
    assert run == 3
    # The last prediction is repeated, with times of zero.
    for at, answer in enumerate(given):
        source = given[at // 4 * 4]
        assert (answer.label, answer.score, answer.index) == (source.label, source.score, source.index)
        assert np.array_equal(answer.logits, source.logits)
        assert answer.fresh or answer.timings == Timings(0, 0, 0)
    # Only the frames that were run have changed the state.
    shown = frames(12)
    want, _ = expected_outputs([shown[0], shown[4], shown[8]])
    assert np.allclose(given[-1].logits, want[-1], atol=1e-4)


def test_without_a_frame_spacing_every_frame_is_run():
    fresh, _, run = step_at(None, [0.0, 0.001, 0.002, 0.002])
    assert fresh == [True] * 4 and run == 4


def test_without_timestamps_every_frame_is_run():
    fresh, _, run = step_at(0.4, [None] * 5)
    assert fresh == [True] * 5 and run == 5


def test_one_frame_is_run_after_a_gap():
    fresh, _, _ = step_at(0.4, [0.0, 0.1, 2.0, 2.1, 2.2, 2.4])
    assert fresh == [True, False, True, False, False, True]


def test_a_reset_restarts_the_frame_spacing():
    stream = model(stream_spec(frame_spacing=0.4)).stream()
    shown = frames(4)
    first = stream.step(shown[0], 5.0)
    assert not stream.step(shown[1], 5.1).fresh
    stream.reset()
    again = stream.step(shown[0], 5.2)
    assert again.fresh and np.array_equal(again.logits, first.logits)
    # The frame spacing counts from the first frame after the reset, at 5.2.
    assert [stream.step(shown[1], stamp).fresh for stamp in (5.4, 5.6)] == [False, True]


def test_a_reset_forgets_the_last_prediction():
    stream = model(stream_spec(frame_spacing=0.4)).stream()
    shown = frames(2)
    stream.step(shown[0], 0.0)
    stream.reset()
    with pytest.raises(VideoError):
        stream.step(np.zeros((4, 4), np.uint8), 1.0)
    answer = stream.step(shown[1], 1.1)
    assert answer.fresh and np.allclose(answer.logits, expected_outputs(shown[1:])[0][0], atol=1e-4)


def test_streams_have_independent_frame_spacings():
    one = model(stream_spec(frame_spacing=0.4))
    shown = frames(2)
    a, b = one.stream(), one.stream()
    assert a.step(shown[0], 0.0).fresh and b.step(shown[0], 0.1).fresh
    assert not a.step(shown[1], 0.3).fresh and b.step(shown[1], 0.5).fresh


def test_the_frame_after_an_invalid_first_frame_is_run():
    stream = model(stream_spec(frame_spacing=0.4)).stream()
    with pytest.raises(VideoError):
        stream.step(np.zeros((4, 4), np.uint8), 0.0)
    assert stream.step(frames(1)[0], 0.1).fresh


@pytest.mark.parametrize("frame", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), None])
def test_after_an_invalid_frame_the_next_frame_is_due(frame):
    stream = model(stream_spec(frame_spacing=0.4)).stream()
    shown = frames(4)
    stream.step(shown[0], 0.0)
    with pytest.raises(VideoError):
        stream.step(frame, 0.4)
    assert stream.step(shown[1], 0.5).fresh
    # The frame spacing still counts from the first frame, so the next frame is due at 0.8.
    assert [stream.step(shown[2], stamp).fresh for stamp in (0.7, 0.8)] == [False, True]


def test_after_a_runtime_error_the_next_frame_is_due():
    class Failing(LeakyExecutor):
        def run(self, frame):
            if frame.max() == 255:
                raise RuntimeError("out of memory")
            return super().run(frame)

    stream = model(stream_spec(frame_spacing=0.4), Failing).stream()
    shown = [np.minimum(frame, 254) for frame in frames(2)]
    stream.step(shown[0], 0.0)
    with pytest.raises(RuntimeStepError, match="cannot run the graph of this double artifact: out of memory"):
        stream.step(np.full_like(shown[0], 255), 0.4)
    assert stream.step(shown[1], 0.5).fresh


def test_the_first_frame_after_a_restored_state_is_run():
    stream = model(stream_spec(frame_spacing=0.4)).stream()
    shown = frames(3)
    stream.step(shown[0], 5.0)
    saved = stream.state
    skipped = stream.step(shown[1], 5.1)
    assert not skipped.fresh
    stream.state = saved
    answer = stream.step(shown[1], 5.2)
    assert answer.fresh and np.allclose(answer.logits, expected_outputs(shown[:2])[0][1], atol=1e-4)
    assert [stream.step(shown[2], stamp).fresh for stamp in (5.5, 5.6)] == [False, True], "the spacing counts from 5.2"


def test_a_refused_state_does_not_change_the_frame_spacing():
    stream = model(stream_spec(frame_spacing=0.4)).stream()
    shown = frames(2)
    stream.step(shown[0], 0.0)
    with pytest.raises(EdgeshiftError, match="but the artifact has"):
        stream.state = {}
    assert not stream.step(shown[1], 0.1).fresh


def test_a_model_has_its_runtime_and_description():
    one = model()
    assert one.runtime == "double 1.0" and one.spec == one.stream().spec == stream_spec()
