"""Drawn clips: a seed determines every pixel, and the fingertip is drawn on the track."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import cv2
import numpy as np
import pytest

from edgeshift.errors import GestureError
from edgeshift.gestures import LABELS, STROKES, Stroke, draw_clip, draw_clips
from edgeshift.gestures.draw import clip_stroke
from edgeshift.gestures.hand import Hand


def test_shapes_and_types() -> None:
    clip = draw_clip(5, "tick", frames=6, size=96)
    assert clip.frames.shape == (6, 96, 96, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.track.shape == (6, 2)
    assert clip.track.dtype == np.float32
    assert (clip.label, clip.seed) == ("tick", 5)


def test_a_seed_gives_the_same_clip_after_other_clips_were_drawn() -> None:
    first = draw_clip(7)
    np.random.seed(0)  # nothing may depend on numpy's global generator
    draw_clip(8)
    again = draw_clip(7)
    assert first.label == again.label
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.track, again.track)


def test_the_number_of_threads_does_not_matter() -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = [draw_clip(seed).frames for seed in range(6)]
        cv2.setNumThreads(4)
        four = [draw_clip(seed).frames for seed in range(6)]
    finally:
        cv2.setNumThreads(before)
    assert all(np.array_equal(a, b) for a, b in zip(one, four, strict=True))


def test_the_fingertip_moves_only_in_the_frames_of_the_stroke() -> None:
    kinds = Counter()
    for seed in range(80):
        clip = draw_clip(seed, frames=32, size=16)
        begin, complete = clip.stroke
        assert 0 <= begin < complete <= 32
        assert clip.stroke == clip_stroke(seed, clip.label, frames=32)
        kinds["rest before"] += begin > 0
        kinds["rest after"] += complete < 32
        kinds["never complete"] += complete == 32
        steps = np.linalg.norm(np.diff(clip.track, axis=0), axis=1)
        before, after = steps[: max(begin - 1, 0)], steps[complete:]
        assert max(before.max(initial=0), after.max(initial=0)) < 0.04  # tremor
        assert steps[max(begin - 1, 0) : complete].sum() > 0.25
    assert min(kinds.values()) > 5 and len(kinds) == 3


def test_the_stroke_of_a_clip_of_one_frame() -> None:
    assert draw_clip(1, "left", frames=1, size=16).stroke in ((0, 1), (0, 0), (1, 1))
    assert clip_stroke((3 << 32) + 2, "up") == next(c for c in draw_clips(3, 3, size=16) if c.label == "up").stroke


def test_another_process_draws_the_same() -> None:
    code = "import zlib; from edgeshift.gestures import draw_clip; print(zlib.crc32(draw_clip(7).frames.tobytes()))"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout
    assert int(runs[0].stdout)


def test_distinct_seeds_differ() -> None:
    pictures = {draw_clip(seed, "left", frames=2, size=48).frames.tobytes() for seed in range(30)}
    assert len(pictures) == 30
    batches = {next(draw_clips(1, seed, frames=2, size=48)).frames.tobytes() for seed in range(5)}
    assert len(batches) == 5


def test_the_seed_chooses_the_label_if_none_is_given() -> None:
    chosen = Counter(draw_clip(seed, frames=1, size=16).label for seed in range(200))
    assert set(chosen) == set(LABELS)


def test_clips_have_the_labels_in_turn() -> None:
    clips = list(draw_clips(25, frames=1, size=16))
    assert [clip.label for clip in clips] == [LABELS[i % 10] for i in range(25)]
    again = draw_clip(clips[13].seed, clips[13].label, frames=1, size=16)
    assert np.array_equal(again.frames, clips[13].frames)


def test_the_fingertip_is_drawn_on_the_track(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 128
    tips = []
    for seed in range(24):
        monkeypatch.undo()
        clip = draw_clip(seed, size=size)
        drawn = Hand.layer
        # The same clip without its hand: everything else has generators of its own.
        monkeypatch.setattr(Hand, "layer", lambda *arguments, drawn=drawn: np.zeros_like(drawn(*arguments)))
        empty = draw_clip(seed, size=size)
        assert np.array_equal(clip.track, empty.track)
        for frame, background, (x, y) in zip(clip.frames, empty.frames, clip.track, strict=True):
            hand = np.abs(frame.astype(int) - background).max(2) > 12
            row, column = int(y * size), int(x * size)
            near = hand[max(0, row - 6) : row + 7, max(0, column - 6) : column + 7]
            tips.append(near.any())
    assert np.mean(tips) > 0.9  # a hand that looks like its background may be invisible


def test_the_fingertip_is_the_upper_end_of_the_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = []
    drawn = Hand.layer

    def keep_layer(*arguments: object) -> object:
        layers.append(drawn(*arguments))  # type: ignore[arg-type]
        return layers[-1]

    monkeypatch.setattr(Hand, "layer", keep_layer)
    for seed in range(12):
        layers.clear()
        clip = draw_clip(seed, "left", frames=1)
        alpha = np.mean(layers, 0)[..., 3]
        row, column = (clip.track[0, ::-1] * 128).astype(int)
        assert alpha[max(0, row - 3) : row + 4, max(0, column - 5) : column + 6].max() > 0.5
        assert alpha[: max(0, row - 12)].sum() < alpha.sum() * 0.1
        assert alpha[-1].max() > 0.5 or alpha[:, 0].max() > 0.5 or alpha[:, -1].max() > 0.5  # the arm reaches an edge


def test_pictures_are_neither_black_nor_white() -> None:
    for clip in draw_clips(40, 3, frames=4, size=64):
        assert 10 < np.median(clip.frames.mean((1, 2, 3))) < 245
        assert clip.frames.std() > 3


def test_a_user_defined_gesture() -> None:
    strokes = {**STROKES, "zigzag": Stroke([[(0, 0), (1, 0.3), (0, 0.6), (1, 1)]])}
    assert draw_clip(0, "zigzag", frames=2, size=32, strokes=strokes).label == "zigzag"
    assert [clip.label for clip in draw_clips(11, frames=1, size=16, strokes=strokes)][10] == "zigzag"


def test_an_unknown_label_is_refused_with_similar_names() -> None:
    with pytest.raises(GestureError, match="unknown gesture 'circel'; did you mean circle"):
        draw_clip(0, "circel")


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"frames": 0}, {"size": 8}, {"size": 5000}])
def test_numbers_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(GestureError, match=r"cannot draw .* with seed"):
        draw_clip(**{"seed": 0, **wrong})


def test_drawing_needs_no_torch() -> None:
    code = "import sys; from edgeshift.gestures import draw_clip; draw_clip(0); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
