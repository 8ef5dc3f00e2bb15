"""Accuracy before and after: what is counted, when it is worse, and what is no comparison."""

from __future__ import annotations

from math import comb

import msgspec
import numpy as np
import pytest
from answers import accuracy_report

from edgeshift.benchmarks.accuracy.report import Unreadable
from edgeshift.benchmarks.reports.accuracy_compare import compare_accuracy, unequal
from edgeshift.benchmarks.statistics import mcnemar, paired_interval
from edgeshift.errors import EdgeshiftError

#: 200 clips, 150 of them right.
BEFORE = [True] * 150 + [False] * 50


def against(after, **options):
    found = compare_accuracy(accuracy_report({"a.tflite": BEFORE}), accuracy_report({"a.tflite": after}), **options)
    (change,) = found.pairs
    assert found.regressed == (change.verdict == "worse")
    return change


def test_nothing_changed():
    change = against(BEFORE)
    assert (change.clips, change.changed, change.lost, change.won, change.p) == (200, 0, 0, 0, 1.0)
    assert change.before == change.after == 0.75 and change.verdict == "no difference"
    assert change.low < 0 < change.high


def test_worse_is_more_than_the_tolerance_and_more_than_chance():
    change = against([False] * 20 + BEFORE[20:])
    assert (change.lost, change.won, change.verdict) == (20, 0, "worse")
    assert change.difference == -0.1 and change.high < 0 and change.after == 0.65
    assert against([False] * 20 + BEFORE[20:], tolerance=0.1).verdict == "no difference"


def test_few_lost_clips_may_be_chance():
    change = against([False] * 5 + BEFORE[5:])
    assert change.difference == -0.025 and change.p > 0.05 and change.verdict == "no difference"


def test_clips_won_are_set_against_those_lost():
    change = against([False] * 20 + [True] * 180)
    assert (change.changed, change.lost, change.won) == (70, 20, 50) and change.verdict == "better"


def test_the_interval_holds_the_truth():
    """Of clips that a model loses with a chance of 8% and wins with one of 5%."""
    random = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        lost, won, _ = random.multinomial(150, (0.08, 0.05, 0.87))
        low, high = paired_interval(int(lost), int(won), 150)
        held += low <= -0.03 <= high
    assert held >= 372  # 93%


def test_the_interval_of_nothing_changed_is_not_a_point():
    low, high = paired_interval(0, 0, 20)
    assert low < 0 < high and high - low < 0.2
    assert paired_interval(3, 0, 3)[0] >= -1


def test_other_clips_are_refused_unless_it_is_permitted():
    first, second = accuracy_report({"a": BEFORE}), accuracy_report({"a": BEFORE[:120]}, data="others")
    with pytest.raises(EdgeshiftError, match=r"of other clips: clips \(all\) against others \(all\).*--across data"):
        compare_accuracy(first, second)
    (change,) = compare_accuracy(first, second, across=["data"]).pairs
    assert change.clips == 120 and change.before == change.after == 1.0
    with pytest.raises(EdgeshiftError, match="did you mean data"):
        compare_accuracy(first, second, across=["date"])


def test_no_clip_in_common():
    first, second = (accuracy_report({"a": [True] * 6}, labels=labels) for labels in (("x", "y"), ("v", "w")))
    with pytest.raises(EdgeshiftError, match="no clip in common"):
        compare_accuracy(first, second, across=["data"])


def test_artifacts_are_paired_by_name():
    first = accuracy_report({"a": BEFORE, "b": BEFORE})
    found = compare_accuracy(first, accuracy_report({"b": BEFORE, "c": BEFORE}))
    assert [(one.before_file, one.file) for one in found.pairs] == [("b", "b")] and found.unpaired == ("a", "c")


def test_mcnemar_of_many_clips_is_the_sum_that_it_is_defined_as():
    for lost, won in ((0, 0), (0, 7), (3, 3), (40, 61), (200, 150)):
        total = lost + won
        exact = sum(comb(total, right) for right in range(min(lost, won) + 1)) / (1 << total) * 2
        assert mcnemar(lost, won) == min(1.0, exact)
    assert 0.5 < mcnemar(20_000, 20_050) < 1


def test_a_clip_that_one_side_could_not_read_is_said():
    before = accuracy_report({"a.tflite": BEFORE})
    (subject,) = before.subjects
    lost = tuple(Unreadable(file=clip.file, reason="no video") for clip in subject.clips[:3])
    after = msgspec.structs.replace(
        before, subjects=(msgspec.structs.replace(subject, clips=subject.clips[3:], unreadable=lost),)
    )
    assert unequal(before, before) == []
    (line,) = unequal(before, after)
    assert line == f"a.tflite of the second could not read {lost[0].file} and 2 more (no video)"
    assert "of the first" in unequal(after, before)[0]
    assert unequal(after, after) == []  # neither has them: they are compared on the same clips
