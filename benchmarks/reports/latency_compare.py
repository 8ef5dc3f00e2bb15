"""Two reports of latency, or the artifacts of one: is one slower than the other, and is that more than chance?

    ratio       median over repeats of the repeat's median, of the second over the first
    interval    repeats are drawn again, then the steps within each in blocks: 95% of such ratios lie in it
    verdict     slower, if the ratio is over the tolerance and the interval above 1; faster, the other way round

Steps of one process follow each other, so they are drawn in blocks; and a process is as fast as the memory it happened
to get, so processes are drawn too. Three drawn from three vary less than three new ones would: what they are apart is
stretched by sqrt(n / (n - 1)).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import sqrt

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.benchmarks.latency.result import ArtifactResult, Report
from edgeshift.benchmarks.latency.validity import judge
from edgeshift.benchmarks.reports.comparability import MAY, Difference, differences, permitted
from edgeshift.benchmarks.reports.pairing import pair
from edgeshift.benchmarks.statistics import CONFIDENCE, RESAMPLES
from edgeshift.errors import EdgeshiftError
from edgeshift.stream.percentiles import PERCENTILES

#: How much slower is no regression.
TOLERANCE = 0.05
#: Repeats that show how processes differ.
REPEATS = 3
#: Medians of each repeat that are drawn.
DRAWN = 200
ZERO = "a time of zero cannot be compared"

Ones = npt.NDArray[np.float64]


class Ratio(msgspec.Struct, frozen=True):
    """A ratio of two medians, and between what it lies."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact against its partner.

    Attributes:
        before_file, file: of the first and second report. before, after: microseconds, end to end.
        end_to_end, infer: the ratio with its interval; ``end_to_end`` decides. infer is None where it is not timed.
        verdict: "slower", "faster" or "no difference". wide: the interval reaches beyond the tolerance, so that "no
            difference" is not to say that there is none.
        notes: what differs though it may, and what else to know.
    """

    before_file: str
    file: str
    before: float
    after: float
    end_to_end: Ratio
    infer: Ratio | None
    verdict: str
    wide: bool
    notes: tuple[str, ...]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Every pair. unpaired: files of one side only. across: what differs and was permitted to."""

    kind: str = "latency"
    tolerance: float
    pairs: tuple[Pair, ...]
    unpaired: tuple[str, ...]
    across: tuple[Difference, ...]

    @property
    def regressed(self) -> bool:
        """One of them is slower."""
        return any(pair.verdict == "slower" for pair in self.pairs)


def compare_latency(
    first: Report, second: Report | None, tolerance: float = TOLERANCE, across: Collection[str] = ()
) -> Comparison:
    """Compare two runs, or the artifacts of one that took turns.

    Args:
        first, second: before and after. second: None: the artifacts of ``first``, each against the first of them.
        tolerance: how much slower is no regression, as a share.
        across: names of what may differ, see ``likeness``.

    Raises:
        EdgeshiftError: runs that are not alike, with everything that differs; artifacts that cannot be paired; too
            few samples.
    """
    allowed = permitted(across)
    pairs, unpaired = paired(first, second)
    other = second or first
    found = list(dict.fromkeys(one for a, b in pairs for one in differences((first, a), (other, b))))
    if wrong := [one for one in found if one.name not in allowed]:
        names = ",".join(dict.fromkeys(one.name for one in wrong))
        raise EdgeshiftError(f"the runs differ in {'; '.join(map(str, wrong))}: permit it with --across {names}")
    return Comparison(
        tolerance=tolerance,
        pairs=tuple(_pair((first, a), (other, b), tolerance) for a, b in pairs),
        unpaired=unpaired,
        across=tuple(found),
    )


def paired(first: Report, second: Report | None) -> tuple[list[tuple[ArtifactResult, ArtifactResult]], tuple[str, ...]]:
    """What ``compare_latency`` compares: the pairs, and files of one side only.

    Raises:
        EdgeshiftError: artifacts that cannot be paired.
    """
    if second is not None:
        return pair(first.subjects, second.subjects)
    before, *others = first.subjects
    if not others:
        raise EdgeshiftError(f"one report of one artifact, {before.file}: give a second report to compare it with")
    return [(before, other) for other in others], ()


def invalid(report: Report, files: Collection[str] | None = None) -> tuple[str, ...]:
    """What speaks against the measurements of a report, a line each; of some files only, if they are given."""
    return tuple(
        f"{subject.file}: {reason}"
        for subject in report.subjects
        if files is None or subject.file in files
        for reason in judge(subject, report.settings, report.facts.governors).failures
    )


