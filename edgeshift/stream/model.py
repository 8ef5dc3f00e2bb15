"""``Model``: a loaded artifact, which makes streams.

    model = edgeshift.load("gestures.tflite")
    stream = model.stream()
    for frame in frames:                      # uint8 [H, W, 3] RGB, any size
        print(stream.step(frame).label)

Each stream has its own states, so one model can serve several cameras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import StreamSpec
from edgeshift.errors import EdgeshiftError, SoundError, VideoError
from edgeshift.stream.clip_stream import ClipStream
from edgeshift.stream.placement import ON_CPU, Placement
from edgeshift.stream.stream import Executor, Prediction, Stream
from edgeshift.targets import Processor
from edgeshift.video.fit import FrameSpec
from edgeshift.video.segments import segment_middles

if TYPE_CHECKING:
    from edgeshift.stream.cameras import Cameras


class Model:
    """A loaded artifact, which makes streams. It is made by ``edgeshift.load`` and never changes.

    Args:
        spec: description of the artifact.
        runtime: name and version of the runtime, or a function that returns them. A function is called only when they
            are needed, because finding the version may be slow.
        executor: makes the executor of a new stream.
        processor: kind of processor that runs the graph. The bounds of the self-check depend on it.
        hearing: makes the executor of the sounds of a new stream; None: the graph of the frames also runs sounds.
        placement: where the graph runs, as the runtime says; None: on ``processor``. If that is not the CPU, it is not
            known which operators run on it.
    """

    def __init__(
        self,
        spec: StreamSpec,
        runtime: str | Callable[[], str],
        executor: Callable[[], Executor],
        processor: Processor = "cpu",
        hearing: Callable[[], Executor] | None = None,
        placement: Placement | None = None,
    ) -> None:
        self.spec = spec
        self.processor = processor
        # A runtime that may use an NPU decides itself what runs there. A runtime that knows it gives a placement.
        usual = ON_CPU if processor == "cpu" else Placement(accelerator="gpu" if processor == "gpu" else "not known")
        self.placement = placement or usual
        self._runtime = runtime
        self._executor = executor
        self._hearing = hearing
        self._whole_clips: ClipStream | None = None  # runs the clips of ``clip``

    @property
    def runtime(self) -> str:
        """Name and version of the runtime."""
        return self._runtime if isinstance(self._runtime, str) else self._runtime()

    def stream(self, *, paced: bool = True) -> Stream:
        """Return a new stream with its own states.

        For a clip artifact, it is a ``ClipStream``: it keeps the last frames, and its ``step`` returns None until there
        are enough for a clip.

        Args:
            paced: whether ``step`` leaves out frames that are not due; False: the caller chooses the frames.
        """
        if self.spec.mode == "clip":
            return self._clip_stream()
        self._require_one_camera()
        spec = self.spec if paced else msgspec.structs.replace(self.spec, frame_spacing=None)
        if spec.model.sound is None:
            return Stream(spec, self._executor())
        # Not at import, because most networks have no sound segment.
        from edgeshift.stream.sound_stream import SoundStream

        if self._hearing is None and spec.model.sound.norms == "separate":
            raise EdgeshiftError(
                "the sounds of this network have their own batch norms, and the file lacks their graph"
            )
        return SoundStream(spec, self._executor(), (self._hearing or self._executor)())

    def cameras(self) -> Cameras:
        """Return new streams of all cameras of an artifact that takes several cameras in one call (``--batch``).

        Raises:
            EdgeshiftError: the artifact takes one camera.
        """
        # Not at import, because most artifacts take one camera.
        from edgeshift.stream.cameras import Cameras

        if self.spec.batch == 1:
            raise EdgeshiftError("this artifact takes one camera: use stream(), or convert the model with --batch")
        return Cameras(self.spec, self._executor())

    def camera(self, index: int) -> Model:
        """Return one camera of an artifact for several cameras as a model of its own, for checks.

        Each of its steps runs the whole graph. The other cameras see the negative of the frame.

        Raises:
            EdgeshiftError: there is no such camera. The first one is 0.
        """
        from edgeshift.stream.cameras import one_camera, view

        executor = view(self.spec, self._executor, index)
        return Model(one_camera(self.spec), self._runtime, executor, self.processor, placement=self.placement)

    def each_camera(self) -> list[Model]:
        """Return every camera as a model of its own; for an artifact for one camera, the model itself."""
        return [self] if self.spec.batch == 1 else [self.camera(index) for index in range(self.spec.batch)]

    def _require_one_camera(self) -> None:
        if self.spec.batch > 1:
            raise EdgeshiftError(
                f"this artifact takes the frames of {self.spec.batch} cameras in one call: use Model.cameras(), or "
                "convert the model without --batch"
            )

    def frame_stream(self) -> Stream:
        """Return a new stream whose predictions are those of single frames, even if the network can hear."""
        self._require_one_camera()
        return Stream(self.spec, self._executor())

    def clip(
        self, frames: Sequence[npt.NDArray[np.uint8]], sound: tuple[npt.ArrayLike, int] | None = None
    ) -> Prediction:
        """Return the prediction of a clip artifact for one whole clip.

        Args:
            frames: all frames of the clip, uint8 [H, W, 3] RGB of any size. The clip is divided into T equal segments,
                where T is the number of frames that the artifact takes. The middle frame of each segment is used, as in
                training.
            sound: the clip's sound, for a network with a sound segment: mono samples within -1 to 1, [N], and the
                samples per second. The newest ``SoundSettings.seconds`` are used. None: the frames are answered alone.

        Raises:
            VideoError: there is no frame, or a frame has another dtype or shape.
            SoundError: the sound is too short, or it cannot be used.
            EdgeshiftError: the artifact is for streams, or its network has no sound segment.
            RuntimeStepError: the runtime failed.
        """
        if self.spec.mode != "clip":
            raise EdgeshiftError(
                "this artifact takes one frame at a time: use stream(), or convert the model with --mode clip"
            )
        if not len(frames):
            raise VideoError("a clip has no frames: give at least one")
        if self._whole_clips is None:
            self._whole_clips = self._clip_stream()
        chosen = [frames[index] for index in segment_middles(len(frames), self.spec.frames)]
        return self._whole_clips.answer(chosen) if sound is None else self._clip_with_sound(chosen, sound)

    def _clip_with_sound(self, frames: Sequence[npt.NDArray[np.uint8]], sound: tuple[npt.ArrayLike, int]) -> Prediction:
        # Not at import, because most networks have no sound segment.
        from edgeshift.sound import picture_of_clip
        from edgeshift.stream.sound_clip_stream import SoundClipStream

        settings = self.spec.model.sound
        if settings is None or not isinstance(self._whole_clips, SoundClipStream):
            raise EdgeshiftError(f"this {self.spec.model.name} takes frames only: it has no sound segment")
        try:
            samples, rate = sound
        except (TypeError, ValueError) as error:
            raise SoundError("the sound of a clip is a pair: (samples, samples per second)") from error
        return self._whole_clips.answer(frames, picture_of_clip(samples, rate, settings, self.spec.frame.width))

    def _clip_stream(self) -> ClipStream:
        if not self.spec.sounds:
            return ClipStream(self.spec, self._executor())
        # Not at import, because most networks have no sound segment.
        from edgeshift.stream.sound_clip_stream import SoundClipStream

        return SoundClipStream(self.spec, self._executor())

    def fitted(self) -> Model:
        """Return the same model for frames that already have the size and channel order of the network."""
        frame = FrameSpec(self.spec.frame.height, self.spec.frame.width)
        spec = msgspec.structs.replace(self.spec, frame=frame)
        return Model(spec, self._runtime, self._executor, self.processor, self._hearing, self.placement)
