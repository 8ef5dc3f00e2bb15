"""Windows of drawn streams in which a gesture is complete, or none is."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshift.errors import TrainingError
from edgeshift.gestures.draw import stream_events
from edgeshift.sound import SoundSettings
from edgeshift.training import gesture_windows
from edgeshift.training.gesture_windows import DONE, LATE, draw_window
from edgeshift.training.sound_pairs import DrawnPairs

GESTURES = ("none", "left", "circle")
FRAMES, SPACING = 6, 0.25


@pytest.fixture
def drawn(monkeypatch):
    """The seed, script and beginning of each stream that is drawn."""
    calls = []
    draw = gesture_windows.draw_stream

    def record(seed, script, **options):
        calls.append((seed, script, options["begin"]))
        return draw(seed, script, **options)

    monkeypatch.setattr(gesture_windows, "draw_stream", record)
    return calls


def window(seed: int, gesture: str) -> np.ndarray:
    return draw_window(seed, gesture, gestures=GESTURES, frames=FRAMES, spacing=SPACING, size=32)


@pytest.mark.parametrize("gesture", ["left", "circle"])
def test_a_gesture_ends_shortly_before_its_window(drawn, gesture):
    for seed in range(20):
        assert window(seed, gesture).shape == (FRAMES, 32, 32, 3)
        (_, script, begin) = drawn[-1]
        (event,) = stream_events(seed, script, spacing=SPACING)
        assert event.label == gesture and 0 < begin + FRAMES * SPACING - event.end < LATE + 0.2


def test_a_window_without_a_gesture_has_at_most_the_beginning_of_one(drawn):
    kinds = set()
    for seed in range(30):
        assert len(window(seed, "none")) == FRAMES
        (_, script, begin) = drawn[-1]
        events = stream_events(seed, script, spacing=SPACING)
        kinds.add(len(events))
        for event in events:
            done = (begin + FRAMES * SPACING - event.begin) / (event.end - event.begin)
            assert 0 < done < DONE + 0.01
    assert kinds == {0, 1}


def test_the_same_seed_gives_the_same_pixels():
    assert np.array_equal(window(3, "left"), window(3, "left"))
    assert not np.array_equal(window(3, "left"), window(4, "left"))


def test_pairs_with_none_are_windows(drawn):
    settings = SoundSettings(seconds=1.0, frames=FRAMES, bands=32)
    pairs = DrawnPairs(GESTURES, ["clap"], settings, 64, 0, SPACING)
    assert pairs.labels == ("clap", "none", "left+clap", "left", "circle+clap", "circle")
    heard = [pairs[index].heard for index in range(6)]
    assert len(drawn) == 6 and len({each.gesture for each in heard if each is not None}) > 1
    DrawnPairs(["left"], ["clap"], settings, 64, 0)[0]
    assert len(drawn) == 6, "without none, clips of whole gestures are drawn"
    with pytest.raises(TrainingError, match="unknown gesture 'nothing'"):
        DrawnPairs(["nothing"], ["clap"], settings, 64, 0)
