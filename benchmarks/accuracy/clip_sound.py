"""Stream a clip and its sound through a network with a sound segment, or one of the two alone."""

from __future__ import annotations

from typing import Literal

import numpy as np

from edgeshift.artifact.pair_label import gesture_and_sound, pair_label
from edgeshift.benchmarks.accuracy.clip import FrameLogits, clip_frames
from edgeshift.stream.sound_stream import SoundStream
from edgeshift.video.dataset import LabelledClip
from edgeshift.video.sound_window import picture_of_window, sound_path

#: What is left out.
Without = Literal["sound", "video"]
#: Seed of the window of a sound that is longer than a picture.
SEED = 0


def label_of_pair(clip: LabelledClip) -> str:
    """Return the label of a clip with its sound."""
    return pair_label(*gesture_and_sound(clip.label, clip.sound))


def stream_clip_with_sound(stream: SoundStream, clip: LabelledClip, without: Without | None = None) -> FrameLogits:
    """Stream a clip from fresh states.

    The logits of a frame are (T v + w s) / (T + w), where v are those of the frame and s those of the sound. Their mean
    over the clip is the answer of the network's clip form to all frames and the sound.

    Args:
        stream: a stream of the artifact.
        clip: the clip. Its sound is a .wav file beside it, or in the video.
        without: "sound": the logits are v. "video": there is one answer, s.

    Raises:
        VideoError: the clip cannot be read to its end.
        SoundError: its sound cannot be read.
    """
    settings = stream.spec.model.sound
    assert settings is not None, "the network has a sound segment"
    sound = None
    if without != "sound":
        random = np.random.default_rng(SEED)
        picture = picture_of_window(sound_path(clip), settings, stream.spec.frame.width, random, augment=False)
        sound = stream.answer_to(picture).logits
    if without == "video":
        assert sound is not None
        return FrameLogits(np.zeros(1), sound[None])
    stream.reset()
    times, logits = [], []
    for frame, timestamp in clip_frames(stream.spec, clip.path, clip.fps):
        stream.step(frame)
        times.append(timestamp)
        logits.append(stream.frame_logits)
    answers = np.stack(logits)
    if sound is not None:
        fused = (settings.frames * answers + settings.weight * sound) / (settings.frames + settings.weight)
        answers = fused.astype(np.float32)
    return FrameLogits(np.array(times, np.float64), answers)
