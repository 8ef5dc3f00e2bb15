"""The study of memory and time of a calibration."""

from __future__ import annotations

import pytest

from edgeshift.benchmarks.studies.calibration_videos import Calibrated, measure, show

pytest.importorskip("torch", reason="the converters are not installed")


@pytest.mark.slow
def test_memory_and_samples_do_not_grow_with_the_number_of_videos() -> None:
    """Time is not tested, because it depends on what else runs on the machine."""
    few, many = measure([128, 1000], 64)
    assert few.samples == many.samples == 384 and (few.videos, many.videos) == (128, 1000)
    assert many.bytes < 1.2 * few.bytes


def test_results_are_shown_as_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    show([Calibrated(128, 384, 10.0, 500_000_000), Calibrated(148_092, 384, 12.0, 550_000_000)])
    out = capsys.readouterr().out
    assert "148,092" in out and "1.20x" in out and "1.10x" in out and "128 videos: 10.0 s, 500 MB" in out
