"""``Listening``: what the streams of networks with a sound segment share, for single frames and for clips."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import StreamSpec
from edgeshift.sound.picture import Picture
from edgeshift.stream.ear import Ear, Hearing
from edgeshift.stream.stream import Prediction


class Listening:
    """The sound of a stream: the samples so far, and the logits that take the place of a sound that cannot be used.

    Attributes:
        picture: picture of the sound that the newest prediction contains; None: it contains none.
        frame_logits: logits of the newest frame, or of the frames of the newest clip, without a sound, [classes].
    """

    picture: Picture | None
    frame_logits: npt.NDArray[np.float32]

    def _open_ear(self, spec: StreamSpec) -> None:
        """Prepare for sounds. It is called once, before the stream starts."""
        settings = spec.model.sound
        assert settings is not None, "the network has a sound segment"
        self._settings = settings
        self._ear = Ear(settings, spec.frame.width)
        self._quiet = None if spec.quiet is None else np.array(spec.quiet, np.float32)
        self._heard: Hearing | None = "deaf"
        self.picture = None

    def hear(self, samples: npt.ArrayLike, timestamp: float, rate: int) -> None:
        """Take the next samples of the microphone; see ``Ear.hear``. Give them before the frame of the same time."""
        self._ear.hear(samples, timestamp, rate)

    def deafen(self) -> None:
        """Forget all samples, for example when the microphone is switched off."""
        self._ear.deafen()
        self.picture = None

    def answer_to(self, picture: Picture) -> Prediction:
        """Return the prediction for a sound alone. Its ``heard`` is "heard".

        The frames and the sound of this stream stay as they are.

        Args:
            picture: picture of the sound, [H, W, 3] (``edgeshift.sound.picture_of``).
        """
        raise NotImplementedError

    def _fused(
        self, frames: npt.NDArray[np.float32], count: int, sound: npt.NDArray[np.float32] | None
    ) -> npt.NDArray[np.float32]:
        """Return the answer to frames and a sound, [classes].

        Args:
            frames: sum of the logits of the frames, [classes].
            count: number of these frames.
            sound: logits of the sound, [classes]; None: there is no usable sound. The logits of a quiet room take its
                place, if the network has them.
        """
        sound = self._quiet if sound is None else sound
        fused = frames / float(count) if sound is None else self._settings.fuse(frames, count, sound)
        return fused.astype(np.float32)
