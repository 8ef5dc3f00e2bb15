"""Drawn streams: a seed determines every pixel, and the frames match the events and the track."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from edgeshift.errors import GestureError
from edgeshift.gestures import SPACING, STROKES, Action, Stroke, draw_stream
from edgeshift.gestures.draw import stream_events
from edgeshift.gestures.hand import Hand

SCRIPT = [Action("left", 1.0), Action("away", 2.0), Action("star", 3.0)]


def test_shapes_and_types() -> None:
    stream = draw_stream(5, seconds=10, size=32)
    assert stream.frames.shape == (40, 32, 32, 3)
    assert stream.frames.dtype == np.uint8
    assert stream.times.shape == (40,) and stream.times.dtype == np.float64
    assert stream.track.shape == (40, 2) and stream.track.dtype == np.float32
    assert (stream.spacing, stream.seed) == (SPACING, 5)


def test_a_seed_gives_the_same_stream_after_other_streams_were_drawn() -> None:
    first = draw_stream(7, seconds=4, size=32)
    np.random.seed(0)
    draw_stream(8, seconds=1, size=32)
    again = draw_stream(7, seconds=4, size=32)
    assert np.array_equal(first.frames, again.frames) and np.array_equal(first.times, again.times)
    assert first.events == again.events
    other = draw_stream(9, seconds=4, size=32)
    assert not np.array_equal(first.frames, other.frames)


def test_another_process_draws_the_same() -> None:
    code = (
        "import zlib; from edgeshift.gestures import draw_stream; s = draw_stream(7, seconds=4, size=32); "
        "print(zlib.crc32(s.frames.tobytes()), s.events)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout
    assert int(runs[0].stdout.split()[0])


@pytest.mark.parametrize("spacing", [0.1, 0.25, 1.0])
def test_times_are_spacing_apart_except_for_jitter(spacing: float) -> None:
    stream = draw_stream(1, seconds=20, spacing=spacing, size=16)
    assert len(stream.times) == round(20 / spacing)
    jitter = stream.times / spacing - np.arange(len(stream.times))
    assert np.abs(jitter).max() <= 0.1 + 1e-9 and np.ptp(jitter) > 0.1
    assert (np.diff(stream.times) > 0).all()


def test_events_are_in_order_and_overlap_the_stream() -> None:
    events = []
    for seed in range(12):
        stream = draw_stream(seed, seconds=15, begin=5, size=16, spacing=1.0)
        begins = [event.begin for event in stream.events]
        assert begins == sorted(begins)
        assert all(event.end > 0 and event.begin < 15 and event.begin < event.end for event in stream.events)
        gaps = [b.begin - a.end for a, b in pairwise(stream.events)]
        assert min(gaps, default=2.0) > 1 - 1e-9
        events += stream.events
    assert len(events) > 20
    assert any(event.begin < 0 for event in events) and any(event.end > 15 for event in events)  # cut at both ends


def test_events_are_known_without_drawing() -> None:
    for arguments in ({"seconds": 12.0}, {"seconds": 12.0, "begin": 4.0, "spacing": 0.5}, {"script": SCRIPT}):
        stream = draw_stream(3, size=16, **arguments)  # type: ignore[arg-type]
        assert stream_events(3, **arguments) == stream.events != ()  # type: ignore[arg-type]


def test_a_script_is_drawn_to_its_end() -> None:
    for seed in range(10):
        stream = draw_stream(seed, SCRIPT, size=16)
        assert [event.label for event in stream.events] == ["left", "star"]
        assert [event.end - event.begin for event in stream.events] == pytest.approx([1.0, 3.0])
        assert stream.events[0].begin >= 0 and stream.events[-1].end <= stream.times[-1] + 1.5 * SPACING


def test_leaving_out_the_beginning_shifts_times_and_events() -> None:
    whole, rest = draw_stream(2, SCRIPT, size=16), draw_stream(2, SCRIPT, begin=2.0, size=16)
    assert len(whole.frames) - len(rest.frames) == 8
    assert rest.events[-1].begin == pytest.approx(whole.events[-1].begin - 2.0)
    assert -0.03 < rest.times[0] < 0.03


def test_the_fingertip_is_drawn_on_the_track_and_no_hand_is_drawn_while_it_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size, tips, away = 64, [], []
    for seed in range(3, 15):  # with seed 13, the forearm could cross the frame while the fingertip is away
        monkeypatch.undo()
        stream = draw_stream(seed, SCRIPT, size=size)
        drawn = Hand.layer
        # The same stream without its hand: everything else has generators of its own.
        monkeypatch.setattr(Hand, "layer", lambda *arguments, drawn=drawn: np.zeros_like(drawn(*arguments)))
        empty = draw_stream(seed, SCRIPT, size=size)
        assert np.array_equal(stream.track, empty.track)
        for frame, background, (x, y) in zip(stream.frames, empty.frames, stream.track, strict=True):
            hand = np.abs(frame.astype(int) - background).max(2) > 12
            row, column = int(y * size), int(x * size)
            if 0 <= row < size and 0 <= column < size:
                tips.append(hand[max(0, row - 4) : row + 5, max(0, column - 4) : column + 5].any())
            elif abs(x - 0.5) > 0.85 or abs(y - 0.5) > 0.85:
                away.append(np.array_equal(frame, background))
    assert len(tips) > 200 and np.mean(tips) > 0.9  # a hand that looks like its background may be invisible
    assert len(away) > 60 and all(away)


def test_the_background_stays_the_same() -> None:
    """Two frames of a stream without motion differ only by the camera. Frames of two streams differ more."""
    scenes = [draw_stream(seed, [Action("pause", 4.0)], size=32).frames.astype(float) for seed in range(6)]
    for first, second in pairwise(scenes):
        assert np.abs(first[4] - first[-1]).mean() < np.abs(first[4] - second[4]).mean()


def test_a_user_defined_gesture() -> None:
    strokes = {"zigzag": Stroke([[(0, 0), (1, 0.3), (0, 0.6), (1, 1)]], seconds=(1.0, 2.0)), "up": STROKES["up"]}
    stream = draw_stream(0, seconds=40, size=16, spacing=1.0, strokes=strokes)
    assert {event.label for event in stream.events} == {"zigzag", "up"}
    with pytest.raises(GestureError, match="unknown gesture 'left'"):
        draw_stream(0, [Action("left", 1.0)], strokes=strokes)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"seed": -1}, {"size": 8}, {"size": 5000}, {"spacing": 0.0}, {"spacing": 61.0}, {"seconds": 0.0}),
        *({"seconds": 40_000.0}, {"seconds": float("nan")}, {"begin": -1.0}, {"spacing": float("inf")}),
    ],
    ids=str,
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(GestureError, match=r"cannot draw .* s, with a frame of .* and seed"):
        draw_stream(**{"seed": 0, **wrong})