def ratio(before: Sequence[Ones], after: Sequence[Ones], seed: int = 0) -> Ratio:
    """The ratio of the medians, with its interval.

    Args:
        before, after: samples [steps] of each repeat. seed: of what is drawn: the same samples give the same interval.

    Raises:
        EdgeshiftError: no samples, or a median of zero.
    """
    random = np.random.default_rng(seed)
    middles = [_middle(side) for side in (before, after)]
    drawn = _draw(after, random) - _draw(before, random)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.exp(np.quantile(drawn, (tail, 1 - tail)))
    return Ratio(middles[1] / middles[0], float(low), float(high))


def decide(found: Ratio, tolerance: float) -> tuple[str, bool]:
    """The verdict, and whether the interval reaches beyond the tolerance on either side."""
    most, least = 1 + tolerance, 1 / (1 + tolerance)
    if found.value > most and found.low > 1:
        return "slower", False
    if found.value < least and found.high < 1:
        return "faster", False
    return "no difference", found.low < least or found.high > most


def _pair(first: tuple[Report, ArtifactResult], second: tuple[Report, ArtifactResult], tolerance: float) -> Pair:
    before, after = first[1], second[1]
    total = ratio(_samples(before, "end_to_end"), _samples(after, "end_to_end"))
    verdict, wide = decide(total, tolerance)
    notes = [f"{one} may differ, and does" for one in differences(first, second, MAY)]
    if min(len(before.repeats), len(after.repeats)) < REPEATS:
        notes.append(f"fewer than {REPEATS} repeats: the interval knows too little of how processes differ")
    return Pair(
        before_file=before.file,
        file=after.file,
        before=_middle(_samples(before, "end_to_end")),
        after=_middle(_samples(after, "end_to_end")),
        end_to_end=total,
        infer=_infer(before, after),
        verdict=verdict,
        wide=wide,
        notes=tuple(notes),
    )


def _infer(before: ArtifactResult, after: ArtifactResult) -> Ratio | None:
    first, second = _samples(before, "infer"), _samples(after, "infer")
    return ratio(first, second) if all(samples.min() > 0 for samples in (*first, *second)) else None


def _samples(subject: ArtifactResult, phase: str) -> list[Ones]:
    needed = PERCENTILES["p50"][1]
    samples = [np.array(getattr(repeat, phase), np.float64) for repeat in subject.repeats]
    if any(repeat.told for repeat in subject.repeats):
        raise EdgeshiftError(
            f"{subject.file}: timed by its vendor's program, which has no end to end: to compare, use the agent"
        )
    if not samples or any(len(one) < needed for one in samples):
        raise EdgeshiftError(f"{subject.file}: every repeat needs {needed} samples to be compared: measure longer")
    return samples


def _middle(repeats: Sequence[Ones]) -> float:
    value = float(np.median([np.median(samples) for samples in repeats]))
    if value <= 0:
        raise EdgeshiftError(ZERO)
    return value


def _draw(repeats: Sequence[Ones], random: np.random.Generator) -> Ones:
    """Logarithms of medians over repeats, as they might have come out: [RESAMPLES]."""
    medians: Ones = np.log(np.stack([_medians(samples, random) for samples in repeats]))
    count = len(repeats)
    which = random.integers(count, size=(RESAMPLES, count))
    noise = medians[which, random.integers(DRAWN, size=which.shape)]
    if count == 1:
        return np.asarray(noise[:, 0])
    own = np.array([np.log(np.median(samples)) for samples in repeats])
    # What repeats are apart is stretched, what is drawn within one is not.
    stretch = sqrt(count / (count - 1)) - 1
    return np.asarray(np.median(noise + stretch * (own[which] - np.median(own)), axis=1))


def _medians(samples: Ones, random: np.random.Generator) -> Ones:
    """Medians of the steps of one process, drawn again in blocks: [DRAWN]."""
    count = len(samples)
    length = max(1, round(sqrt(count)))
    steps, blocks = np.arange(length), -(-count // length)
    medians = np.empty(DRAWN)
    for index in range(DRAWN):
        # Round the end: every step is drawn as often as any other.
        drawn = (random.integers(count, size=(blocks, 1)) + steps) % count
        medians[index] = np.median(samples[drawn.ravel()[:count]])
    if medians.min() <= 0:
        raise EdgeshiftError(ZERO)
    return medians
