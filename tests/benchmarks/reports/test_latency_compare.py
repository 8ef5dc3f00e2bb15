"""Comparisons of latency reports: conditions, pairs, and verdicts on noise like that of real machines."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import reports

from edgeshift.benchmarks.latency.result import ArtifactResult, Report
from edgeshift.benchmarks.reports.comparability import GROUPS, REQUIRED
from edgeshift.benchmarks.reports.latency_compare import compare_latency, failures
from edgeshift.benchmarks.reports.ratio import decide, ratio
from edgeshift.benchmarks.statistics import Interval
from edgeshift.errors import EdgeshiftError
from edgeshift.stream.placement import Placement


def runs(factor: float, seed: int, steps: int = 1100):
    """Return samples of three processes of an artifact, and of an artifact that takes ``factor`` times as long."""
    random = np.random.default_rng(seed)
    before = [reports.times(5000, steps, random) for _ in range(3)]
    return before, [reports.times(5000 * factor, steps, random) for _ in range(3)]


def verdicts(factor: float, count: int = 40) -> list[str]:
    return [decide(ratio(*runs(factor, seed)), 0.05)[0] for seed in range(count)]


def test_the_same_latency_is_no_difference():
    assert verdicts(1.0).count("no difference") >= 36


def test_a_difference_of_ten_percent_is_slower_or_faster():
    assert verdicts(1.1).count("slower") >= 36
    assert verdicts(1 / 1.1).count("faster") >= 36


def test_the_interval_contains_the_true_ratio():
    """95% of 60 are 57. A few less contain it: three processes give a poor estimate of how much processes differ."""
    ratios = [ratio(*runs(1.02, seed)) for seed in range(60)]
    assert sum(measured.low <= 1.02 <= measured.high for measured in ratios) >= 53


def test_processes_that_differ_widen_the_interval():
    random = np.random.default_rng(3)
    apart = [np.full(1000, value) + random.normal(0, 1, 1000) for value in (4900, 5000, 5100)]
    measured = ratio(apart, apart)
    assert measured.value == 1 and measured.high - measured.low > 0.05


def test_correlated_steps_widen_the_interval():
    random = np.random.default_rng(0)
    correlated = np.repeat(random.normal(5000, 100, 40), 50)
    wide, narrow = (ratio([steps], [steps]) for steps in (correlated, random.permutation(correlated)))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_the_same_samples_give_the_same_interval():
    assert ratio(*runs(1.0, 1)) == ratio(*runs(1.0, 1))


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict", "wide"),
    [
        (1.06, 1.01, 1.12, "slower", False),
        (1.06, 0.99, 1.12, "no difference", True),  # over the tolerance, but perhaps by chance
        (1.04, 1.03, 1.049, "no difference", False),  # significant, but within the tolerance
        (1.0, 0.97, 1.03, "no difference", False),
        (1.0, 0.90, 1.03, "no difference", True),
        (1 / 1.06, 1 / 1.12, 1 / 1.01, "faster", False),
        (1 / 1.06, 1 / 1.12, 1 / 0.99, "no difference", True),
    ],
)
def test_the_verdict_follows_from_ratio_and_interval(value, low, high, verdict, wide):
    assert decide(Interval(value, low, high), 0.05) == (verdict, wide)


def scaled(report: Report, factor: float) -> Report:
    def times(subject: ArtifactResult):
        return tuple(
            msgspec.structs.replace(
                repeat,
                end_to_end=tuple(value * factor for value in repeat.end_to_end),
                infer=tuple(value * factor for value in repeat.infer),
            )
            for repeat in subject.repeats
        )

    return msgspec.structs.replace(
        report,
        subjects=tuple(
            msgspec.structs.replace(subject, repeats=times(subject), sha256="e" * 64) for subject in report.subjects
        ),
    )


def test_a_comparison_of_two_reports():
    before = reports.report()
    comparison = compare_latency(before, scaled(before, 1.2))
    (pair,) = comparison.pairs
    assert pair.verdict == "slower" and comparison.regressed and pair.file == pair.before_file == "tsm_int8.tflite"
    assert pair.end_to_end.value == pytest.approx(1.2) and pair.infer is not None
    assert pair.after == pytest.approx(pair.before * 1.2) and pair.notes == () and comparison.across == ()
    assert not compare_latency(scaled(before, 1.2), before).regressed
    assert not compare_latency(before, scaled(before, 1.2), tolerance=0.25).regressed


def facts(**changes):
    return {"facts": msgspec.structs.replace(reports.FACTS, **changes)}


#: {condition: (changed fields of the report, changed fields of its artifact)}.
DIFFERENT = {
    "board": (facts(board="Some Board 5"), {}),
    "processor": (facts(processor="Cortex-A76"), {}),
    "cores": (facts(cores=8), {}),
    "max-clock": (facts(clock={"cpu0": (1800.0, 2400.0)}), {}),
    "power-mode": (facts(power_mode="MAXN"), {}),
    "governor": (facts(governors=("ondemand",)), {}),
    "locked": ({"locked": True}, {}),
    "mode": ({"mode": "quick"}, {}),
    "fps": ({"fps": 25.0}, {}),
    "minutes": ({"minutes": 3}, {}),
    "threads": ({"threads": 4}, {}),
    "pinning": ({"cores": (2, 3)}, {}),
    "frames": ({"frames": "clip.mp4"}, {}),
    "frame-size": ({"width": 640, "height": 480}, {}),
    "accelerator": ({}, {"ran_on": Placement(accelerator="gpu", device="A GPU")}),
    "options": ({"options": {"provider": "cuda"}}, {}),
    "target": ({}, {"target": "onnx"}),
    "model": ({}, {"model": "stsm_mobilenet_v2"}),
    "precision": ({}, {"precision": "fp32"}),
    "form": ({}, {"input": (8, 112, 112, 3), "hop": 4}),
    "input": ({}, {"input": (1, 224, 224, 3)}),
}


def test_every_required_condition_is_tested():
    assert set(DIFFERENT) == set(REQUIRED)
    assert all(set(names) <= set(REQUIRED) for names in GROUPS.values())


@pytest.mark.parametrize("name", DIFFERENT)
def test_different_conditions_are_refused_unless_permitted(name):
    report, subject = DIFFERENT[name]
    before, after = reports.report(), reports.report(reports.subject(**subject), **report)
    with pytest.raises(EdgeshiftError) as caught:
        compare_latency(before, after)
    assert f"{name} (" in str(caught.value) and f"--across {name}" in str(caught.value)
    assert "\n" not in str(caught.value) and caught.value.status == 2
    comparison = compare_latency(before, after, across=[name])
    assert [difference.name for difference in comparison.across] == [name]


def test_runs_on_two_accelerators_are_not_mixed_up_even_in_older_reports():
    """An older report says where it ran only in the name of the runtime, and in the option that chose it."""
    older = "LiteRT 2.3.0 (GPU accelerator, all operators, A GPU)"
    gpu = reports.report(reports.subject(runtime=older, ran_on=None), options={"accelerator": "gpu"})
    with pytest.raises(EdgeshiftError, match=r"^the runs differ in accelerator \(cpu against gpu \(A GPU\)\): permit"):
        compare_latency(reports.report(), gpu)
    newer = reports.report(reports.subject(ran_on=Placement(accelerator="gpu", device="A GPU", complete=True)))
    assert compare_latency(gpu, newer).across == ()
    other = reports.report(reports.subject(ran_on=Placement(accelerator="gpu", device="SwiftShader")))
    with pytest.raises(EdgeshiftError, match="differ in accelerator"):
        compare_latency(newer, other)


def test_every_refused_difference_is_listed():
    after = reports.report(reports.subject(precision="fp32", target="onnx"), threads=4)
    with pytest.raises(
        EdgeshiftError,
        match=r"threads \(1 against 4\); target \(tflite against onnx\); precision \(int8 against fp32\)"
        r".*--across threads,target,precision",
    ):
        compare_latency(reports.report(), after)
    with pytest.raises(EdgeshiftError, match=r"differ in threads.*--across threads"):
        compare_latency(reports.report(), after, across=["precision", "target"])


def test_a_group_permits_all_its_members():
    after = reports.report(**facts(board="x", processor="y", cores=2, power_mode="MAXN"))
    assert len(compare_latency(reports.report(), after, across=["device"]).across) == 4


def test_an_unknown_name_is_refused():
    with pytest.raises(EdgeshiftError, match="did you mean precision"):
        compare_latency(reports.report(), reports.report(), across=["precison"])


def test_differences_that_are_always_permitted_are_noted():
    after = reports.report(reports.subject(runtime="LiteRT 3.0"), **facts(system="Linux 7"))
    (pair,) = compare_latency(reports.report(), after).pairs
    assert any("runtime (LiteRT 2.3.0 (compiled, 1 thread) against LiteRT 3.0)" in note for note in pair.notes)
    assert any("system" in note for note in pair.notes)


def test_artifacts_are_paired_by_file_name_or_by_order():
    a, b, c = (reports.subject(5000 + 500 * at, file=name, seed=at) for at, name in enumerate("abc"))
    names = [(p.before_file, p.file) for p in compare_latency(reports.report(a, b), reports.report(b, a)).pairs]
    assert names == [("a", "a"), ("b", "b")]
    comparison = compare_latency(reports.report(a, b), reports.report(b, c))
    assert [(p.before_file, p.file) for p in comparison.pairs] == [("b", "b")] and comparison.unpaired == ("a", "c")
    comparison = compare_latency(reports.report(a), reports.report(b), across=["precision"])
    assert [(p.before_file, p.file) for p in comparison.pairs] == [("a", "b")]
    with pytest.raises(EdgeshiftError, match="the artifacts cannot be paired: one report has a, b, the other has c"):
        compare_latency(reports.report(a, b), reports.report(c))


def test_files_with_equal_names_are_paired_by_order():
    a, b = reports.subject(5000, file="same"), reports.subject(9000, file="same", seed=1)
    comparison = compare_latency(reports.report(a, b), scaled(reports.report(a, b), 1.0))
    assert [pair.verdict for pair in comparison.pairs] == ["no difference"] * 2


@pytest.mark.parametrize("middle", [3000.0, 5000.0, 8000.0])
def test_the_same_file_is_never_called_faster_or_slower(middle):
    before, after = reports.report(reports.subject(5000)), reports.report(reports.subject(middle))
    comparison = compare_latency(before, after)
    (pair,) = comparison.pairs
    assert pair.verdict == "same file" and not comparison.regressed
    words = "the same file was measured twice (equal SHA-256) under the same conditions"
    assert pair.notes[0].startswith("both reports contain the same measurement" if middle == 5000 else words)


def test_the_same_file_under_other_conditions_gets_a_verdict():
    before = reports.report(reports.subject(5000))
    after = reports.report(reports.subject(3000), threads=4)
    (pair,) = compare_latency(before, after, across=["threads"]).pairs
    assert pair.verdict == "faster" and pair.notes[0].endswith("(equal SHA-256): the runs differ, not the artifact")
    newer = reports.report(reports.subject(3000, runtime="LiteRT 3.0.0"))
    assert compare_latency(before, newer).pairs[0].verdict == "faster"


def test_few_repeats_are_noted():
    few = reports.report(reports.subject(repeats=1))
    (pair,) = compare_latency(few, few).pairs
    assert any("fewer than 3 repeats" in note for note in pair.notes)


@pytest.mark.parametrize("changes", [{"steps": 19}, {"repeats": 0}])
def test_too_few_samples_are_refused(changes):
    few = reports.report(reports.subject(**changes))
    with pytest.raises(EdgeshiftError, match="every repeat needs 20 samples"):
        compare_latency(few, few)


def test_times_of_zero_are_refused():
    zero = dict.fromkeys(("pre", "infer", "post", "end_to_end"), (0.0,) * 100)
    report = reports.report(reports.subject(**zero))
    with pytest.raises(EdgeshiftError, match="a time of zero cannot be compared"):
        compare_latency(report, report)
    untimed = reports.report(reports.subject(**{**zero, "end_to_end": (5.0,) * 100}))
    (pair,) = compare_latency(untimed, scaled(untimed, 1.0)).pairs  # the runtime does not time inference alone
    assert pair.infer is None and pair.verdict == "no difference"


def test_failed_checks_of_validity_are_listed():
    assert failures(reports.report()) == ()
    lines = failures(reports.report(reports.subject(warm=False), reports.subject(file="b", repeats=2)))
    assert len(lines) == 2 and lines[0].startswith("tsm_int8.tflite: ") and lines[1].startswith("b: ")
