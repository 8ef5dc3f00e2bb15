"""Comparisons of accuracy reports: counts, verdicts, and reports that cannot be compared."""

from __future__ import annotations

from math import comb

import msgspec
import numpy as np
import pytest
from accuracy_reports import accuracy_report

from edgeshift.benchmarks.accuracy.report import Unreadable
from edgeshift.benchmarks.reports.accuracy_compare import compare_accuracy, unreadable_clips
from edgeshift.benchmarks.reports.changes import NOT_JUDGED, changes
from edgeshift.benchmarks.statistics import mcnemar, paired_interval
from edgeshift.errors import EdgeshiftError
from edgeshift.stream.placement import ON_CPU, Placement

#: Which of 200 clips are answered correctly: 150.
BEFORE = [True] * 150 + [False] * 50


def change_to(after, **options):
    changes = compare_accuracy(accuracy_report({"a.tflite": BEFORE}), accuracy_report({"a.tflite": after}), **options)
    (change,) = changes.pairs
    assert changes.regressed == (change.verdict == "worse")
    return change


def test_equal_answers_are_no_difference():
    change = change_to(BEFORE)
    assert (change.clips, change.changed, change.lost, change.won, change.p) == (200, 0, 0, 0, 1.0)
    assert change.before == change.after == 0.75 and change.verdict == "no difference"
    assert change.low < 0 < change.high


def test_a_significant_loss_beyond_the_tolerance_is_worse():
    change = change_to([False] * 20 + BEFORE[20:])
    assert (change.lost, change.won, change.verdict) == (20, 0, "worse")
    assert change.difference == -0.1 and change.high < 0 and change.after == 0.65
    assert change_to([False] * 20 + BEFORE[20:], tolerance=0.1).verdict == "no difference"


GPU = Placement(accelerator="gpu", device="A GPU", complete=True)


def ran_on(report, placement):
    change = msgspec.structs.replace
    return change(report, subjects=tuple(change(subject, ran_on=placement) for subject in report.subjects))


def test_runs_on_two_accelerators_are_compared_only_on_request():
    report = accuracy_report({"a.tflite": BEFORE})
    with pytest.raises(EdgeshiftError, match=r"accelerator \(cpu against gpu \(A GPU\)\): permit it"):
        compare_accuracy(report, ran_on(report, GPU))
    (pair,) = compare_accuracy(report, ran_on(report, GPU), across=["accelerator"]).pairs
    assert pair.notes == ("A ran on cpu, B on gpu (A GPU): a difference may come from this alone",)
    compare_accuracy(ran_on(report, GPU), ran_on(report, GPU))
    compare_accuracy(report, ran_on(report, ON_CPU))  # a report of before the field, which the CPU ran
    (group,) = changes([("a.json", report), ("b.json", ran_on(report, GPU))])
    assert [verdict for _, verdict in group.comparisons[0].judged] == [NOT_JUDGED]
    assert group.comparisons[0].reasons == ("the runs differ in accelerator (cpu against gpu (A GPU))",)


def test_few_lost_clips_are_not_significant():
    change = change_to([False] * 5 + BEFORE[5:])
    assert change.difference == -0.025 and change.p > 0.05 and change.verdict == "no difference"


def test_clips_won_and_clips_lost_are_both_counted():
    change = change_to([False] * 20 + [True] * 180)
    assert (change.changed, change.lost, change.won) == (70, 20, 50) and change.verdict == "better"


def test_the_interval_contains_the_true_difference():
    """A clip is lost with probability 0.08 and won with probability 0.05, so the true difference is -0.03."""
    random = np.random.default_rng(0)
    contained = 0
    for _ in range(400):
        lost, won, _ = random.multinomial(150, (0.08, 0.05, 0.87))
        low, high = paired_interval(int(lost), int(won), 150)
        contained += low <= -0.03 <= high
    assert contained >= 372  # 93% of 400


def test_the_interval_of_equal_answers_has_a_width():
    low, high = paired_interval(0, 0, 20)
    assert low < 0 < high and high - low < 0.2
    assert paired_interval(3, 0, 3)[0] >= -1


def test_reports_of_different_clips_are_refused_unless_permitted():
    first, second = accuracy_report({"a": BEFORE}), accuracy_report({"a": BEFORE[:120]}, data="others")
    with pytest.raises(EdgeshiftError, match=r"different clips: clips \(all\) against others \(all\).*--across data"):
        compare_accuracy(first, second)
    (change,) = compare_accuracy(first, second, across=["data"]).pairs
    assert change.clips == 120 and change.before == change.after == 1.0
    with pytest.raises(EdgeshiftError, match="did you mean data"):
        compare_accuracy(first, second, across=["date"])


def test_reports_without_a_clip_in_common_are_refused():
    first, second = (accuracy_report({"a": [True] * 6}, labels=labels) for labels in (("x", "y"), ("v", "w")))
    with pytest.raises(EdgeshiftError, match="no clip in common"):
        compare_accuracy(first, second, across=["data"])


def test_artifacts_are_paired_by_name():
    first = accuracy_report({"a": BEFORE, "b": BEFORE})
    changes = compare_accuracy(first, accuracy_report({"b": BEFORE, "c": BEFORE}))
    assert [(change.before_file, change.file) for change in changes.pairs] == [("b", "b")]
    assert changes.unpaired == ("a", "c")


def test_mcnemar_equals_its_definition():
    for lost, won in ((0, 0), (0, 7), (3, 3), (40, 61), (200, 150)):
        total = lost + won
        exact = sum(comb(total, right) for right in range(min(lost, won) + 1)) / (1 << total) * 2
        assert mcnemar(lost, won) == min(1.0, exact)
    assert 0.5 < mcnemar(20_000, 20_050) < 1


def test_clips_that_one_artifact_could_not_read_are_reported():
    before = accuracy_report({"a.tflite": BEFORE})
    (subject,) = before.subjects
    lost = tuple(Unreadable(file=clip.file, reason="no video") for clip in subject.clips[:3])
    after = msgspec.structs.replace(
        before, subjects=(msgspec.structs.replace(subject, clips=subject.clips[3:], unreadable=lost),)
    )
    assert unreadable_clips(before, before) == []
    (line,) = unreadable_clips(before, after)
    assert line == f"a.tflite of the second report could not read {lost[0].file} and 2 more (no video)"
    assert "of the first report" in unreadable_clips(after, before)[0]
    assert unreadable_clips(after, after) == []  # neither could read them, so both answered the same clips


def test_a_report_without_sound_is_noted():
    """The same file answers otherwise without its sound, so that the difference says nothing about a change."""
    before = accuracy_report({"a.tflite": [True] * 8})
    subjects = tuple(msgspec.structs.replace(subject, without="sound") for subject in before.subjects)
    (pair,) = compare_accuracy(before, msgspec.structs.replace(before, subjects=subjects)).pairs
    assert pair.notes == (
        "A was measured with frames and sounds, B without sound: a difference may come from this alone",
    )
