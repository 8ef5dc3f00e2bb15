"""Parity, tested with a small network and variants of it that each have one fault."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from doubles import INT8, STATE, ForgetfulExecutor, LeakyExecutor, expected_outputs, frames, model, stream_spec

from edgeshift.artifact.spec import ParitySpec
from edgeshift.errors import EdgeshiftError
from edgeshift.stream.parity import (
    MAX_ERROR,
    MAX_STATE_ERROR,
    MIN_COSINE,
    MIN_FRAMES,
    MIN_TOP1,
    compare,
    failures,
    real_states,
)

SHOWN = frames(40, seed=4)
WANT, LEVELS = expected_outputs(SHOWN)
RANGE = float(np.ptp(WANT))


class NeverReset(LeakyExecutor):
    """Ignores all states that are set after the first ones, so that a reset has no effect."""

    def set_states(self, states):
        if not hasattr(self, "given"):
            super().set_states(states)
        self.given = True


class Counting(LeakyExecutor):
    """Counts the frames since the last reset."""

    def set_states(self, states):
        super().set_states(states)
        self.t = -1

    def run(self, frame):
        self.t += 1
        return super().run(frame)


def altered(change):
    """Return an executor class with right states and the logits ``change(t, logits)``. t: frames since the reset."""

    class Altered(Counting):
        def logits(self, level, colour):
            return change(self.t, super().logits(level, colour))

    return Altered


def parity(executor=LeakyExecutor, spec=None, reference=None, shown=SHOWN) -> ParitySpec:
    return compare(model(spec, executor), reference or model(), shown)


def test_an_identical_network_passes():
    found = parity()
    assert failures(found, "fp32") == failures(found, "fp16") == failures(found, "int8") == []
    assert (found.max_error, found.state_error, found.top1, found.top1_clear) == (0, 0, 1, 1)
    assert found.cosine == pytest.approx(1) and found.drift == pytest.approx(1)
    assert found.repeatable and found.steps is None
    assert found.frames == 40 and found.reference == "double 1.0"
    assert found.logit_range == pytest.approx(RANGE, rel=1e-5)


def test_an_int8_network_passes_the_int8_limits_only():
    found = parity(spec=stream_spec(**INT8))
    assert failures(found, "int8") == []
    assert failures(found, "fp32"), "the int8 network does not pass the limits for float"
    assert 0.5 < found.steps < 8 and found.max_error == pytest.approx(found.steps / 8 / found.logit_range)
    assert 0 < found.state_error < 0.1


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_lost_state_agrees_on_the_first_frame_but_fails(precision):
    spec = stream_spec(**INT8) if precision == "int8" else stream_spec(precision=precision)
    first = [model(spec, executor).stream().step(SHOWN[0]).logits for executor in (LeakyExecutor, ForgetfulExecutor)]
    assert np.array_equal(*first)
    found = parity(ForgetfulExecutor, spec)
    assert found.repeatable, "a repeated run gives the same logits, so only the comparison over frames finds the error"
    problems = failures(found, precision)
    assert any("logits differ" in p or "cosine" in p for p in problems)
    assert any("a state differs" in p for p in problems)


def test_a_state_that_is_not_reset_fails():
    found = parity(NeverReset)
    assert found.max_error == 0 and found.state_error == 0, "the first run is right"
    assert failures(found, "fp32") == ["the same frames gave other logits after a reset: a state is not reset"]


def test_a_wrong_state_fails_even_if_the_logits_are_right():
    class Hiding(LeakyExecutor):
        def states(self):
            return {name: array * 1.01 for name, array in super().states().items()}

    found = parity(Hiding)
    assert found.max_error == 0
    (problem,) = failures(found, "fp32")
    assert problem.startswith("a state differs by") and problem.endswith("the limit for fp32 is 0.001")


def test_a_nan_state_fails():
    class Broken(LeakyExecutor):
        def states(self):
            return {name: array * np.nan for name, array in super().states().items()}

    for precision in ("fp32", "fp16", "int8"):
        assert len(failures(parity(Broken), precision)) == 1


@pytest.mark.parametrize("at", [0, 31, 39])
def test_one_wrong_logit_in_one_frame_fails(at):
    off = 2e-4 * RANGE

    def change(t, logits):
        logits[0, 2] += off * (t == at)
        return logits

    found = parity(altered(change))
    assert found.max_error == pytest.approx(2e-4, rel=0.02)
    (problem,) = failures(found, "fp32")
    assert "logits differ by 0.0002 of their range; the limit for fp32 is 0.0001" in problem
    assert failures(found, "fp16") == []


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("share", [0.9, 1.1])
def test_errors_below_the_limit_pass_and_above_it_fail(precision, share):
    off = share * MAX_ERROR[precision] * RANGE
    assert bool(failures(parity(altered(lambda t, logits: logits + off)), precision)) == (share > 1)


def test_drift_is_the_error_of_the_last_eight_frames_over_the_first_eight():
    def change(t, logits):
        logits[0, 0] += 0.01 * (t + 1)
        return logits

    found = parity(altered(change))
    # The errors are 1 to 8 and 33 to 40, times 0.01.
    assert found.drift == pytest.approx(np.mean(range(33, 41)) / np.mean(range(1, 9)), rel=1e-3)
    assert found.max_error * found.logit_range == pytest.approx(0.4, rel=1e-3)
    assert parity(altered(lambda t, logits: logits + 0.5 / (t + 1))).drift < 1


def test_cosine_is_over_all_logits_centred_per_frame():
    noise = np.random.default_rng(0).normal(size=(40, 1, 4))
    found = parity(altered(lambda t, logits: logits + noise[t]))
    # Each frame is centred, because an offset that all logits share has no effect on the label.
    a, b = ((logits - logits.mean(1, keepdims=True)).flatten() for logits in (WANT + noise[:, 0], WANT))
    want = a @ b / np.sqrt(a @ a * (b @ b))
    assert found.cosine == pytest.approx(want, abs=1e-5) and want < 0.99
    assert parity(altered(lambda t, logits: -logits)).cosine == pytest.approx(-1)
    assert parity(altered(lambda t, logits: 0 * logits)).cosine == pytest.approx(0)
    assert parity(altered(lambda t, logits: 3 * logits + 1000)).cosine == pytest.approx(1)


@pytest.mark.parametrize("wrong", [0, 1, 4, 5, 40])
def test_top1_is_the_share_of_frames_with_the_same_label(wrong):
    def change(t, logits):
        return -logits if t < wrong else logits

    found = parity(altered(change))
    assert found.top1 == pytest.approx(1 - wrong / 40)
    assert any("the top label agrees" in problem for problem in failures(found, "int8")) == (
        found.top1_clear < MIN_TOP1
    )


def test_tied_labels_count_as_agreement_in_top1_clear():
    """Two labels are tied if the reference itself hardly distinguishes them."""

    def tie(t, logits):
        order = np.argsort(logits[0])
        logits[0, order[-2]] = logits[0, order[-1]] - 0.001 * RANGE
        return logits

    def swap(t, logits):
        tie(t, logits)
        order = np.argsort(logits[0])
        logits[0, order[-2]] += 0.002 * RANGE
        return logits

    found = compare(model(executor=altered(swap)), model(executor=altered(tie)), SHOWN)
    assert found.top1 < 0.1 and found.top1_clear == 1
    assert failures(found, "int8") == []
    clear = compare(model(executor=altered(lambda t, logits: -logits)), model(), SHOWN)
    assert clear.top1_clear < 0.5


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_steps_count_quantization_steps_of_the_candidate(steps):
    spec = stream_spec(**INT8)

    class Off(Counting):
        def run(self, frame):
            logits = super().run(frame)
            logits[0, 1] -= steps * (self.t == 20)
            return logits

    found = compare(model(spec, Off), model(spec), SHOWN)
    assert found.steps == pytest.approx(steps)
    assert compare(model(), model(spec), SHOWN).steps is None, "the candidate is float and has no steps"


def test_the_state_error_is_in_standard_deviations():
    class Off(LeakyExecutor):
        def states(self):
            return {name: array + 3.0 for name, array in super().states().items()}

    assert parity(Off).state_error == pytest.approx(3.0 / LEVELS.std(), rel=1e-3)
    dropped = parity(ForgetfulExecutor).state_error
    assert dropped > 0.5, "a lost state differs by about one standard deviation"


def test_a_state_that_the_artifact_does_not_carry_is_named():
    class Stateless(LeakyExecutor):
        def __init__(self, spec):
            super().__init__(stream_spec())

        def states(self):
            return {}

        def set_states(self, states):
            pass

    found = parity(Stateless, stream_spec(states=()))
    assert found.lost_states == (STATE,)
    assert f"the artifact does not carry {STATE} of the original" in failures(found, "int8")
    assert parity().lost_states == ()


def test_candidate_and_reference_have_their_own_states():
    """The reference does not receive the candidate's states, and is not reset when the candidate is."""
    made: list[LeakyExecutor] = []
    compare(model(), model(made=made), SHOWN)
    (reference,) = made
    assert len(reference.frames) == 40
    assert np.allclose(reference.states()[STATE].flatten(), LEVELS[-1], rtol=1e-5)


