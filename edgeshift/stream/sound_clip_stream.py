"""A stream of a clip artifact whose network has a sound segment.

    answer = (v_1 + ... + v_T + w s) / (T + w)        T frames of a clip; their logits v; logits s of the sound

The graph takes the T frames and the picture of a sound in one call, and returns two rows: the mean of the frames'
logits and the logits of the sound. Where there is no usable sound, the graph gets a black picture and its second row is
not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import StreamSpec
from edgeshift.errors import SoundError
from edgeshift.sound.picture import Picture
from edgeshift.stream.clip_stream import ClipStream
from edgeshift.stream.listening import Listening
from edgeshift.stream.stream import Array, Executor, Prediction


class SoundClipStream(Listening, ClipStream):
    """One sequence of frames and one of sound samples. Made by ``Model.stream`` for such a clip artifact.

    The sound of an answer is that of the newest ``SoundSettings.seconds`` before its last frame.
    """

    def __init__(self, spec: StreamSpec, executor: Executor) -> None:
        self._open_ear(spec)
        self._black = np.zeros((1, spec.frame.height, spec.frame.width, 3), np.uint8)
        super().__init__(spec, executor)

    def answer(self, frames: Sequence[npt.NDArray[np.uint8]], picture: Picture | None = None) -> Prediction:
        """Run one clip of exactly T frames; see ``ClipStream.answer``. The samples of ``hear`` are not used.

        Args:
            frames: uint8 [H, W, 3] RGB each, of any size.
            picture: picture of a sound, [H, W, 3] (``edgeshift.sound.picture_of``); None: the answer contains no sound.

        Raises:
            SoundError: the picture has another shape.
        """
        self._require_picture(picture)
        before = self.picture, self._heard
        self.picture, self._heard = picture, None if picture is None else "heard"
        try:
            return super().answer(frames)
        except Exception:
            self.picture, self._heard = before
            raise

    def answer_to(self, picture: Picture) -> Prediction:
        """Return the prediction for a sound alone; see ``Listening.answer_to``."""
        self._require_picture(picture)
        before = self.picture, self._heard, self.frame_logits
        self.picture, self._heard = picture, "heard"
        start = perf_counter()
        try:
            self._fill([np.broadcast_to(self._black, self._ring.shape)])
            prediction = self._predict(self._clip, start)
        finally:
            self.picture, self._heard, self.frame_logits = before
        logits, index = self._sound_logits, int(self._sound_logits.argmax())
        return msgspec.structs.replace(prediction, label=self._labels[index], index=index, logits=logits)

    def reset(self) -> None:
        """Forget all frames and samples."""
        super().reset()
        self.deafen()

    def _restart(self, states: dict[str, Array] | None) -> None:
        super()._restart(states)
        self.picture, self._heard = None, "deaf"
        self.frame_logits = np.zeros(len(self._labels), np.float32)

    def _listen(self, timestamp: float | None) -> None:
        self._heard = self._ear.hearing(timestamp)
        self.picture = self._ear.picture() if self._heard == "heard" else None

    def _require_picture(self, picture: Picture | None) -> None:
        shape = self._black.shape[1:]
        if picture is not None and picture.shape != shape:
            raise SoundError(
                f"the picture of the sound has the shape {list(picture.shape)}, but this stream takes {list(shape)}: "
                "make it with edgeshift.sound.picture_of"
            )

    def _fill(self, parts: Sequence[npt.NDArray[Any]]) -> None:
        super()._fill([*parts, self._black if self.picture is None else self.picture[None]])

    def _predict(self, tensor: Array, start: float) -> Prediction:
        return msgspec.structs.replace(super()._predict(tensor, start), heard=self._heard)

    def _answer(self, raw: Array) -> npt.NDArray[np.float32]:
        self.frame_logits, self._sound_logits = self._real(raw)
        frames = self.spec.frames
        return self._fused(frames * self.frame_logits, frames, None if self.picture is None else self._sound_logits)
