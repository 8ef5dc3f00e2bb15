"""An artifact over all clips of a data set: in this process or in several, and never a clip dropped in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.spec import StreamSpec
from edgeshift.benchmarks.accuracy.clip import stream_clip
from edgeshift.benchmarks.accuracy.journal import Journal
from edgeshift.benchmarks.accuracy.opened import Candidate, open_subject
from edgeshift.benchmarks.accuracy.remote import stream_on
from edgeshift.benchmarks.accuracy.score import ClipScore, score_clip
from edgeshift.benchmarks.devices.device import Device
from edgeshift.errors import EdgeshiftError, VideoError, one_line
from edgeshift.video.dataset import LabelledClip

#: Of a clip that could not be streamed.
Reason = str


@dataclass(frozen=True, eq=False)
class Measured:
    """What an artifact answered.

    Attributes:
        file: its name. clips: in the order of the data set. unreadable: (clip, why), in that order.
    """

    file: str
    sha256: str
    runtime: str
    spec: StreamSpec
    rule: RuleSpec
    clips: tuple[ClipScore, ...]
    unreadable: tuple[tuple[str, Reason], ...] = ()


def measure(
    subject: Candidate,
    clips: Iterable[LabelledClip],
    *,
    jobs: int = 1,
    device: Device | None = None,
    journal: Journal | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Measured:
    """Stream every clip.

    Args:
        subject: the artifact. clips: the data set.
        jobs: processes; 1: this one. device: stream them there (``subject`` is ``open_on``'s); None: here.
        journal: gives what is known, and takes every result as it comes.
        advance: called after each clip.

    Raises:
        EdgeshiftError: not one clip can be read, or the network's answers are no numbers.
    """
    clips = list(clips)
    found: dict[str, ClipScore] = {}
    unreadable: dict[str, Reason] = {}
    todo = []
    for clip in clips:
        known = journal.find(subject.key, clip.name, clip.label, _size(clip)) if journal else None
        if known is None:
            todo.append(clip)
        else:
            found[clip.name] = known
            advance()
    if device is not None:
        results = _there(device, subject, todo)
    else:
        results = _here(subject, todo) if jobs == 1 else _in_processes(subject, todo, jobs)
    for clip, result in results:
        if isinstance(result, Reason):
            unreadable[clip.name] = result
        else:
            found[clip.name] = result
            if journal:
                journal.add(subject.key, _size(clip), result)
        advance()
    if not found:
        name, reason = next(iter(unreadable.items()), ("", "there are none"))
        raise VideoError(f"none of {len(clips)} clips can be read; the first: {name}: {reason}")
    return Measured(
        subject.path.name,
        subject.sha256,
        subject.model.runtime,
        subject.model.spec,
        subject.rule,
        tuple(found[clip.name] for clip in clips if clip.name in found),
        tuple((clip.name, unreadable[clip.name]) for clip in clips if clip.name in unreadable),
    )


Result = tuple[LabelledClip, "ClipScore | Reason"]


def _here(subject: Candidate, clips: Iterable[LabelledClip]) -> Iterator[Result]:
    stream = subject.model.stream()
    for clip in clips:
        try:
            answers = stream_clip(stream, clip.path)
        except VideoError as error:
            yield clip, one_line(error, 300)
            continue
        yield clip, score_clip(clip.name, clip.label, answers, subject.rule, stream.spec.labels, stream.spec.consensus)


def _there(device: Device, subject: Candidate, clips: list[LabelledClip]) -> Iterator[Result]:
    spec = subject.model.spec
    for clip, answers in stream_on(device, subject, clips):
        if isinstance(answers, Reason):
            yield clip, answers
        else:
            yield clip, score_clip(clip.name, clip.label, answers, subject.rule, spec.labels, spec.consensus)


def _in_processes(subject: Candidate, clips: Iterable[LabelledClip], jobs: int) -> Iterator[Result]:
    # Not forked: threads of a runtime do not survive that.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (subject.path, subject.sha256))
    with pool:
        futures: dict[Future[ClipScore | Reason], LabelledClip] = {pool.submit(_work, clip): clip for clip in clips}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise EdgeshiftError(
                f"{subject.path.name}: a process of --jobs {jobs} was ended from outside, by a lack of memory perhaps; "
                "try fewer (what was answered is kept: --resume)"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


#: The artifact of a process of ``_in_processes``.
_subjects: list[Candidate] = []


def _begin(path: Path, digest: str) -> None:
    subject = open_subject(path)
    if subject.sha256 != digest:
        raise EdgeshiftError(f"{path} changed while it was measured")
    _subjects.append(subject)


def _work(clip: LabelledClip) -> ClipScore | Reason:
    ((_, result),) = _here(_subjects[0], [clip])
    return result


def _size(clip: LabelledClip) -> int:
    try:
        return clip.path.stat().st_size
    except OSError:
        return -1