@pytest.mark.parametrize("count", [0, 1, MIN_FRAMES - 1])
def test_too_few_frames_are_refused(count):
    with pytest.raises(EdgeshiftError, match=f"needs 32 frames or more, not {count}"):
        compare(model(), model(), SHOWN[:count])


def test_thirty_two_frames_are_enough_and_advance_is_called_for_each_of_both_runs():
    calls = []
    found = compare(model(), model(), SHOWN[:MIN_FRAMES], lambda: calls.append(1))
    assert found.frames == MIN_FRAMES == 32 and len(calls) == 64


def test_constant_logits_do_not_divide_by_zero():
    constant = altered(lambda t, logits: 0 * logits)
    found = compare(model(executor=constant), model(executor=constant), SHOWN)
    assert found.logit_range == 1 and found.max_error == 0 and np.isfinite(found.cosine)


def test_real_states_dequantizes_int8():
    stream = model(stream_spec(**INT8)).stream()
    assert real_states(stream)[STATE].tolist() == [[[[0, 0, 0]]]]
    stream.state = {STATE: np.array([[[[-128, 0, 127]]]], np.int8)}
    assert real_states(stream)[STATE].flatten().tolist() == [-112, 400, 908]


GOOD = ParitySpec(
    reference="x",
    frames=32,
    logit_range=1.0,
    max_error=0.0,
    cosine=1.0,
    top1=1.0,
    top1_clear=1.0,
    state_error=0.0,
    drift=1.0,
)


