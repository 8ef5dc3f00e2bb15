"""The check that a device runs on itself."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import numpy as np
import pytest
from doubles import SIZE, LeakyExecutor, expected_outputs, model, stream_spec

from edgeshift._system.files import sha256
from edgeshift.artifact.spec import CheckSpec, StreamSpec, decode, encode
from edgeshift.errors import EdgeshiftError
from edgeshift.stream.selfcheck import CELLS, FRAMES, TOLERANCE, check_frames, make_check, self_check

#: Artifacts in the field hold answers to these frames: they must never change.
PINNED = {
    (7, 8, 64, 64): "2c535881782ecb1486f85f231e57d66ab6bc013f98ad44e8cdde7421f4e18bfe",
    (7, 8, 112, 112): "42f051135118f9e9722c125f81322140e052290d30e023c38aad6b1b3d226429",
    (0, 3, 65, 113): "0f6b4715c5c7877311d32102b62fba5f0de60c72c0e67f8bfbbdeb3be490b50c",
}


def checked() -> StreamSpec:
    """A spec that carries the right check."""
    return stream_spec(check=make_check(model()))


@pytest.mark.parametrize(("arguments", "digest"), PINNED.items(), ids=[str(key) for key in PINNED])
def test_the_frames_never_change(arguments, digest):
    assert sha256(check_frames(*arguments).tobytes()) == digest


def test_the_frames_are_cells_that_move_right():
    made = check_frames(3, 5, 70, 28)
    assert made.shape == (5, 70, 28, 3) and made.dtype == np.uint8
    height, width = 70 // CELLS, 28 // CELLS
    cells = made[:, ::height, ::width]
    assert np.array_equal(made, cells.repeat(height, 1).repeat(width, 2))
    for t in range(4):
        assert np.array_equal(cells[t + 1, :, 1:], cells[t, :, :-1])
        assert not np.array_equal(cells[t + 1], cells[t])
    assert len({int(v) for v in made.flatten()}) > 200, "every range of a pixel is used"


def test_the_frames_depend_on_the_seed_alone():
    np.random.seed(1)
    first = check_frames(1, 2, 64, 64)
    np.random.seed(2)
    assert np.array_equal(check_frames(1, 2, 64, 64), first)
    assert not np.array_equal(check_frames(2, 2, 64, 64), first)


def test_the_same_frames_in_another_process():
    code = "import sys, hashlib; from edgeshift.stream.selfcheck import check_frames as c; assert 'torch' not in sys.modules; "
    code += "print(hashlib.sha256(c(7, 8, 64, 64).tobytes()).hexdigest())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == PINNED[7, 8, 64, 64]


def test_what_is_recorded_is_what_the_network_answers():
    check = make_check(model(), seed=5)
    want, _ = expected_outputs(list(check_frames(5, FRAMES, SIZE, SIZE)))
    assert check.span == pytest.approx(np.ptp(want), rel=1e-5)
    assert check.seed == 5 and np.allclose(check.logits, want, atol=1e-4)
    assert check.tolerance == pytest.approx(TOLERANCE["fp32"] * np.ptp(want), rel=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_tolerance_is_that_of_the_precision(precision):
    fp32 = make_check(model()).tolerance / TOLERANCE["fp32"]
    assert make_check(model(stream_spec(precision=precision))).tolerance == pytest.approx(TOLERANCE[precision] * fp32)
    assert TOLERANCE["fp32"] < TOLERANCE["fp16"] < TOLERANCE["int8"] <= 0.1


def test_a_network_that_answers_nothing_still_has_a_tolerance():
    class Silent(LeakyExecutor):
        def logits(self, level, colour):
            return np.zeros((1, 4))

    assert make_check(model(executor=Silent)).tolerance > 0


def test_the_maker_passes():
    found = self_check(model(checked()))
    assert found.ok and found.repeatable and found.error == 0 and found.frames == FRAMES
    assert found.tolerance == checked().check.tolerance


def test_the_check_survives_the_file():
    spec = decode(encode(checked()), "here")
    assert spec.check == checked().check
    assert self_check(model(spec)).error == 0


def test_nothing_of_the_stream_before_matters():
    one = model(checked())
    stream = one.stream()
    stream.step(check_frames(1, 1, SIZE, SIZE)[0])
    assert self_check(one).error == 0


class Off(LeakyExecutor):
    by = 0.0

    def logits(self, level, colour):
        return super().logits(level, colour) + self.by


@pytest.mark.parametrize("share", [0.5, 0.99, 1.01, 100.0])
def test_a_device_that_rounds_otherwise_passes_within_the_tolerance(share):
    spec = checked()

    class Rounding(Off):
        by = share * spec.check.tolerance

    found = self_check(model(spec, Rounding))
    assert found.ok == (share < 1)
    assert found.error == pytest.approx(share * spec.check.tolerance, rel=0.01) and found.repeatable


def test_one_wrong_logit_of_one_frame_fails():
    spec = checked()
    rows = [list(row) for row in spec.check.logits]
    rows[-1][2] += 2 * spec.check.tolerance
    changed = msgspec.structs.replace(spec.check, logits=tuple(map(tuple, rows)))
    assert not self_check(model(msgspec.structs.replace(spec, check=changed))).ok


def test_a_device_that_drops_the_state_fails():
    class Forgetful(LeakyExecutor):
        def run(self, frame):
            self.set_states({name: array * 0 for name, array in self.states().items()})
            return super().run(frame)

    assert not self_check(model(checked(), Forgetful)).ok


def test_a_device_that_does_not_repeat_itself_fails():
    counter = iter(range(1000))

    class Restless(LeakyExecutor):
        def logits(self, level, colour):
            return super().logits(level, colour) + 1e-5 * next(counter)

    found = self_check(model(checked(), Restless))
    assert found.error < found.tolerance and not found.repeatable and not found.ok


def test_a_device_that_answers_no_number_fails():
    class Broken(LeakyExecutor):
        def logits(self, level, colour):
            return np.full((1, 4), np.nan)

    with np.errstate(invalid="ignore"):
        assert not self_check(model(checked(), Broken)).ok


def test_as_many_frames_as_are_recorded():
    full = checked()
    short = CheckSpec(seed=full.check.seed, logits=full.check.logits[:2], tolerance=1)
    # The frames are counted from the far end, so two frames are not the first two of eight.
    found = self_check(model(msgspec.structs.replace(full, check=short)))
    assert found.frames == 2


def test_no_check_is_an_error():
    with pytest.raises(EdgeshiftError, match="has no self-check; convert the model again"):
        self_check(model())
