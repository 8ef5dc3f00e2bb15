"""Drawn streams of gestures with sounds."""

from __future__ import annotations

import numpy as np

from edgeshift.gestures.heard_stream import AFTER, draw_heard_stream
from edgeshift.sound.drawn import QUIET, RATE

GESTURES, SOUNDS, OTHERS = ("left", "right"), ("clap", "whistle-up"), ("knock",)


def draw(seed: int, seconds: float = 60.0):
    return draw_heard_stream(seed, gestures=GESTURES, sounds=SOUNDS, others=OTHERS, seconds=seconds, size=32)


def test_gestures_have_sounds_and_sounds_are_heard_alone():
    events = [event for seed in range(4) for event in draw(seed).events]
    kinds = {(event.gesture, event.sound) for event in events}
    assert {(gesture, sound) for gesture in GESTURES for sound in (*SOUNDS, QUIET)} <= kinds
    assert {(None, sound) for sound in SOUNDS} <= kinds
    assert not any(event.gesture is None and event.sound == QUIET for event in events)


def test_sounds_end_with_their_gesture_and_are_alone_otherwise():
    for seed in range(4):
        stream = draw(seed)
        gestures = list(stream.video.events)
        assert [event.begin for event in stream.events] == sorted(event.begin for event in stream.events)
        for event in stream.events:
            if event.gesture is None:
                assert all(event.begin - gesture.end > 3 or gesture.end - event.begin > 3 for gesture in gestures)
                continue
            (gesture,) = (each for each in gestures if each.begin == event.begin)
            assert gesture.label == event.gesture
            assert event.end == gesture.end if event.sound == QUIET else gesture.end <= event.end < gesture.end + 1.5


def test_the_soundtrack_is_as_long_as_the_video_and_loud_where_a_sound_is():
    stream = draw(1)
    assert stream.rate == RATE
    assert abs(len(stream.samples) / RATE - len(stream.video.frames) * stream.video.spacing - AFTER) < 0.01
    loud = [event for event in stream.events if event.gesture is None]
    level = float(np.abs(stream.samples).mean())
    assert loud
    for event in loud:
        part = stream.samples[int(event.begin * RATE) : int(event.end * RATE)]
        assert float(np.abs(part).max()) > 2 * level


def test_the_same_seed_gives_the_same_stream():
    first, again = draw(2, 10.0), draw(2, 10.0)
    assert np.array_equal(first.samples, again.samples) and np.array_equal(first.video.frames, again.video.frames)
    assert first.events == again.events