LIMITS = [
    (field, precision, limits[precision])
    for field, limits in (("max_error", MAX_ERROR), ("state_error", MAX_STATE_ERROR))
    for precision in limits  # max_error has no limit for int8, because int8 logits are checked by their cosine
]
LIMITS += [
    (field, precision, bound)
    for field, bound in (("cosine", MIN_COSINE), ("top1_clear", MIN_TOP1))
    for precision in MAX_STATE_ERROR
]


@pytest.mark.parametrize("value", ["just wrong", "nan"])
@pytest.mark.parametrize(("field", "precision", "bound"), LIMITS)
def test_a_value_beyond_its_limit_or_nan_fails(field, precision, bound, value):
    assert failures(msgspec.structs.replace(GOOD, **{field: bound}), precision) == []
    wrong = float("nan") if value == "nan" else bound * (1.001 if field.endswith("error") else 0.999)
    problems = failures(msgspec.structs.replace(GOOD, **{field: wrong}), precision)
    assert len(problems) == 1 and "\n" not in problems[0]


def test_every_failure_is_listed():
    worst = msgspec.structs.replace(GOOD, max_error=1.0, cosine=0.0, top1_clear=0.0, state_error=1.0, repeatable=False)
    worst = msgspec.structs.replace(worst, lost_states=("a",))
    assert len(failures(worst, "fp32")) == 6 and len(failures(worst, "int8")) == 5


def test_the_limits_have_their_documented_values():
    assert MAX_ERROR == {"fp32": 1e-4, "fp16": 1e-2} and MIN_COSINE == 0.98 and MIN_FRAMES == 32
