"""Every validity flag: when it is True, False, or unknown."""

from __future__ import annotations

import msgspec
import pytest
import reports

from edgeshift.benchmarks.latency.result import Settings
from edgeshift.benchmarks.latency.validity import FLAGS, Validity, check_validity, new_throttling, tail

GOVERNORS = ("performance",)
#: Recorded on a machine of two cores, each repeat 3 s: the share that other processes used, and p90 over p50.
IDLE = [(0.005, 1.083), (0.0033, 1.081), (0.0083, 1.105), (0.0, 1.081), (0.0017, 1.079), (0.0033, 1.082)]
ONE_BUSY_PROCESS = [(0.5035, 1.089), (0.5068, 1.075), (0.6282, 1.254)]
TWO_BUSY_PROCESSES = [(0.5121, 1.079), (0.5186, 1.080), (0.5251, 1.077)]


def validity(settings: Settings | None = None, governors=GOVERNORS, repeats: int = 3, **changes) -> Validity:
    return check_validity(reports.subject(repeats=repeats, **changes), settings or reports.settings(), governors)


def test_a_good_run_is_valid():
    result = validity()
    assert result.valid and result.flags == dict.fromkeys(FLAGS, True) and result.reasons == {}
    assert FLAGS[:2] == ("min_duration_met", "min_steps_met") and len(FLAGS) == 9


HOT = {"after": reports.reading(60.5)}
INVALID = {
    "min_duration_met": ({"seconds": 59.9}, "a repeat lasted 59.9 s, and mode normal needs 60 s"),
    "min_steps_met": ({"steps": 1023}, "a repeat has 1,023 steps, and mode normal needs 1,024"),
    "warm": ({"warm": False}, "3 of 3 repeats"),
    "thermal_ok": (HOT, "cpu-thermal was at 60.5 C, above the maximum of 60 C"),
    "undisturbed": ({"competing": 0.11}, "other processes used 11% of the CPU time in a repeat, and 10% is the limit"),
    "tail_ok": ({"end_to_end": (5000.0,) * 1300 + (75_000.0,) * 200}, "p90 is 14.8 times p50 in a repeat"),
    "checked": ({"checked": False}, "self-check failed"),
    "enough_repeats": ({"repeats": 2}, "mode normal needs 3 repeats, each a fresh process, and there are 2"),
}


@pytest.mark.parametrize("name", INVALID)
def test_one_false_flag_makes_a_measurement_invalid(name):
    changes, words = INVALID[name]
    result = validity(**changes)
    assert result.flags[name] is False and not result.valid and words in result.reasons[name]
    assert result.failures == (result.reasons[name],)
    assert [flag for flag, value in result.flags.items() if value is not True] == [name]


@pytest.mark.parametrize(("mode", "steps", "seconds"), [("quick", 128, 10.0), ("rapid", 64, 6.0)])
def test_settings_cannot_lower_the_minimum_length_of_a_mode(mode, steps, seconds):
    easy = reports.settings(mode, steps=1, seconds=0.1)
    assert validity(easy, steps=steps, seconds=seconds).valid
    assert validity(easy, steps=steps - 1, seconds=seconds).min_steps_met is False
    assert validity(easy, steps=steps, seconds=seconds - 0.1).min_duration_met is False


def test_settings_can_raise_the_minimum_length_of_a_mode():
    more = reports.settings(steps=2000, seconds=90.0)
    assert validity(more, steps=2000, seconds=90.0).valid
    assert validity(more, steps=1999, seconds=89.0).flags["min_steps_met"] is False


def test_a_sustained_run_needs_the_requested_minutes():
    settings = reports.settings("sustained", minutes=30)
    assert validity(settings, minutes=reports.minutes(30)).min_duration_met
    short = validity(settings, minutes=reports.minutes(29))
    assert short.min_duration_met is False
    assert "a repeat has 29 of the 30 minutes that were requested" in short.reasons["min_duration_met"]


def test_a_sustained_run_needs_one_repeat():
    settings = reports.settings("sustained", minutes=5)
    assert validity(settings, repeats=1, minutes=reports.minutes(5)).enough_repeats is True


def test_a_sustained_run_may_become_hot_but_must_start_cool():
    settings = reports.settings("sustained", minutes=5)
    hot = {"minutes": reports.minutes(5), "after": reports.reading(90.0, throttled=("throttled",))}
    result = validity(settings, **hot)
    assert result.valid and result.thermal_ok and result.clocks_stable is None
    assert validity(settings, **hot, before=reports.reading(61.0)).thermal_ok is False


THROTTLED = ("clock capped since it started",)
MORE_OFTEN = ("clock capped 4 times by heat since it started",)


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ((), (), ()),
        (THROTTLED, THROTTLED, ()),
        ((), THROTTLED, THROTTLED),
        (("throttled",), ("throttled",), ("throttled",)),  # throttled during the whole repeat
        (("clock capped 3 times by heat since it started",), MORE_OFTEN, MORE_OFTEN),
        (None, THROTTLED, None),
        ((), None, None),
    ],
)
def test_throttling_counts_if_it_is_present_or_new(before, after, new):
    readings = reports.reading(50.0, throttled=before), reports.reading(50.0, throttled=after)
    assert new_throttling(*readings) == new
    result = validity(before=readings[0], after=readings[1])
    assert result.thermal_ok is (not new)  # the temperature is always known
    if new:
        assert new[0] in result.reasons["thermal_ok"]


