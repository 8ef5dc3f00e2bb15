"""Stream a clip and its sound through a network with a sound segment, or one of the two alone."""

from __future__ import annotations

from typing import Literal

import numpy as np

from edgeshift.artifact.pair_label import gesture_and_sound, pair_label
from edgeshift.benchmarks.accuracy.clip import FrameLogits, stream_clip
from edgeshift.stream import Stream
from edgeshift.stream.listening import Listening
from edgeshift.video.dataset import LabelledClip
from edgeshift.video.sound_window import picture_of_window, sound_path

#: What is left out.
Without = Literal["sound", "video"]
#: Seed of the window of a sound that is longer than a picture.
SEED = 0


def label_of_pair(clip: LabelledClip) -> str:
    """Return the label of a clip with its sound."""
    return pair_label(*gesture_and_sound(clip.label, clip.sound))


def stream_clip_with_sound(stream: Stream, clip: LabelledClip, without: Without | None = None) -> FrameLogits:
    """Stream a clip from fresh states.

    The logits of a frame are (T v + w s) / (T + w), where v are those of the frame and s those of the sound. Their mean
    over the clip is the answer of the network's clip form to all frames and the sound. Of a clip artifact, v is the
    mean over the frames of each answer.

    Args:
        stream: a stream of the artifact, which is a ``Listening`` one.
        clip: the clip. Its sound is a .wav file beside it, or in the video.
        without: "sound": the logits are v. "video": there is one answer, s.

    Raises:
        VideoError: the clip cannot be read to its end.
        SoundError: its sound cannot be read.
    """
    spec, settings = stream.spec, stream.spec.model.sound
    assert settings is not None and isinstance(stream, Listening), "the network has a sound segment"
    listening: Listening = stream
    sound = None
    if without != "sound":
        random = np.random.default_rng(SEED)
        picture = picture_of_window(sound_path(clip), settings, spec.frame.width, random, augment=False)
        sound = listening.answer_to(picture).logits
    if without == "video":
        assert sound is not None
        return FrameLogits(np.zeros(1), sound[None])
    streamed = stream_clip(stream, clip.path, clip.fps, lambda _prediction: listening.frame_logits)
    if sound is None:
        return streamed
    frames = spec.frames if spec.mode == "clip" else settings.frames
    fused = settings.fuse(frames * streamed.logits, frames, sound)
    return FrameLogits(streamed.times, fused.astype(np.float32))
