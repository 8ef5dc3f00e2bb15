"""A stream of an artifact whose network has a sound segment: it answers to the newest frames and to a sound.

    answer = (v_1 + ... + v_n + w s) / (n + w)        n newest frames, at most T; their logits v; logits s of the sound

The sound runs through the same graph as a frame, with the states of a new stream, so it shifts nothing. Its logits are
computed again every ``SoundSettings.every`` seconds, inside ``step``. While there is no usable sound, the logits of a
quiet room take its place, so that the answer never contains a sound that nobody heard.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import StreamSpec
from edgeshift.errors import EdgeshiftError
from edgeshift.sound.picture import Picture
from edgeshift.stream.listening import Listening
from edgeshift.stream.stream import Array, Executor, Fitted, Prediction, Stream, Timings

#: Name of the newest logits of frames in ``SoundStream.state``, float32 [n, classes].
ANSWERS = "frame_logits"
#: Share of ``SoundSettings.every`` by which a sound may be early, because microphones give samples in pieces.
EARLY = 0.2


class SoundStream(Listening, Stream):
    """One sequence of frames and one of sound samples. Made by ``Model.stream`` for a network with a sound segment.

    Args:
        spec: description of the artifact.
        executor: runs the frames.
        hearing: another executor of the same graph, which runs the pictures of sounds.
    """

    def __init__(self, spec: StreamSpec, executor: Executor, hearing: Executor) -> None:
        self._open_ear(spec)
        self._answers: deque[npt.NDArray[np.float32]] = deque(maxlen=self._settings.frames)
        self._sounds = Stream(spec, hearing)
        self._sound: npt.NDArray[np.float32] | None = None  # logits of the newest sound
        self._time: float | None = None  # of the frame that is run, seconds
        super().__init__(spec, executor)

    def deafen(self) -> None:
        """Forget all samples, for example when the microphone is switched off."""
        super().deafen()
        self._sound = None

    def reset(self) -> None:
        """Begin a new sequence of frames. The samples so far are forgotten as well."""
        super().reset()
        self.deafen()

    @property
    def state(self) -> dict[str, Array]:
        """Copies of the states and of the newest logits of frames. They contain no sound, as after ``deafen``."""
        classes = len(self._labels)
        return {**self._executor.states(), ANSWERS: np.array(self._answers, np.float32).reshape(-1, classes)}

    @state.setter
    def state(self, states: dict[str, Array]) -> None:
        self._assign(states)

    def _assign(self, states: dict[str, Array]) -> None:
        answers = states.get(ANSWERS) if isinstance(states, dict) else None
        shape: tuple[int, ...] = getattr(answers, "shape", ())
        if answers is None or shape[1:] != (len(self._labels),) or shape[0] > self._settings.frames:
            raise EdgeshiftError(f"a state of this stream has {ANSWERS!r}: assign a state that a stream returned")
        super()._assign({name: value for name, value in states.items() if name != ANSWERS})
        self._answers.extend(answers)

    def _restart(self, states: dict[str, Array] | None) -> None:
        super()._restart(states)
        self._answers.clear()
        self._sound = self.picture = None
        self._heard_to = 0.0  # time after the newest sample of that sound, seconds
        self._heard = "deaf"
        self.frame_logits = np.zeros(len(self._labels), np.float32)

    def _step(self, frame: Any, fitted: Fitted | None, timestamp: float | None) -> Prediction:
        self._time = timestamp
        return super()._step(frame, fitted, timestamp)

    def _predict(self, tensor: Array, start: float) -> Prediction:
        # The sound comes first: if it fails, the frame has changed no state and can be given again.
        infer = self._listen(self._time)
        prediction = super()._predict(tensor, start)
        start = perf_counter()
        self.frame_logits = prediction.logits
        self._answers.append(prediction.logits)
        logits = self._fused(np.add.reduce(list(self._answers)), len(self._answers), self._sound)
        index = int(logits.argmax())
        times = prediction.timings
        timings = Timings(times.pre - infer, times.infer + infer, times.post + perf_counter() - start)
        return Prediction(self._labels[index], index, logits, timings, heard=self._heard)

    def _listen(self, timestamp: float | None) -> float:
        """Compute the logits of the sound if they are due, and return the seconds that the runtime took; else 0."""
        self._heard = self._ear.hearing(timestamp)
        end = self._ear.end
        if self._heard != "heard" or end is None:
            self._sound = self.picture = None
            return 0.0
        if self._sound is not None and end - self._heard_to < (1 - EARLY) * self._settings.every:
            return 0.0
        picture = self._ear.picture()
        result = self.answer_to(picture)
        self._sound, self._heard_to, self.picture = result.logits, end, picture
        return result.timings.infer

    def answer_to(self, picture: Picture) -> Prediction:
        """Return the prediction for a sound alone; see ``Listening.answer_to``."""
        self._sounds.reset()
        pixels = cast("npt.NDArray[np.uint8]", picture)  # only an artifact with a float input has a float picture
        return msgspec.structs.replace(self._sounds.step_fitted(Fitted(pixels, 0.0)), heard="heard")
