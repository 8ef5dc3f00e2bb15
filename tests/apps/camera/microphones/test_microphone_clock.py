"""The estimate of the time of samples from the times at which pieces arrive."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edgeshift.apps.camera.microphones.clock import LOST, STEP, SoundClock

RATE, COUNT = 48_000, 960  # pieces of 20 ms


def errors(delays: np.ndarray, *, rate: float = RATE, begin: float = 100.0) -> Iterator[tuple[float, bool]]:
    """Yield for each piece the error of its time, and whether samples count as lost.

    Args:
        delays: seconds by which each piece arrives late.
        rate: samples per second of the microphone's true clock.
        begin: true time of sample 0.
    """
    clock = SoundClock(RATE)
    arrival = 0.0
    for index, delay in enumerate(delays):
        true = begin + index * COUNT / rate
        arrival = max(arrival, true + COUNT / rate + delay)  # pieces arrive in order
        timestamp, lost = clock.stamp(COUNT, arrival)
        yield timestamp - true, lost


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("drift", [-1e-4, 0.0, 1e-4])
def test_jitter_moves_the_sound_by_less_than_3_ms_after_a_second(seed: int, drift: float):
    random = np.random.default_rng(seed)
    # A program on a busy machine: usually a few ms late, sometimes by up to 80 ms.
    delays = random.exponential(0.004, 3000) + (random.random(3000) < 0.05) * random.uniform(0, 0.08, 3000)
    delays[0] = 0.06
    found = list(errors(delays, rate=RATE * (1 + drift)))
    assert max(abs(error) for error, _ in found[50:]) < 0.003
    assert not any(lost for _, lost in found)


def test_a_better_estimate_moves_the_sound_in_small_steps():
    found = [error for error, _ in errors(np.array([0.09] + [0.0] * 20))]
    assert found[0] == pytest.approx(0.09) and found[-1] == pytest.approx(0.0, abs=1e-9)
    assert np.abs(np.diff(found)).max() <= STEP + 1e-9


def test_samples_that_a_driver_lost_without_a_word_are_a_gap():
    # 0.5 s of samples are missing after two seconds, so all later pieces arrive that much later.
    delays = np.concatenate([np.full(100, 0.01), np.full(100, 0.51)])
    found = list(errors(delays))
    lost = [index for index, (_, lost) in enumerate(found) if lost]
    assert len(lost) == 1 and 100 < lost[0] <= 155
    # From there on, the time is again that of the arrival: the lost samples are not part of the sound any more.
    assert found[-1][0] == pytest.approx(0.51)


def test_a_short_stall_is_no_gap():
    delays = np.zeros(200)
    delays[100:140] = np.linspace(0.8, 0.0, 40)  # all pieces of 0.8 s arrive together at the end of the stall
    found = list(errors(delays))
    assert not any(lost for _, lost in found) and max(abs(error) for error, _ in found) < 0.001 < LOST


def test_a_restart_takes_the_time_of_the_next_arrival():
    clock = SoundClock(RATE)
    clock.stamp(COUNT, 10.02)
    clock.restart()
    assert clock.stamp(COUNT, 17.0) == (pytest.approx(17.0 - COUNT / RATE), False)
