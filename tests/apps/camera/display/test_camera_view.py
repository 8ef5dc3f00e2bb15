"""The picture: its parts do not overlap, text stays inside its rectangle, and only changed parts are drawn again."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from clip_doubles import clip_model
from scene import frame

from edgeshift.apps.camera.display import view as view_module
from edgeshift.apps.camera.display.history import SPAN, History
from edgeshift.apps.camera.display.layout import Box, lay_out
from edgeshift.apps.camera.display.painter import Painter
from edgeshift.apps.camera.display.text import drawable, wrap, write
from edgeshift.apps.camera.display.view import ANNOUNCED, PAPER, Panel, View
from edgeshift.apps.camera.engine.session import Answer, ArtifactStream, Session
from edgeshift.apps.camera.engine.smoothing import DisplayState
from edgeshift.errors import EdgeshiftError
from edgeshift.events.spotter import Detection

FRAMES = [(640, 480), (1280, 720), (240, 240), (480, 640), (1920, 1080), (160, 120), (64, 48)]
SIZES = [None, (640, 480), (1280, 720), (800, 480), (1024, 600), (320, 240), (480, 800), (333, 777)]
LONG = "Turning Hand Counterclockwise"


def answer(label="red", timestamp=0.0, *, score=0.9, idle=False, announced=False, epoch=0):
    event = Detection(label, score, timestamp) if announced else None
    return Answer(None, DisplayState(label, score, idle, announced, event), timestamp, epoch)  # type: ignore[arg-type]


@pytest.mark.parametrize("sound", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", FRAMES)
def test_no_part_overlaps_another_or_leaves_the_picture(shape, size, sound):
    layout = lay_out(shape, size, sound=sound)
    assert size is None or (layout.width, layout.height) == tuple(round(side / 2) * 2 for side in size)
    assert layout.width % 2 == layout.height % 2 == 0
    boxes = {name: box for name, box in vars(layout).items() if isinstance(box, Box)}
    assert len(boxes) == (8 if sound else 6)
    for name, box in boxes.items():
        assert box.left >= 0 and box.top >= 0 and box.width >= 4 and box.height >= 4, name
        assert box.left + box.width <= layout.width and box.top + box.height <= layout.height, name
    for (first, a), (second, b) in combinations(boxes.items(), 2):
        apart = a.left + a.width <= b.left or b.left + b.width <= a.left
        assert apart or a.top + a.height <= b.top or b.top + b.height <= a.top, (first, second)
    # The frame keeps its aspect ratio.
    assert layout.video.width / layout.video.height == pytest.approx(shape[0] / shape[1], rel=0.03)


@pytest.mark.parametrize("shape", [(640, 480), (1280, 720)])
def test_a_camera_frame_is_not_resized_for_the_picture(shape):
    layout = lay_out(shape)
    assert (layout.video.width, layout.video.height) == shape


def test_the_frame_fills_much_of_a_small_screen():
    for size in ((800, 480), (1024, 600), (640, 480), (1280, 720)):
        layout = lay_out((640, 480), size)
        assert layout.video.width * layout.video.height > 0.45 * layout.width * layout.height
        assert layout.label.height >= size[1] / 12


def test_a_picture_is_not_larger_than_the_screen():
    assert lay_out((640, 480), screen=(1920, 1080)) == lay_out((640, 480))
    small = lay_out((640, 480), screen=(800, 480))
    assert (small.width, small.height) == (800, 480)
    assert lay_out((640, 480), (320, 240), screen=(800, 480)).width == 320


def test_the_picture_of_the_sound_stands_upright_beside_the_frame():
    layout = lay_out((640, 480), sound=True)
    view = View(layout, ["red"])
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32, 32:] = (250, 0, 0)  # low bands of the newest half
    heard = answer()
    view.add(Answer(heard.prediction, heard.shown, 0.0, 0, picture))
    canvas = view.draw(frame("none"), 0.0, Panel(hearing=["listening", ""])).copy()
    box = layout.sound
    corners = [canvas[box.top + top, box.left + left] for top in (4, box.height - 5) for left in (4, box.width - 5)]
    assert [corner.tolist() for corner in corners] == [[0, 0, 0], [0, 0, 0], [0, 0, 0], [250, 0, 0]]
    assert (canvas[layout.hearing.rows, layout.hearing.columns] != PAPER).any()
    view.add(answer(timestamp=0.1))  # without a sound
    empty = view.draw(None, 0.1, Panel(hearing=["listening", "collecting sound"]))
    assert len(np.unique(empty[box.rows, box.columns].reshape(-1, 3), axis=0)) == 1
    assert (
        empty[layout.hearing.rows, layout.hearing.columns] != canvas[layout.hearing.rows, layout.hearing.columns]
    ).any()


@pytest.mark.parametrize("size", [(100, 100), (319, 400), (5000, 400)])
def test_a_size_out_of_range_is_an_error(size):
    with pytest.raises(EdgeshiftError, match="out of range: give 320x240"):
        lay_out((640, 480), size)


@pytest.mark.parametrize("text", ["left", LONG, "x" * 200, "W" * 40, "links über Ärmel", "向左滑动", "", "a b c d e f"])
@pytest.mark.parametrize("bold", [True, False])
def test_text_stays_inside_its_rectangle(text, bold):
    for box in (Box(40, 30, 220, 60), Box(40, 30, 60, 14), Box(40, 30, 500, 24)):
        canvas = np.zeros((120, 600, 3), np.uint8)
        write(canvas, box, text, (255, 255, 255), size=64, bold=bold)
        inside = canvas[box.top - 4 : box.top + box.height + 4, box.left - 2 : box.left + box.width + 4].copy()
        canvas[box.top - 4 : box.top + box.height + 4, box.left - 2 : box.left + box.width + 4] = 0
        assert not canvas.any()
        assert inside.any() == bool(text)


def test_letters_that_the_font_lacks_are_replaced():
    assert drawable("Ärmel é") == "Armel e" and drawable("向左 ok") == "?? ok" and drawable("plain") == "plain"


def test_long_labels_are_wrapped_if_that_makes_them_larger():
    assert wrap("left", Box(0, 0, 200, 60), size=60) == ["left"]
    assert wrap(LONG, Box(0, 0, 200, 70), size=64) == ["Turning Hand", "Counterclockwise"]
    assert wrap(LONG, Box(0, 0, 4000, 60), size=60) == [LONG]


def test_the_frame_is_drawn_unchanged_or_mirrored():
    layout = lay_out((640, 480))
    picture = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    video = layout.video.rows, layout.video.columns
    assert np.array_equal(View(layout, ["red"]).draw(picture, 0.0, Panel())[video], picture)
    assert np.array_equal(View(layout, ["red"], mirror=True).draw(picture, 0.0, Panel())[video], picture[:, ::-1])


def test_a_frame_of_another_shape_is_not_stretched():
    """A camera that was lost may come back with frames of another shape."""
    view = View(lay_out((640, 480)), ["red"])
    box = view.layout.video
    drawn = view.draw(np.full((640, 480, 3), 255, np.uint8), 0.0, Panel())[box.rows, box.columns]
    columns = (drawn.max((0, 2)) > 128).sum()
    assert columns == pytest.approx(480 * 480 / 640, abs=2)


def test_idle_labels_candidates_and_announced_labels_look_different():
    view = View(lay_out((640, 480)), ["none", "red"])
    box = view.layout.label
    colours = {}
    for name, state in {
        "idle": answer("none", 0.0, idle=True),
        "candidate": answer("red", 1.0),
        "announced": answer("red", 2.0, announced=True),
    }.items():
        view.add(state)
        colours[name] = view.draw(frame("blue", 480, 640), state.timestamp, Panel())[box.rows, box.columns].copy()
    assert (colours["announced"][0, 0] == ANNOUNCED).all() and (colours["candidate"][0, 0] == PAPER).all()
    assert colours["candidate"].max() > 220 > 180 > colours["idle"].max()


def test_the_bar_is_as_long_as_the_score():
    view = View(lay_out((640, 480)), ["red"])
    bar = view.layout.bar
    lengths = []
    for index, score in enumerate((0.25, 0.5, 1.0)):
        view.add(answer(score=score, timestamp=float(index)))
        row = view.draw(frame("blue", 480, 640), float(index), Panel())[bar.top + 2, bar.columns]
        lengths.append(int((row == view._history.colour("red")).all(1).sum()))
    assert lengths[2] > 150 and lengths[0] == pytest.approx(lengths[2] / 4, abs=2)
    assert lengths[1] == pytest.approx(lengths[2] / 2, abs=2)


def test_the_history_moves_with_time_and_drops_old_labels():
    history, box = History(["none", "red", "blue"]), Box(0, 0, 1000, 20)
    canvas = np.zeros((20, 1000, 3), np.uint8)
    for index in range(9):
        history.add(answer("red" if index < 4 else "none", float(index), idle=index >= 4, announced=index == 1))
    history.draw(canvas, box, 8.0, 1.0)
    red = (canvas[1] == history.colour("red")).all(1)
    # From 0 s to the first answer of the next label at 4 s; the right end is at 8 s, the left at -2 s.
    assert red.nonzero()[0].min() == 200 and red.nonzero()[0].max() == 599
    assert (canvas[1, 300] == (240, 240, 240)).all()  # announced at 1 s
    history.add(answer("none", 40.0, idle=True))
    assert len(history.blocks) == 1 and not history.marks
    history.add(answer("red", 1.0))
    assert [block.label for block in history.blocks] == ["red"]  # the clock jumped back
    assert SPAN == 10.0


def test_the_history_is_empty_between_two_streams():
    """The strip is empty from the last answer before a pause or a lost camera to the first one of the new stream."""
    history, box = History(["none", "red"]), Box(0, 0, 1000, 20)
    for timestamp, epoch in ((0.0, 0), (1.0, 0), (5.0, 1), (6.0, 1)):
        history.add(answer("red", timestamp, epoch=epoch))
    canvas = np.zeros((20, 1000, 3), np.uint8)
    history.draw(canvas, box, 6.0, 1.0)
    red = (canvas[1] == history.colour("red")).all(1)
    assert red[410:490].all() and not red[510:890].any() and red[910:990].all()


def test_only_changed_parts_are_drawn_again(monkeypatch):
    calls = []
    real = view_module.write
    monkeypatch.setattr(view_module, "write", lambda *a, **k: (calls.append(a[2]), real(*a, **k)))
    lines = []
    monkeypatch.setattr(view_module, "write_lines", lambda *a, **k: lines.append(a[2]))
    view, panel = View(lay_out((640, 480)), ["red"]), Panel(figures=["one"], keys=["q quit"])
    view.add(answer())
    view.draw(frame("red", 480, 640), 0.0, panel)
    assert calls == ["red", "90%"] and lines == [["one"], ["q quit"]]
    for index in range(10):
        view.add(answer(timestamp=index * 0.001))
        view.draw(frame("red", 480, 640), index * 0.001, panel)
    assert len(calls) == 2 and len(lines) == 2
    panel.figures = ["two"]
    view.draw(None, 0.01, panel)
    assert lines[2:] == [["two"]]


def test_a_notice_covers_the_frame_until_it_is_removed():
    view, panel = View(lay_out((640, 480)), ["red"]), Panel(notice="camera lost", recording=True)
    blue = frame("blue", 480, 640)
    assert not np.array_equal(view.draw(blue, 0.0, panel)[:480, :640], blue)
    assert not np.array_equal(view.draw(blue, 0.1, panel)[:480, :640], blue)
    panel.notice = None
    recording = view.draw(blue, 0.2, panel)[:480, :640].copy()
    assert not np.array_equal(recording, blue) and np.array_equal(recording[:, 100:], blue[:, 100:])
    panel.recording = False
    assert np.array_equal(view.draw(blue, 0.3, panel)[:480, :640], blue)


def test_the_frames_of_the_first_clip_are_counted_in_place_of_a_label(monkeypatch):
    """The clip artifact takes 4 frames."""
    session = Session([ArtifactStream(Path("clip.double"), clip_model()[0], "none", ())])
    painter, texts = Painter(session, live=False), list[str]()
    monkeypatch.setattr(view_module, "write", lambda canvas, box, text, *_, **__: texts.append(text))

    def shown(index: int) -> list[str]:
        captured = session.capture(frame("red"), index / 10, index / 10)
        if (reply := session.step(captured)) is not None:
            painter.add(reply)
        texts.clear()
        painter.paint(captured, new=True, now=index / 10)
        return [text for text in texts if "collecting" in text]

    counts = [[f"collecting frames: {count} of 4"] for count in (1, 2, 3)]
    assert [shown(index) for index in range(5)] == [*counts, [], []]
    session.reset()
    painter.clear()
    assert shown(5) == counts[0]


def test_the_window_shows_the_notes_of_the_model(monkeypatch):
    note = "sound segment not converted"
    session = Session([ArtifactStream(Path("clip.double"), clip_model(notes=(note,))[0], "none", ())])
    painter, texts = Painter(session, live=False), list[str]()
    monkeypatch.setattr(view_module, "write_lines", lambda canvas, box, lines, *_, **__: texts.extend(lines))
    painter.paint(session.capture(frame("red"), 0.0, 0.0), new=True, now=0.0)
    assert texts.count(note) == 1 and any("infer p50" in text for text in texts), texts
