"""The report of ``edgeshift rule``: the chosen event rule, and the trade of precision against recall."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edgeshift.artifact.description import RuleSpec
from edgeshift.benchmarks.statistics import Share, share
from edgeshift.events.score import EventScore
from edgeshift.events.tuning import TriedRule, best_rule, trade_off

VERSION = 1


class RuleResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rule and its score.

    Attributes:
        rule: the event rule.
        precision: share of the detections that are correct.
        recall: share of the gestures that were detected.
        false_per_minute: false detections per minute.
        delay: median seconds from the end of a gesture to its detection; None: nothing was detected.
    """

    rule: RuleSpec
    precision: Share
    recall: Share
    false_per_minute: float
    delay: float | None


class RuleReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One run of ``edgeshift rule``.

    Attributes:
        version: version of the format.
        file, sha256: name and hash of the model's file.
        data: name of the data.
        method: "joined clips" or "videos".
        videos, streams: number of clips or videos that were read, and of the streams that they were joined to.
        seconds: length of all streams.
        hop: number of frames from one answer of a clip artifact to the next; None: the model answers each frame.
        gestures: number of gestures in them that are counted.
        uncounted: number of other gestures, which are too close to the end of their stream to be counted.
        chosen: the chosen rule. Its score is optimistic, because the rule was chosen on these streams.
        held_out: precision and recall when the rule is chosen on one half of the streams and scored on the other half,
            for both halves; None: there are too few streams.
        before: the rule that the model had before, on the same streams.
        trade_off: the rules that no other rule beats in both precision and recall, by increasing recall.
        unreadable: name and reason of every clip or video that could not be read.
    """

    version: int = VERSION
    file: str
    sha256: str
    data: str
    method: str
    videos: int
    streams: int
    seconds: float
    hop: int | None = None
    gestures: int
    uncounted: int = 0
    chosen: RuleResult
    held_out: tuple[Share, Share] | None
    before: RuleResult
    trade_off: tuple[RuleResult, ...]
    unreadable: tuple[tuple[str, str], ...] = ()


def rule_result(rule: RuleSpec, score: EventScore) -> RuleResult:
    """Return the result of a rule."""
    delay = score.delay(50)
    return RuleResult(
        rule=rule,
        precision=share(score.right, score.right + score.false),
        recall=share(score.right, score.right + score.missed),
        false_per_minute=round(score.false_per_minute or 0.0, 4),
        delay=None if delay is None else round(delay, 4),
    )


def front(tried: Sequence[TriedRule]) -> tuple[RuleResult, ...]:
    """Return the rules that no other rule beats in both precision and recall."""
    return tuple(rule_result(candidate.rule, candidate.total) for candidate in trade_off(tried))


def hold_out(tried: Sequence[TriedRule], precision: float | None) -> tuple[Share, Share] | None:
    """Return precision and recall on streams that the rule was not chosen on; None: a half has no gesture."""
    count = len(tried[0].scores)
    halves = [range(0, count, 2), range(1, count, 2)]
    total = EventScore()
    for fit, test in (halves, halves[::-1]):
        fitted = [candidate.on(fit) for candidate in tried]
        if not fit or not test or fitted[0].total.recall is None:
            return None
        rule = best_rule(fitted, precision).rule
        total += next(candidate.on(test).total for candidate in tried if candidate.rule == rule)
    result = rule_result(tried[0].rule, total)
    return result.precision, result.recall
