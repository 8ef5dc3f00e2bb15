"""The self-check that a device runs: its test frames, its expected logits, and the faults that it finds."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import numpy as np
import pytest
from doubles import INT8, SIZE, STATE, ForgetfulExecutor, LeakyExecutor, expected_outputs, model, stream_spec

from edgeshift._system.files import sha256
from edgeshift.artifact.spec import CheckSpec, StreamSpec, decode, encode
from edgeshift.errors import EdgeshiftError
from edgeshift.stream.selfcheck import BOUNDS, CELLS, FRAMES, ORIGINAL, bound_of, check_frames, make_check, self_check

#: Hashes of test frames. Existing artifacts contain logits of these frames, so the frames must never change.
PINNED = {
    (7, 8, 64, 64): "2c535881782ecb1486f85f231e57d66ab6bc013f98ad44e8cdde7421f4e18bfe",
    (7, 8, 112, 112): "42f051135118f9e9722c125f81322140e052290d30e023c38aad6b1b3d226429",
    (0, 3, 65, 113): "0f6b4715c5c7877311d32102b62fba5f0de60c72c0e67f8bfbbdeb3be490b50c",
}


def checked() -> StreamSpec:
    """Return a description with the right self-check."""
    return stream_spec(check=make_check(model()))


@pytest.mark.parametrize(("arguments", "digest"), PINNED.items(), ids=[str(key) for key in PINNED])
def test_the_test_frames_never_change(arguments, digest):
    assert sha256(check_frames(*arguments).tobytes()) == digest


def test_the_test_frames_are_cells_that_move_right():
    made = check_frames(3, 5, 70, 28)
    assert made.shape == (5, 70, 28, 3) and made.dtype == np.uint8
    height, width = 70 // CELLS, 28 // CELLS
    cells = made[:, ::height, ::width]
    assert np.array_equal(made, cells.repeat(height, 1).repeat(width, 2))
    for t in range(4):
        assert np.array_equal(cells[t + 1, :, 1:], cells[t, :, :-1])
        assert not np.array_equal(cells[t + 1], cells[t])
    assert len({int(v) for v in made.flatten()}) > 200, "the pixels use nearly all values"


def test_the_test_frames_depend_only_on_the_seed():
    np.random.seed(1)
    first = check_frames(1, 2, 64, 64)
    np.random.seed(2)
    assert np.array_equal(check_frames(1, 2, 64, 64), first)
    assert not np.array_equal(check_frames(2, 2, 64, 64), first)


def test_another_process_makes_the_same_frames_without_torch():
    code = "import sys, hashlib; from edgeshift.stream.selfcheck import check_frames\n"
    code += "assert 'torch' not in sys.modules; print(hashlib.sha256(check_frames(7, 8, 64, 64).tobytes()).hexdigest())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == PINNED[7, 8, 64, 64]


def test_the_expected_values_are_those_of_the_network():
    check = make_check(model(), seed=5)
    want, levels = expected_outputs(list(check_frames(5, FRAMES, SIZE, SIZE)))
    assert check.span == pytest.approx(np.ptp(want), rel=1e-5)
    assert check.seed == 5 and np.allclose(check.logits, want, atol=1e-4)
    assert np.allclose(check.states[STATE], levels[-1][[0, 7919 % 3, 2 * 7919 % 3]], rtol=1e-5)


@pytest.mark.parametrize("processor", BOUNDS)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_bound_depends_on_precision_and_processor(precision, processor):
    spec = stream_spec(precision=precision, check=make_check(model()))
    bound = bound_of(spec, processor)
    assert bound.logits == pytest.approx(BOUNDS[processor][precision].logits * spec.check.span)
    assert bound.states == BOUNDS[processor][precision].states
    assert all(
        BOUNDS["cpu"][precision][index] <= bound <= 0.1 for index, bound in enumerate(BOUNDS[processor][precision])
    )


def test_int8_logits_may_differ_by_a_quarter_of_a_step():
    spec = stream_spec(**INT8)
    spec = msgspec.structs.replace(spec, check=make_check(model(spec)))
    assert bound_of(spec, "cpu").logits == max(0.25 * 0.125, BOUNDS["cpu"]["int8"].logits * spec.check.span)


def test_results_of_the_original_have_wider_bounds():
    original = make_check(model(), original=True)
    assert original.reference == "original"
    spec = stream_spec(precision="int8", check=original)
    assert bound_of(spec, "cpu").states == ORIGINAL["int8"].states > BOUNDS["cpu"]["int8"].states


def test_constant_logits_still_have_a_tolerance():
    class Constant(LeakyExecutor):
        def logits(self, level, colour):
            return np.zeros((1, 4))

    spec = stream_spec(check=make_check(model(executor=Constant)))
    assert self_check(model(spec, Constant)).ok


def test_the_network_that_made_the_check_passes_it():
    found = self_check(model(checked()))
    assert found.ok and found.repeatable and found.error == 0 and found.frames == FRAMES
    assert found.tolerance == bound_of(checked(), "cpu").logits and found.state_error < 1e-4


def test_encoding_and_decoding_keep_the_check():
    spec = decode(encode(checked()), "here")
    assert spec.check == checked().check
    assert self_check(model(spec)).error == 0


def test_streams_before_the_check_have_no_effect():
    one = model(checked())
    stream = one.stream()
    stream.step(check_frames(1, 1, SIZE, SIZE)[0])
    assert self_check(one).error == 0


class OffsetLogits(LeakyExecutor):
    offset = 0.0

    def logits(self, level, colour):
        return super().logits(level, colour) + self.offset


@pytest.mark.parametrize("share", [0.5, 0.99, 1.01, 100.0])
def test_errors_within_the_bound_pass_and_larger_errors_fail(share):
    spec = checked()

    class Rounding(OffsetLogits):
        offset = share * bound_of(spec, "cpu").logits

    found = self_check(model(spec, Rounding))
    assert found.ok == (share < 1)
    assert found.error == pytest.approx(Rounding.offset, rel=0.01) and found.repeatable


def test_one_wrong_logit_in_one_frame_fails():
    spec = checked()
    rows = [list(row) for row in spec.check.logits]
    rows[-1][2] += 0.001 * spec.check.span
    changed = msgspec.structs.replace(spec.check, logits=tuple(map(tuple, rows)))
    assert not self_check(model(msgspec.structs.replace(spec, check=changed))).ok


def test_one_wrong_value_of_a_state_fails():
    spec = checked()
    first, *others = spec.check.states[STATE]
    changed = msgspec.structs.replace(spec.check, states={STATE: (first * 1.01, *others)})
    found = self_check(model(msgspec.structs.replace(spec, check=changed)))
    assert found.error == 0 and found.state_error > found.state_tolerance and not found.ok
    assert "a state differs by" in found.problems[0]


def test_a_lost_state_fails():
    assert not self_check(model(checked(), ForgetfulExecutor)).ok


def test_a_second_run_with_other_logits_fails():
    counter = iter(range(1000))

    class NotRepeatable(LeakyExecutor):
        def logits(self, level, colour):
            return super().logits(level, colour) + 1e-5 * next(counter)

    found = self_check(model(checked(), NotRepeatable))
    assert found.error < found.tolerance and not found.repeatable and not found.ok


def test_nan_logits_fail():
    class Broken(LeakyExecutor):
        def logits(self, level, colour):
            return np.full((1, 4), np.nan)

    with np.errstate(invalid="ignore"):
        assert not self_check(model(checked(), Broken)).ok


def test_as_many_frames_are_run_as_the_check_has_logits_for():
    full = checked()
    short = CheckSpec(seed=full.check.seed, logits=full.check.logits[:2])
    # check_frames makes other frames for a count of 2 than the first 2 of 8, so the result itself is not asserted.
    found = self_check(model(msgspec.structs.replace(full, check=short)))
    assert found.frames == 2


def test_an_artifact_without_a_check_is_an_error():
    with pytest.raises(EdgeshiftError, match="has no self-check; convert the model again"):
        self_check(model())


def test_a_check_of_version_1_compares_only_logits_with_its_own_tolerance():
    check = CheckSpec(seed=7, logits=checked().check.logits, tolerance=0.1 * checked().check.span)
    spec = stream_spec(version=1, check=check)

    class Rounding(OffsetLogits):
        offset = 0.9 * check.tolerance

    found = self_check(model(spec, Rounding))
    assert found.ok and found.version == 1 and found.state_error is None and found.tolerance == check.tolerance
