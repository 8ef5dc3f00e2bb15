"""Measure the accuracy of an artifact on all clips of a data set: in this process, in several, or on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from edgeshift._system.text import printable
from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.spec import StreamSpec
from edgeshift.benchmarks.accuracy.candidate import Candidate, open_candidate
from edgeshift.benchmarks.accuracy.clip import FrameLogits, stream_clip
from edgeshift.benchmarks.accuracy.journal import Journal
from edgeshift.benchmarks.accuracy.remote import stream_on_device
from edgeshift.benchmarks.accuracy.score import ClipScore, score_clip
from edgeshift.benchmarks.devices.device import Device
from edgeshift.errors import EdgeshiftError, VideoError, one_line
from edgeshift.video.dataset import LabelledClip

#: The reason why a clip could not be streamed.
Reason = str
Result = tuple[LabelledClip, "ClipScore | Reason"]


@dataclass(frozen=True, eq=False)
class Measured:
    """The results of one artifact.

    Attributes:
        file, sha256, spec: name, hash and description of the file.
        runtime, rule: runtime and event rule that were used.
        clips: the predictions for each clip, in the order of the data set.
        unreadable: name and reason for every clip that could not be streamed, in the order of the data set.
    """

    file: str
    sha256: str
    runtime: str
    spec: StreamSpec
    rule: RuleSpec
    clips: tuple[ClipScore, ...]
    unreadable: tuple[tuple[str, Reason], ...] = ()


def measure(
    candidate: Candidate,
    clips: Iterable[LabelledClip],
    *,
    jobs: int = 1,
    device: Device | None = None,
    journal: Journal | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Measured:
    """Stream every clip. Clips that cannot be read are listed in the result.

    Args:
        candidate, clips: the artifact, and the clips of the data set.
        jobs: number of processes; 1: this process.
        device: device to run on, for a candidate of ``open_on_device``; None: this machine.
        journal: stores every result. A result that it has already is not measured again.
        advance: called after each clip.

    Raises:
        EdgeshiftError: no clip can be read, or logits are not finite.
    """
    clips = list(clips)
    scores: dict[str, ClipScore] = {}
    unreadable: dict[str, Reason] = {}
    missing = []
    for clip in clips:
        known = journal.find(candidate.key, clip.name, clip.label, _size(clip)) if journal else None
        if known is None:
            missing.append(clip)
        else:
            scores[clip.name] = known
            advance()
    results: Iterator[Result]
    if device is not None:
        results = (_score(candidate, clip, logits) for clip, logits in stream_on_device(device, candidate, missing))
    else:
        results = stream_here(candidate, missing) if jobs == 1 else stream_in_processes(candidate, missing, jobs)
    for clip, result in results:
        if isinstance(result, Reason):
            unreadable[clip.name] = result
        else:
            scores[clip.name] = result
            if journal:
                journal.add(candidate.key, _size(clip), result)
        advance()
    if not scores:
        first = next((f"{name}: {reason}" for name, reason in unreadable.items()), "the data set is empty")
        raise VideoError(f"none of the {len(clips)} clips can be read; the first problem is {first}")
    in_order = tuple(scores[clip.name] for clip in clips if clip.name in scores)
    reasons = tuple((clip.name, unreadable[clip.name]) for clip in clips if clip.name in unreadable)
    name, model = printable(candidate.path.name), candidate.model
    return Measured(name, candidate.sha256, model.runtime, model.spec, candidate.rule, in_order, reasons)


def stream_here(candidate: Candidate, clips: Iterable[LabelledClip]) -> Iterator[Result]:
    """Stream clips in this process. Yield each clip, and its predictions or the reason why it cannot be streamed."""
    stream = candidate.model.stream()
    for clip in clips:
        try:
            logits: FrameLogits | Reason = stream_clip(stream, clip.path)
        except VideoError as error:
            logits = one_line(error, 300)
        yield _score(candidate, clip, logits)


def stream_in_processes(candidate: Candidate, clips: Iterable[LabelledClip], jobs: int) -> Iterator[Result]:
    """Stream clips in several processes, and yield the same as ``stream_here``, in the order of completion."""
    # The processes are spawned, because the threads of a runtime do not survive a fork.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _open_in_process, (candidate.path, candidate.sha256))
    with pool:
        futures: dict[Future[ClipScore | Reason], LabelledClip] = {
            pool.submit(_stream_in_process, clip): clip for clip in clips
        }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise EdgeshiftError(
                f"{candidate.path.name}: one of the {jobs} processes was killed, perhaps for lack of memory: "
                "use fewer --jobs, and --resume to keep the results so far"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


#: In a process of ``stream_in_processes``: the artifact that it has loaded.
_candidates: list[Candidate] = []


def _open_in_process(path: Path, digest: str) -> None:
    candidate = open_candidate(path)
    if candidate.sha256 != digest:
        raise EdgeshiftError(f"{path} changed while it was measured")
    _candidates.append(candidate)


def _stream_in_process(clip: LabelledClip) -> ClipScore | Reason:
    ((_, result),) = stream_here(_candidates[0], [clip])
    return result


def _score(candidate: Candidate, clip: LabelledClip, logits: FrameLogits | Reason) -> Result:
    if isinstance(logits, Reason):
        return clip, logits
    spec = candidate.model.spec
    return clip, score_clip(clip.name, clip.label, logits, candidate.rule, spec.labels, spec.consensus)


def _size(clip: LabelledClip) -> int:
    try:
        return clip.path.stat().st_size
    except OSError:
        return -1
