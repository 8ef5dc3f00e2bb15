"""Compare two reports of latency, or the artifacts of one report, and decide whether an artifact is slower."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import numpy as np

from edgeshift.benchmarks.latency.result import ArtifactResult, Report
from edgeshift.benchmarks.latency.summary import frames_per_step
from edgeshift.benchmarks.latency.table import frames_text, milliseconds
from edgeshift.benchmarks.latency.validity import check_validity
from edgeshift.benchmarks.reports.comparability import REPORTED, Difference, Measurement, differences, permitted
from edgeshift.benchmarks.reports.pairing import pair_artifacts
from edgeshift.benchmarks.reports.ratio import decide, median_of_medians, ratio
from edgeshift.benchmarks.statistics import Floats, Interval
from edgeshift.errors import EdgeshiftError
from edgeshift.stream.percentiles import PERCENTILES

#: Relative slowdown that still counts as equal.
TOLERANCE = 0.05
#: Fewest repeats that show how much processes differ.
MIN_REPEATS = 3
#: The verdict if one file was measured twice under the same conditions. A difference then shows how much two runs
#: differ, and says nothing about the file.
SAME_FILE = "same file"


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of an artifact with its partner.

    Attributes:
        before_file: file name of the artifact in the first report.
        file: file name of the artifact in the second report.
        before, after: median latency of a step end to end, microseconds. If the steps of the two artifacts are not the
            same number of frames, as with a stream and a clip artifact, this and the ratios are per incoming frame.
        end_to_end: ratio of the medians end to end; the verdict follows from it.
        infer: ratio of the medians of inference alone; None: the runtime does not time it.
        verdict: "slower", "faster", "no difference", or ``SAME_FILE``.
        wide: the interval exceeds the tolerance, so "no difference" means "none found", not "none exists".
        notes: conditions that differ although they may, and limits of the comparison.
    """

    before_file: str
    file: str
    before: float
    after: float
    end_to_end: Interval
    infer: Interval | None
    verdict: str
    wide: bool
    notes: tuple[str, ...]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of all pairs. ``unpaired``: files that only one report has. ``across``: conditions that differ."""

    kind: str = "latency"
    tolerance: float
    pairs: tuple[Pair, ...]
    unpaired: tuple[str, ...]
    across: tuple[Difference, ...]

    @property
    def regressed(self) -> bool:
        """Whether any artifact is slower."""
        return any(pair.verdict == "slower" for pair in self.pairs)


def compare_latency(
    before: Report, after: Report | None, tolerance: float = TOLERANCE, across: Collection[str] = ()
) -> Comparison:
    """Compare two reports, or the artifacts of one report, which were measured in turns.

    Args:
        before: the first report.
        after: the second report; None: compare each artifact of ``before`` with the first one.
        tolerance: relative slowdown that still counts as equal.
        across: names of conditions that may differ, see ``comparability``.

    Raises:
        EdgeshiftError: required conditions differ (the message lists all), the artifacts cannot be paired, or there
            are too few samples.
    """
    allowed = permitted(across)
    pairs, unpaired = compared_pairs(before, after)
    measurements = [((before, first), (after or before, second)) for first, second in pairs]
    different = list(dict.fromkeys(entry for pair in measurements for entry in differences(*pair)))
    if refused := [difference for difference in different if difference.name not in allowed]:
        names = ",".join(dict.fromkeys(difference.name for difference in refused))
        raise EdgeshiftError(f"the runs differ in {'; '.join(map(str, refused))}: permit it with --across {names}")
    return Comparison(
        tolerance=tolerance,
        pairs=tuple(_compare(first, second, tolerance) for first, second in measurements),
        unpaired=unpaired,
        across=tuple(different),
    )


def compared_pairs(
    before: Report, after: Report | None
) -> tuple[list[tuple[ArtifactResult, ArtifactResult]], tuple[str, ...]]:
    """Return the pairs that ``compare_latency`` compares, and the names of files that only one report has.

    Raises:
        EdgeshiftError: the artifacts cannot be paired.
    """
    if after is not None:
        return pair_artifacts(before.subjects, after.subjects)
    first, *others = before.subjects
    if not others:
        raise EdgeshiftError(f"the report has one artifact, {first.file}: give a second report to compare it with")
    return [(first, other) for other in others], ()


def failures(report: Report, files: Collection[str] | None = None) -> tuple[str, ...]:
    """Return one line for each reason why measurements of a report are not valid.

    Args:
        files: names of the artifacts that matter; None: all artifacts of the report.
    """
    return tuple(
        f"{artifact.file}: {reason}"
        for artifact in report.subjects
        if files is None or artifact.file in files
        for reason in check_validity(artifact, report.settings, report.facts.governors).failures
    )


def _compare(first: Measurement, second: Measurement, tolerance: float) -> Pair:
    before, after = first[1], second[1]
    frames = _frames(first, second)
    samples = _samples(before, "end_to_end", frames[0]), _samples(after, "end_to_end", frames[1])
    infer = _samples(before, "infer", frames[0]), _samples(after, "infer", frames[1])
    end_to_end = ratio(*samples)
    verdict, wide = decide(end_to_end, tolerance)
    different = differences(first, second, REPORTED)
    notes = [f"the runs differ in {difference}" for difference in different]
    if frames[0] != frames[1]:
        each = [
            f"{milliseconds(frames[side] * median_of_medians(samples[side]))} ms for {frames_text(frames[side])}"
            for side in (0, 1)
        ]
        notes.insert(0, f"times are per incoming frame, because a step is {each[0]} in A and {each[1]} in B")
    if before.sha256 == after.sha256:
        twice = "the same file was measured twice (equal SHA-256)"
        if before.repeats == after.repeats:
            twice = "both reports contain the same measurement"
        if different or differences(first, second):
            notes.insert(0, f"{twice}: the runs differ, not the artifact")
        else:
            verdict = SAME_FILE
            notes.insert(0, f"{twice} under the same conditions: the ratio shows how much two runs differ")
    if min(len(before.repeats), len(after.repeats)) < MIN_REPEATS:
        notes.append(f"fewer than {MIN_REPEATS} repeats: the interval does not show how much processes differ")
    return Pair(
        before_file=before.file,
        file=after.file,
        before=median_of_medians(samples[0]),
        after=median_of_medians(samples[1]),
        end_to_end=end_to_end,
        infer=ratio(*infer) if all(repeat.min() > 0 for side in infer for repeat in side) else None,
        verdict=verdict,
        wide=wide,
        notes=tuple(notes),
    )


def _frames(first: Measurement, second: Measurement) -> tuple[int, int]:
    """Return by how many frames the latencies of each side are divided: 1 if steps are the same on both sides."""
    (before, one), (after, other) = first, second
    frames = frames_per_step(one, before.settings), frames_per_step(other, after.settings)
    if frames[0] == frames[1]:
        return 1, 1
    if frames[0] is None or frames[1] is None:
        raise EdgeshiftError(
            f"{one.file} and {other.file}: a paced run of a clip artifact times only the last frame of each answer, so "
            "there is no time per frame to compare: measure both in a mode other than paced"
        )
    return frames[0], frames[1]


def _samples(artifact: ArtifactResult, phase: str, frames: int) -> list[Floats]:
    """Return the samples of one phase, an array [steps] for each repeat, microseconds, divided by ``frames``."""
    needed = PERCENTILES["p50"][1]
    samples = [np.array(getattr(repeat, phase), np.float64) / frames for repeat in artifact.repeats]
    if any(repeat.reported for repeat in artifact.repeats):
        raise EdgeshiftError(
            f"{artifact.file}: timed by the vendor's program, which does not time a step end to end: "
            "measure it with the agent to compare it"
        )
    if not samples or any(len(repeat) < needed for repeat in samples):
        raise EdgeshiftError(f"{artifact.file}: every repeat needs {needed} samples to be compared: measure longer")
    return samples