def recorded(*figures: tuple[float, float]) -> Validity:
    """Return the flags of a run with recorded figures: for each repeat, the competing share, and p90 over p50."""
    samples = [(1000.0,) * 1200 + (1000.0 * ratio,) * 300 for _, ratio in figures]
    repeats = tuple(
        reports.repeat(end_to_end=times, competing=share) for (share, _), times in zip(figures, samples, strict=True)
    )
    return check_validity(artifact_with(repeats), reports.settings(), GOVERNORS)


def test_recorded_runs_of_an_idle_machine_are_valid():
    for first in range(len(IDLE) - 2):
        result = recorded(*IDLE[first : first + 3])
        assert result.valid and result.undisturbed and result.tail_ok


@pytest.mark.parametrize("figures", [ONE_BUSY_PROCESS, TWO_BUSY_PROCESSES])
def test_recorded_runs_beside_busy_processes_are_not_valid(figures):
    result = recorded(*figures)
    assert result.undisturbed is False and not result.valid


def test_one_disturbed_repeat_is_enough():
    assert recorded(*IDLE[:2], ONE_BUSY_PROCESS[0]).undisturbed is False


def test_unknown_competing_load_does_not_make_a_measurement_invalid():
    result = validity(competing=None)
    assert result.undisturbed is None and result.valid
    assert "the device does not report how much of the CPU other processes used" in result.unknown


def test_a_coarse_clock_does_not_look_like_a_long_tail():
    # A step of 1.4 ms, measured with a clock that advances in steps of 1 ms, as in some browsers.
    assert tail((1000.0,) * 60 + (2000.0,) * 40) == 1.0
    assert tail((1000.0,) * 60 + (2000.0,) * 20 + (15_000.0,) * 20) == 14.0
    assert tail((0.0,) * 60 + (1000.0,) * 40) is None
    assert tail((1000.0,) * 63) is None
    assert validity(end_to_end=(0.0,) * 1400 + (1000.0,) * 200).tail_ok is None


def test_flags_are_none_for_values_that_the_device_does_not_report():
    empty = reports.reading(None, None, None)
    result = validity(before=empty, after=empty, checked=None)
    assert (result.thermal_ok, result.clocks_stable, result.checked) == (None, None, None)
    assert result.valid and len(result.unknown) == 3 and result.failures == ()


def validity_with_clocks(*clocks: float | None, governors=GOVERNORS, **settings) -> Validity:
    """Return the flags of a run with one repeat per clock, MHz, which all cores have after that repeat."""
    repeats = tuple(reports.repeat(seed=at, after=reports.reading(50.0, clock)) for at, clock in enumerate(clocks))
    return check_validity(artifact_with(repeats), reports.settings(**settings), governors)


def artifact_with(repeats):
    return msgspec.structs.replace(reports.subject(), repeats=repeats)


def test_clocks_are_stable_if_they_differ_by_less_than_ten_percent():
    assert validity_with_clocks(1800.0, 1700.0, 1640.0).clocks_stable is True
    result = validity_with_clocks(1800.0, 1700.0, 1600.0)
    assert result.clocks_stable is False and "differs by 11% between repeats" in result.reasons["clocks_stable"]


def test_stability_of_clocks_needs_a_governor_and_two_readings():
    assert validity_with_clocks(1800.0, 1000.0, 1800.0, governors=()).clocks_stable is None
    assert validity_with_clocks(1800.0, None, 1800.0).clocks_stable is None
    assert validity_with_clocks(1800.0).clocks_stable is None


def test_only_clocks_of_busy_cores_count():
    idle = {"cpu0": 600.0, "cpu1": 1800.0}
    busy = {"cpu0": 1800.0, "cpu1": 1800.0}
    repeats = tuple(
        reports.repeat(seed=at, after=reports.SensorReading(temperatures={}, clock=clock, throttled=()))
        for at, clock in enumerate((idle, busy, busy))
    )
    subject = artifact_with(repeats)
    assert check_validity(subject, reports.settings(), GOVERNORS).clocks_stable is True
    assert check_validity(subject, reports.settings(cores=(1,)), GOVERNORS).clocks_stable is True
    pinned = check_validity(subject, reports.settings(cores=(0,)), GOVERNORS)
    assert pinned.clocks_stable is False and "cpu0" in pinned.reasons["clocks_stable"]


def test_without_repeats_a_measurement_is_invalid():
    result = validity(repeats=0)
    assert not result.valid and "nothing was measured" in result.failures


def test_the_clock_of_the_gpu_or_of_the_firmware_is_compared_if_it_is_reported():

    def check(runtime, *readings):
        repeats = tuple(
            msgspec.structs.replace(repeat, runtime=runtime, after=msgspec.structs.replace(repeat.after, **changes))
            for repeat, changes in zip(reports.subject().repeats, readings, strict=False)
        )
        subject = msgspec.structs.replace(reports.subject(), repeats=repeats)
        return check_validity(subject, reports.report(subject).settings, ("schedutil",))

    still = {"cpu0": 1500.0, "cpu1": 1500.0}
    gpu = [{"clock": still, "gpu": clock} for clock in (600.0, 600.0, 300.0)]
    assert check("TensorRT 10.3", *gpu).clocks_stable is False
    assert "the GPU" in check("TensorRT 10.3", *gpu).reasons["clocks_stable"]
    assert check("LiteRT 2.3.0", *gpu).clocks_stable is True
    arm = [{"clock": {**still, "arm": clock}} for clock in (1500.0, 1500.0, 1000.0)]
    assert check("LiteRT 2.3.0", *arm).clocks_stable is False
