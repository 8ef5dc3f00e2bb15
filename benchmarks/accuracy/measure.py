"""Measure the accuracy of an artifact on all clips of a data set: in this process, in several, or on a device."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from edgeshift._system.files import sha256
from edgeshift._system.text import printable
from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.spec import StreamSpec
from edgeshift.benchmarks.accuracy.candidate import Candidate, open_candidate
from edgeshift.benchmarks.accuracy.clip import FrameLogits, stream_clip
from edgeshift.benchmarks.accuracy.clip_sound import Without, stream_clip_with_sound
from edgeshift.benchmarks.accuracy.journal import Journal
from edgeshift.benchmarks.accuracy.score import ClipScore, score_clip
from edgeshift.errors import EdgeshiftError, SoundError, VideoError, VideoWarning, one_line
from edgeshift.stream.listening import Listening
from edgeshift.stream.placement import Placement
from edgeshift.video.clip_files import frame_files
from edgeshift.video.dataset import LabelledClip

#: The reason why a clip could not be streamed.
Reason = str
Result = tuple[LabelledClip, "ClipScore | Reason"]
#: Streams clips elsewhere, and yields each clip with its logits or the reason why it cannot be read.
Streamer = Callable[[Candidate, Sequence[LabelledClip]], Iterator[tuple[LabelledClip, "FrameLogits | Reason"]]]


@dataclass(frozen=True, eq=False)
class Measured:
    """The results of one artifact.

    Attributes:
        file, sha256, spec: name, hash and description of the file.
        runtime, rule: runtime and event rule that were used.
        clips: the predictions for each clip, in the order of the data set.
        unreadable: name and reason for every clip that could not be streamed, in the order of the data set.
        without: what a network with a sound segment did not get; None: nothing was left out.
        ran_on: where the graph ran, as the runtime says; None: a device ran it and does not say it.
    """

    file: str
    sha256: str
    runtime: str
    spec: StreamSpec
    rule: RuleSpec
    clips: tuple[ClipScore, ...]
    unreadable: tuple[tuple[str, Reason], ...] = ()
    without: Without | None = None
    ran_on: Placement | None = None


def measure(
    candidate: Candidate,
    clips: Iterable[LabelledClip],
    *,
    jobs: int = 1,
    elsewhere: Streamer | None = None,
    journal: Journal | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Measured:
    """Stream every clip. Clips that cannot be read are listed in the result.

    Args:
        candidate, clips: the artifact, and the clips of the data set.
        jobs: number of processes; 1: this process.
        elsewhere: streams clips on a device, as ``stream_on_device`` does; None: they are streamed on this machine.
        journal: stores every result. A result that it has already is not measured again.
        advance: called after each clip.

    Raises:
        EdgeshiftError: no clip can be read, logits are not finite, or not all clips ran on the same accelerator.
    """
    clips = list(clips)
    scores: dict[str, ClipScore] = {}
    unreadable: dict[str, Reason] = {}
    placements: dict[Placement | None, None] = {}
    missing = []
    for clip in clips:
        known = journal.find(_key(candidate, clip), clip.name, clip.label, _size(clip)) if journal else None
        if known is None:
            missing.append(clip)
        else:
            scores[clip.name] = known.clip
            placements[known.ran_on] = None
            advance()
    results: Iterator[tuple[LabelledClip, ClipScore | Reason, Placement | None]]
    if elsewhere is not None:
        answered = elsewhere(candidate, missing)
        results = ((*_score(candidate, clip, logits), _ran_on(logits)) for clip, logits in answered)
    else:
        here = stream_here(candidate, missing) if jobs == 1 else stream_in_processes(candidate, missing, jobs)
        results = ((clip, result, candidate.model.placement) for clip, result in here)
    for clip, result, ran_on in results:
        if isinstance(result, Reason):
            unreadable[clip.name] = result
        else:
            scores[clip.name] = result
            placements[ran_on] = None
            if journal:
                journal.add(_key(candidate, clip), _size(clip), result, ran_on)
        advance()
    if not scores:
        first = next((f"{name}: {reason}" for name, reason in unreadable.items()), "the data set is empty")
        raise VideoError(f"none of the {len(clips)} clips can be read; the first problem is {first}")
    in_order = tuple(scores[clip.name] for clip in clips if clip.name in scores)
    reasons = tuple((clip.name, unreadable[clip.name]) for clip in clips if clip.name in unreadable)
    name, model = printable(candidate.path.name), candidate.model
    return Measured(
        file=name,
        sha256=candidate.sha256,
        runtime=model.runtime,
        spec=model.spec,
        rule=candidate.rule,
        clips=in_order,
        unreadable=reasons,
        without=candidate.without,
        ran_on=_only(placements, name),
    )


def _ran_on(logits: FrameLogits | Reason) -> Placement | None:
    return None if isinstance(logits, Reason) else logits.ran_on


def _only(placements: Iterable[Placement | None], file: str) -> Placement | None:
    """Return where all clips ran; None: no result says it. Results of an older journal, for example, do not say it.

    Raises:
        EdgeshiftError: clips ran on different accelerators.
    """
    known = [placement for placement in placements if placement is not None]
    if len(known) > 1:
        raise EdgeshiftError(
            f"{file}: some clips ran on {known[0].title} and others on {known[1].title}: run again without --resume"
        )
    return known[0] if known else None


def stream_here(candidate: Candidate, clips: Iterable[LabelledClip]) -> Iterator[Result]:
    """Stream clips in this process. Yield each clip, and its predictions or the reason why it cannot be streamed."""
    stream = candidate.model.stream()
    for clip in clips:
        try:
            if isinstance(stream, Listening):
                logits: FrameLogits | Reason = stream_clip_with_sound(stream, clip, candidate.without)
            else:
                logits = stream_clip(stream, clip.path, clip.fps)
        except (VideoError, SoundError) as error:
            logits = one_line(error, 300)
        yield _score(candidate, clip, logits)


def stream_in_processes(candidate: Candidate, clips: Iterable[LabelledClip], jobs: int) -> Iterator[Result]:
    """Stream clips in several processes, and yield the same as ``stream_here``, in the order of completion."""
    # The processes are spawned, because the threads of a runtime do not survive a fork.
    pool = ProcessPoolExecutor(
        jobs,
        get_context("spawn"),
        _open_in_process,
        (candidate.path, candidate.sha256, candidate.without, candidate.options),
    )
    with pool:
        futures: dict[Future[tuple[ClipScore | Reason, tuple[str, ...]]], LabelledClip] = {
            pool.submit(_stream_in_process, clip): clip for clip in clips
        }
        try:
            for future in as_completed(futures):
                result, messages = future.result()
                for message in messages:
                    warnings.warn(message, VideoWarning, stacklevel=2)
                yield futures[future], result
        except BrokenProcessPool as error:
            raise EdgeshiftError(
                f"{candidate.path.name}: one of the {jobs} processes was killed, perhaps for lack of memory: "
                "use fewer --jobs, and --resume to keep the results so far"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


#: In a process of ``stream_in_processes``: the artifact that it has loaded.
_candidates: list[Candidate] = []


def _open_in_process(path: Path, digest: str, without: Without | None, options: Mapping[str, str]) -> None:
    candidate = open_candidate(path, without, options)
    if candidate.sha256 != digest:
        raise EdgeshiftError(f"{path} changed while it was measured")
    _candidates.append(candidate)


def _stream_in_process(clip: LabelledClip) -> tuple[ClipScore | Reason, tuple[str, ...]]:
    """Return the predictions for a clip, or why it cannot be read, and the warnings about it.

    Warnings are passed on to the calling process, which decides how they are shown.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", VideoWarning)
        ((_, result),) = stream_here(_candidates[0], [clip])
    return result, tuple(str(warning.message) for warning in caught if warning.category is VideoWarning)


def _score(candidate: Candidate, clip: LabelledClip, logits: FrameLogits | Reason) -> Result:
    if isinstance(logits, Reason):
        return clip, logits
    spec = candidate.model.spec
    return clip, score_clip(clip.name, clip.label, logits, candidate.rule, spec.labels, spec.consensus)


def _key(candidate: Candidate, clip: LabelledClip) -> str:
    """Return the key of a clip's result in the journal. It also depends on the frame rate of clips without times."""
    return candidate.key if clip.fps is None else sha256(f"{candidate.key} {clip.fps:g}".encode())


def _size(clip: LabelledClip) -> int:
    """Return the size of a video or of all frames of a folder, bytes; -1: it cannot be read."""
    try:
        if clip.path.is_dir():
            return sum(file.stat().st_size for file in frame_files(clip.path))
        return clip.path.stat().st_size
    except (OSError, VideoError):
        return -1
