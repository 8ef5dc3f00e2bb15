"""Write the transcript of an artifact, and replay a transcript: make its calls, and compare the results."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import StreamSpec
from edgeshift.errors import EdgeshiftError
from edgeshift.events.default_rule import rule_of
from edgeshift.events.spotter import Detection, Spotter, silent_indices
from edgeshift.stream.clip_stream import COUNT, FRAMES
from edgeshift.stream.listening import Listening
from edgeshift.stream.model import Model
from edgeshift.stream.parity import real_states
from edgeshift.stream.selfcheck import bound_for, relative_error, rms, sample
from edgeshift.stream.stream import Array, Prediction
from edgeshift.stream.transcript import (
    SCORE_ERROR,
    WITH_SOUNDS,
    WITHOUT_SOUNDS,
    Bounds,
    Call,
    Deafen,
    Event,
    Hear,
    Reset,
    Restore,
    RuleCall,
    Save,
    Step,
    Subject,
    Transcript,
    pack,
    picture,
    unpack,
)
from edgeshift.stream.transcript_calls import Frame, Request, calls_of, rule_rows
from edgeshift.stream.transcript_sounds import samples_of
from edgeshift.targets import RUNTIMES, TARGETS, Processor

#: Number from which the pictures of a new transcript are computed.
SEED = 7
#: The runtime whose int8 results are equal to the bit on all processors.
EXACT_RUNTIME = "LiteRT"


def write_transcript(model: Model, advance: Callable[[], None] = lambda: None) -> Transcript:
    """Return the transcript of an artifact: run it, and record what it answers.

    Args:
        model: the loaded artifact.
        advance: called after each call.

    Raises:
        EdgeshiftError: the description has no hash of the graph.
        RuntimeStepError: the runtime failed.
    """
    spec = model.spec
    player = _Player(model, SEED)
    calls = []
    for request in calls_of(spec):
        calls.append(player.make(request))
        advance()
    fresh = [unpack(call.logits) for call in calls if isinstance(call, Step) and call.logits is not None]
    return Transcript(
        version=WITHOUT_SOUNDS if spec.model.sound is None else WITH_SOUNDS,
        artifact=_subject(spec),
        runtime=model.runtime,
        exact=spec.precision == "int8" and _kind(model.runtime) == EXACT_RUNTIME,
        bounds=_bounds(spec, "npu" if _only_npu(spec) else "cpu", fresh),
        seed=SEED,
        calls=tuple(calls),
        samples={name: tuple(map(float, values)) for name, values in player.samples().items()},
        rule_calls=tuple(_rule_calls(spec, SEED)),
    )


def replay(model: Model, transcript: Transcript, advance: Callable[[], None] = lambda: None) -> list[str]:
    """Make the calls of a transcript with an artifact.

    If the transcript is exact and was written with the same kind of runtime, all results must be equal to the bit.
    Otherwise, logits and samples of states must be within the bounds. All other results must be equal in both cases.

    Args:
        model: the loaded artifact.
        transcript: what it has to answer.
        advance: called after each call.

    Returns:
        One line for each difference; none if the artifact answers as the transcript says.

    Raises:
        EdgeshiftError: the transcript belongs to another artifact, or is damaged.
        RuntimeStepError: the runtime failed.
    """
    spec = model.spec
    if _subject(spec) != transcript.artifact:
        raise EdgeshiftError(
            f"the transcript belongs to another artifact, of {transcript.artifact.target} "
            f"{transcript.artifact.precision} with the hash {transcript.artifact.body_sha256[:12]}...: "
            "write one for this artifact with edgeshift transcript"
        )
    exact = transcript.exact and _kind(transcript.runtime) == _kind(model.runtime)
    bounds = transcript.bounds
    if model.processor != "cpu":
        rows = [unpack(call.logits) for call in transcript.calls if isinstance(call, Step) and call.logits]
        bounds = _bounds(spec, model.processor, rows)
    player = _Player(model, transcript.seed)
    comparison = _Comparison(exact, bounds, clip=spec.mode == "clip")
    for number, expected in enumerate(transcript.calls, 1):
        comparison.compare(f"call {number}", expected, player.make(_request(expected)))
        advance()
    comparison.compare_samples(transcript.samples, player.samples())
    spotter = Spotter(rule_of(spec), spec.labels)
    for number, call in enumerate(transcript.rule_calls, 1):
        logits = unpack(call.logits)
        if len(logits) != len(spec.labels):
            raise EdgeshiftError(
                f"the transcript is damaged: rule call {number} has {len(logits)} logits for {len(spec.labels)} labels"
            )
        event = _event(spotter.feed(logits, call.time), spec)
        comparison.compare_events(f"rule call {number}", call.event, event, SCORE_ERROR)
    return comparison.differences()


def _bounds(spec: StreamSpec, processor: Processor, logits: list[Array]) -> Bounds:
    """Return the bounds of the self-check for these logits, one array for each answer."""
    bound = bound_for(spec, processor, float(np.max(logits) - np.min(logits)))
    return Bounds(logits=bound.logits, states=bound.states)


def state_bytes(spec: StreamSpec, states: dict[str, Array]) -> Iterator[bytes]:
    """Yield the bytes over which a transcript hashes the states of a stream.

    For a stream artifact these are the states as they are stored, in the order of the description. For a clip artifact
    they are the frames that were given since the start, at most the last T, the oldest first, and then the number of
    all frames since the start, as a 64-bit little-endian integer.
    """
    if spec.mode == "stream":
        for state in spec.states:
            yield np.ascontiguousarray(states[state.name]).tobytes()
        return
    count = int(states[COUNT][0])
    yield states[FRAMES][max(0, spec.frames - count) :].tobytes()
    yield count.to_bytes(8, "little")


class _Player:
    """Makes calls on one stream and its spotter, and returns them with their results."""

    def __init__(self, model: Model, seed: int) -> None:
        self._spec, self._seed = model.spec, seed
        self._stream = model.stream()
        self._spotter = self._stream.spotter()
        self._saved: dict[str, Array] = {}

    def make(self, request: Request) -> Call:
        if isinstance(request, Frame):
            return self._step(request)
        if isinstance(request, Hear):
            samples = samples_of(self._seed, request.sound, request.first, request.samples)
            self._stream.hear(samples, request.time, request.rate)
            return request
        if isinstance(request, Deafen):
            self._deafen()
            return request
        if request == "save":
            self._saved = self._stream.state
            return Save(states=self._hash())
        self._spotter.reset()
        if request == "reset":
            self._stream.reset()
            return Reset(states=self._hash())
        self._stream.state = self._saved
        return Restore(states=self._hash())

    def _deafen(self) -> None:
        if not isinstance(self._stream, Listening):
            raise EdgeshiftError("the transcript has sounds, and the network has no sound segment")
        self._stream.deafen()

    def samples(self) -> dict[str, Array]:
        """Return samples of the real values of the states, as the self-check takes them; none for a clip artifact."""
        if self._spec.mode == "clip":
            return {}
        return {name: sample(values) for name, values in real_states(self._stream).items()}

    def _step(self, frame: Frame) -> Step:
        pixels = picture(self._seed, frame.picture, frame.height, frame.width)
        prediction: Prediction | None = self._stream.step(pixels, frame.time)
        given = frame._asdict()
        if prediction is None:
            return Step(**given, answer="none")
        if not prediction.fresh:
            return Step(**given, answer="repeated", index=prediction.index, heard=prediction.heard)
        event = None if frame.time is None else self._spotter.feed(prediction.logits, frame.time)
        return Step(
            **given,
            answer="fresh",
            index=prediction.index,
            logits=pack(prediction.logits),
            states=self._hash(),
            event=_event(event, self._spec),
            heard=prediction.heard,
        )

    def _hash(self) -> str:
        digest = hashlib.sha256()
        for part in state_bytes(self._spec, self._stream.state):
            digest.update(part)
        return digest.hexdigest()


class _Comparison:
    """Collects differences between expected results and results."""

    def __init__(self, exact: bool, bounds: Bounds, *, clip: bool) -> None:
        self._exact, self._bounds = exact, bounds
        # The frames that a clip artifact keeps are integers, which are equal in every runtime.
        self._compare_states = exact or clip
        self._found: list[str] = []
        self._errors: list[npt.NDArray[np.float32]] = []

    def compare(self, where: str, expected: Call, result: Call) -> None:
        """Compare the results of a call."""
        where = f"{where} ({_name(expected)})"
        if isinstance(expected, Step) and isinstance(result, Step):
            self._compare_steps(where, expected, result)
            if expected.answer != result.answer:
                return
        if isinstance(expected, Hear | Deafen) or isinstance(result, Hear | Deafen):
            return  # they change no state, and the next step says what was heard
        if self._compare_states and expected.states != result.states:
            self._found.append(f"{where}: the states have the hash {result.states}, expected {expected.states}")

    def compare_events(self, where: str, expected: Event | None, event: Event | None, allowed: float) -> None:
        """Compare a detection with the expected one, whose score may differ by ``allowed``."""
        scores = [0.0 if one is None else one.score for one in (expected, event)]
        same = [one and msgspec.structs.replace(one, score=0.0) for one in (expected, event)]
        if same[0] != same[1] or not abs(scores[0] - scores[1]) <= allowed:
            self._found.append(f"{where}: {_event_text(event)}, expected {_event_text(expected)}")

    def compare_samples(self, expected: dict[str, tuple[float, ...]], samples: dict[str, Array]) -> None:
        """Compare samples of the states after the last call. Nothing is compared if their hashes were."""
        if self._compare_states:
            return
        for name, values in expected.items():
            own = samples.get(name)
            if own is None or len(own) != len(values):
                self._found.append(f"state {name}: there is no such state with {len(values)} samples")
            elif not (error := relative_error(own, np.array(values))) <= self._bounds.states:
                allowed = f"{self._bounds.states:g} is allowed"
                self._found.append(f"state {name} differs by {error:.3g} standard deviations, {allowed}")

    def differences(self) -> list[str]:
        """Return all differences."""
        if self._exact or not self._errors:
            return self._found
        error = rms(np.concatenate(self._errors).astype(np.float64))
        if not error <= self._bounds.logits:
            return [f"the logits differ by {error:.3g}, {self._bounds.logits:.3g} is allowed", *self._found]
        return self._found

    def _compare_steps(self, where: str, expected: Step, result: Step) -> None:
        if expected.answer != result.answer:
            self._found.append(f"{where}: the answer is {result.answer!r}, expected {expected.answer!r}")
            return
        if expected.heard != result.heard:
            self._found.append(f"{where}: what was heard is {result.heard!r}, expected {expected.heard!r}")
        if expected.logits is not None and result.logits is not None:
            wanted, own = unpack(expected.logits), unpack(result.logits)
            if wanted.shape != own.shape:
                self._found.append(f"{where}: {own.size} logits, expected {wanted.size}")
                return
            self._errors.append(own - wanted)
            if self._exact and expected.logits != result.logits:
                self._found.append(f"{where}: the logits differ by {np.abs(own - wanted).max():.3g}, expected equal")
        if self._exact and expected.index != result.index:
            self._found.append(f"{where}: label {result.index} is predicted, expected {expected.index}")
        allowed = SCORE_ERROR if self._exact else max(SCORE_ERROR, self._bounds.logits)
        self.compare_events(where, expected.event, result.event, allowed)


def _only_npu(spec: StreamSpec) -> bool:
    """Return True if other programs run the artifact on an NPU, even if a simulator runs it here."""
    target = TARGETS.get(spec.target)
    return target is not None and RUNTIMES[target.runtime].only_npu


def _subject(spec: StreamSpec) -> Subject:
    if spec.body_sha256 is None:
        raise EdgeshiftError(
            "a transcript belongs to an artifact with a hash of its graph, and this file has none: give one that "
            "edgeshift convert has written"
        )
    return Subject(target=spec.target, precision=spec.precision, mode=spec.mode, body_sha256=spec.body_sha256)


def _kind(runtime: str) -> str:
    """Return the name of a runtime without its version."""
    return runtime.split(" ", 1)[0]


def _request(call: Call) -> Request:
    if isinstance(call, Step):
        return Frame(call.picture, call.height, call.width, call.time)
    if isinstance(call, Hear | Deafen):
        return call
    return "reset" if isinstance(call, Reset) else "save" if isinstance(call, Save) else "restore"


def _name(call: Call) -> str:
    return type(call).__name__.lower()


def _rule_calls(spec: StreamSpec, seed: int) -> Iterator[RuleCall]:
    rule = rule_of(spec)
    spotter = Spotter(rule, spec.labels)
    for time, logits in rule_rows(spec, rule, sorted(silent_indices(rule, spec.labels)), seed):
        yield RuleCall(time=time, logits=pack(logits), event=_event(spotter.feed(logits, time), spec))


def _event(detection: Detection | None, spec: StreamSpec) -> Event | None:
    if detection is None:
        return None
    fields = {"label": detection.label, "score": detection.score, "timestamp": detection.timestamp}
    return Event(index=spec.labels.index(detection.label), **fields)  # type: ignore[arg-type]


def _event_text(event: Event | None) -> str:
    if event is None:
        return "no event"
    return f"the event {event.label!r} at {event.timestamp:g} s with score {event.score:.12g}"
