"""The text of ``edgeshift rule``: what the rule of a stream counts, and that of a clip artifact."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeshift.artifact.description import RuleSpec
from edgeshift.benchmarks.accuracy.rule_report import RuleReport, rule_result
from edgeshift.cli.rule_text import print_report
from edgeshift.events.score import EventScore


@pytest.mark.parametrize(("hop", "words"), [(None, "over 3 frames is announced"), (2, "over 3 answers is announced")])
def test_the_rule_counts_frames_or_answers(hop: int | None, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = rule_result(RuleSpec(window=3, threshold=0.5), EventScore())
    report = RuleReport(
        file="a.tflite",
        sha256="0" * 64,
        data="clips",
        method="videos",
        videos=1,
        streams=1,
        seconds=60.0,
        hop=hop,
        gestures=0,
        chosen=result,
        held_out=None,
        before=result,
        trade_off=(result,),
    )
    print_report(report, ("left", "none"), Path("a.tflite"), None, None, written=False, convert=())
    assert words in " ".join(capsys.readouterr().out.split())
