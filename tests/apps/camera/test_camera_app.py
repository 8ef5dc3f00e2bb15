"""The whole demo on a fake camera or clip: events, keys, lost cameras, several artifacts, recording, the end."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from scene import (
    EmittedEvents,
    FakeSource,
    FakeWindow,
    fake_clip,
    frame,
    make_app,
    make_session,
    raise_error,
    run_until,
    running_threads,
    wait_until,
)

from edgeshift.apps.camera.actions import Action, Actions
from edgeshift.apps.camera.engine import grabber
from edgeshift.errors import EdgeshiftError, VideoError
from edgeshift.video.clips import read_video


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(grabber, "FIRST_WAIT", 0.01)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    wait_until(lambda: not running_threads())


def lines(capsys):
    """Return the JSON lines on stdout. Nothing may be on stderr."""
    out, err = capsys.readouterr()
    assert err == ""
    return [json.loads(line) for line in out.splitlines()]


def endless(colour="red", interval=0.02, **options):
    return FakeSource([colour] * 100_000, interval=interval, **options)


COLOURS = ["none"] * 5 + ["red"] * 5 + ["green"] * 5


def test_events_are_json_lines_with_times_from_the_first_frame(capsys):
    summary = make_app(fake_clip(*COLOURS)).run()
    printed = [line for line in lines(capsys) if line["event"] == "gesture"]
    assert [line["label"] for line in printed] == [event.label for event in summary.events]
    assert set(printed[0]) == {"event", "time", "label", "score"} and 0 < printed[0]["score"] <= 1
    assert all(0.1 <= line["time"] <= 0.28 for line in printed)
    assert summary.steps + summary.dropped == 15 and summary.not_due == summary.lost == 0
    assert summary.labels is None


def test_the_times_of_a_live_source_count_from_its_first_frame(capsys):
    source = FakeSource(["none"] * 5 + ["red"] * 20 + ["none"] * 100_000, interval=0.01)
    summary = make_app(source, seconds=1.0).run()
    (printed,) = [line for line in lines(capsys) if line["event"] == "gesture"]
    assert 0.0 <= printed["time"] < summary.seconds and summary.seconds >= 1.0
    assert source.opened[0].closed


@pytest.mark.parametrize("seconds", [0.0, 0.03])
def test_a_clip_as_fast_as_possible_feeds_every_due_frame_however_slow_the_model_is(capsys, seconds):
    session = make_session(frame_spacing=0.04, seconds=seconds)
    begin = time.monotonic()
    summary = make_app(fake_clip(*COLOURS, interval=0.02), session=session, every_frame=True).run()
    assert (summary.steps, summary.not_due, summary.dropped) == (8, 7, 0)
    assert session.counters.grabbed == 15 and time.monotonic() - begin >= 8 * seconds
    assert [(span.start, span.label, span.frames) for span in summary.labels] == [
        (0.0, "none", 3),
        (pytest.approx(0.12), "red", 2),
        (pytest.approx(0.2), "green", 3),
    ]
    assert [(line["label"], line["time"]) for line in lines(capsys)] == [("red", 0.12), ("green", 0.2)]


def test_a_clip_as_fast_as_possible_does_not_wait_for_the_times_of_its_frames(capsys):
    begin = time.monotonic()
    summary = make_app(fake_clip(*["red"] * 10, interval=60.0), every_frame=True).run()
    assert summary.steps == 10 and time.monotonic() - begin < 500


def test_the_time_limit_of_a_clip_as_fast_as_possible_is_a_time_in_the_clip(capsys):
    assert make_app(fake_clip(*["red"] * 10, interval=60.0), every_frame=True, seconds=180.0).run().steps == 3


def test_each_change_of_a_clips_label_is_printed_in_words(capsys):
    make_app(fake_clip(*COLOURS), every_frame=True, form="words").run()
    printed = ["0.00 s  none", "0.10 s  red", "0.10 s  >>> red", "0.20 s  green", "0.20 s  >>> green"]
    assert capsys.readouterr().out.splitlines() == [f"    {line}" for line in printed]


def test_an_error_in_a_clip_as_fast_as_possible_ends_it():
    source = fake_clip(*COLOURS)
    source.change = lambda feed: setattr(feed, "retrieve", raise_error(VideoError("a frame is broken")))
    with pytest.raises(VideoError, match="a frame is broken"):
        make_app(source, every_frame=True).run()
    assert source.opened[0].closed


def test_live_frames_are_fed_at_the_frame_spacing():
    session = make_session(frame_spacing=0.1)
    summary = make_app(fake_clip(*["red"] * 40, interval=0.01), session=session).run()
    assert (
        1 <= summary.steps <= 4 and summary.steps + summary.not_due + summary.dropped == session.counters.grabbed == 40
    )


def test_a_slow_model_gets_the_newest_frame_and_the_others_are_dropped(monkeypatch):
    session = make_session(seconds=0.05)
    ages, real = [], session.step

    def step(captured):
        # How many frames have come since the one that is fed.
        ages.append(session.counters.grabbed - captured.number)
        return real(captured)

    monkeypatch.setattr(session, "step", step)
    run_until(
        make_app(endless(interval=0.01), session=session), lambda: session.counters.dropped > 10 and len(ages) > 10
    )
    assert np.median(ages) <= 1


def test_a_lost_camera_resets_the_stream(capsys):
    source = FakeSource(["red"] * 10, None, ["red"] * 10 + ["none"] * 100_000, interval=0.01)
    session = make_session()
    summary = run_until(make_app(source, session=session), lambda: len(session.counters.detections) == 2)
    # Red is announced twice: without a reset the second red would not be a change of the label.
    assert [line["event"] for line in lines(capsys)] == ["gesture", "lost", "back", "gesture"] and summary.lost == 1


def test_events_are_printed_in_words(capsys):
    source = FakeSource(["red"] * 5, ["red"] * 100_000, interval=0.01, name="cam")
    session = make_session()
    run_until(make_app(source, session=session, form="words"), lambda: len(session.counters.detections) == 2)
    out, err = capsys.readouterr()
    assert all(line.endswith("s  >>> red") for line in out.splitlines()) and len(out.splitlines()) == 2
    assert err.splitlines() == [
        "edgeshift: source cam is lost (it gives no more frames); trying to open it again",
        "edgeshift: source cam is back; the stream was reset",
    ]


@pytest.mark.parametrize("every_frame", [False, True])
def test_a_source_that_cannot_be_opened_is_an_error_before_anything_runs(every_frame):
    with pytest.raises(VideoError, match="cannot be opened"):
        make_app(FakeSource(None), every_frame=every_frame)


def test_an_error_in_a_thread_ends_the_run(monkeypatch):
    session = make_session()
    monkeypatch.setattr(session, "step", raise_error(EdgeshiftError("the states overflowed")))
    window = FakeWindow()
    with pytest.raises(EdgeshiftError, match="the states overflowed"):
        make_app(endless(interval=0.01), session=session, window=window).run()
    assert window.closed
    source = fake_clip(*["red"] * 5)
    source.change = lambda feed: setattr(feed, "retrieve", raise_error(VideoError("a frame is broken")))
    with pytest.raises(VideoError, match="a frame is broken"):
        make_app(source).run()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("every_frame", [False, True])
def test_a_signal_ends_the_run_with_a_summary(number, every_frame, tmp_path, capsys):
    session = make_session(seconds=0.001)
    source = fake_clip(*["red"] * 100_000, interval=0.05) if every_frame else endless(interval=0.005)
    camera_app = make_app(
        source, session=session, record=tmp_path / "out.mp4", size=(320, 240), every_frame=every_frame
    )
    before = signal.getsignal(signal.SIGTERM)

    def interrupt() -> None:
        wait_until(lambda: session.counters.fed > 20)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt).start()
    summary = camera_app.run()
    assert 20 < summary.steps < 100_000 and summary.recorded == (str(tmp_path / "out.mp4"),)
    assert list(read_video(tmp_path / "out.mp4"))
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_window_shows_new_frames_and_q_ends_the_run():
    window = FakeWindow({8: "q"})
    summary = make_app(endless("green"), window=window).run()
    assert window.closed and len(window.shown) >= 8 and summary.draw_ms is not None
    assert (window.shown[-1][100, 100] == (0, 250, 0)).all()


def test_keys_save_record_reset_and_pause(tmp_path, capsys):
    session = make_session()
    window = FakeWindow({3: "s", 5: "v", 15: "v", 17: "r", 19: "p", 20: "x", 21: "p", 26: "q"})
    make_app(endless(), session=session, window=window, folder=tmp_path).run()
    saved = [Path(line["path"]) for line in lines(capsys) if line["event"] == "saved"]
    assert [path.suffix for path in saved] == [".png", ".mp4"] and all(path.parent == tmp_path for path in saved)
    assert saved[0].read_bytes()[:4] == b"\x89PNG"
    assert len(list(read_video(saved[1]))) >= 2
    paused = [picture for picture in window.shown if (picture[2, 2] == 0).all()]
    assert paused, "no picture has the notice of the pause over the frame"
    # The stream was reset by the key and after the pause.
    assert session.capture(frame("red"), 0.0).epoch == 2


def test_keys_switch_to_the_next_artifact_and_back(capsys):
    session = make_session(2)
    window = FakeWindow({5: "m", 15: "tab", 25: "q"})
    summary = make_app(endless(), session=session, window=window).run()
    switched = [line["artifact"] for line in lines(capsys) if line["event"] == "switched"]
    assert switched == ["1.double", "0.double"]
    assert all(artifact.steps > 0 for artifact in summary.artifacts)
    assert summary.steps == sum(artifact.steps for artifact in summary.artifacts)


def test_a_frame_is_marked_stale_when_no_newer_one_comes():
    hang = threading.Event()

    def hanging(feed):
        real = feed.grab
        feed.grab = lambda: (hang.wait(60) if feed.index == 8 else None, real())[1]

    def marked():
        return [bool((picture[2, 300] == 0).all()) for picture in window.shown]

    window = FakeWindow()
    camera_app = make_app(FakeSource(["green"] * 10, interval=0.1, change=hanging), window=window)
    run_until(camera_app, lambda: len(window.shown) > 3 and marked()[-1])
    hang.set()
    assert not all(marked())


def test_a_source_without_frames_ends_the_run_at_its_time_limit_with_an_error(capsys):
    window = FakeWindow()
    camera_app = make_app(FakeSource(*[[] for _ in range(1000)]), window=window, seconds=1.0)
    with pytest.raises(VideoError, match="fake gave no frame in 1 s"):
        camera_app.run()
    assert window.shown and (window.shown[0] > 100).any(), "the window did not show that no frame has come"


def test_the_rate_of_the_camera_is_measured_apart_from_that_of_a_slow_model():
    session = make_session(seconds=0.3)
    summary = run_until(make_app(endless(), session=session), lambda: session.counters.fed == 4)
    assert summary.camera_hertz > 3 * summary.artifacts[0].hertz


def test_a_picture_that_cannot_be_written_does_not_end_the_run(tmp_path, capsys):
    window = FakeWindow({3: "s", 6: "v", 12: "v", 15: "q"})
    folder = tmp_path / "gone"
    folder.write_text("a file where a folder should be")
    summary = make_app(endless(), window=window, folder=folder).run()
    unsaved = [line for line in lines(capsys) if line["event"] == "unsaved"]
    assert len(unsaved) >= 2 and all("gone" in line["reason"] for line in unsaved)
    assert len(window.shown) >= 15 and summary.recorded == ()


def test_a_requested_video_that_cannot_be_written_ends_the_run(tmp_path):
    (tmp_path / "gone").write_text("a file where a folder should be")
    with pytest.raises(EdgeshiftError, match="gone"):
        make_app(endless(), record=tmp_path / "gone" / "out.mp4").run()


@pytest.mark.parametrize("every_frame", [False, True])
def test_commands_are_started_when_events_are_announced(every_frame):
    started = []

    class RecordedActions(Actions):
        def start(self, event):
            started.append((event.label, event.timestamp))

    actions = RecordedActions([Action("red", ("true",))], 1.0, EmittedEvents())
    make_app(fake_clip(*["none"] * 5, *["red"] * 5), form="silent", actions=actions, every_frame=every_frame).run()
    assert [label for label, _ in started] == ["red"] and 0.1 <= started[0][1] < 0.2


@pytest.mark.parametrize("every_frame", [False, True])
def test_a_recording_is_as_long_as_the_clip(tmp_path, every_frame):
    source = fake_clip(*["red"] * 20, *["blue"] * 20, interval=0.025)
    summary = make_app(source, record=tmp_path / "out.mp4", size=(320, 240), every_frame=every_frame).run()
    frames = [timed.frame for timed in read_video(tmp_path / "out.mp4")]
    assert summary.recorded and frames[0].shape == (240, 320, 3)
    if every_frame:  # in real time, a busy machine may draw the last frame late
        assert len(frames) == pytest.approx(20, abs=1)
    assert frames[0][60, 60, 0] > 150 and frames[-1][60, 60, 2] > 150


def test_a_mirrored_view_does_not_mirror_the_models_frames(monkeypatch):
    session, window, fed_frames = make_session(), FakeWindow({3: "q"}), []
    half = frame("red").copy()
    half[:, :32] = 0
    source = endless(change=lambda feed: setattr(feed, "retrieve", lambda: half))
    real = session.step
    monkeypatch.setattr(session, "step", lambda captured: (fed_frames.append(captured.frame), real(captured))[1])
    make_app(source, session=session, window=window, mirror_view=True).run()
    shown = window.shown[-1]
    assert shown[200, 60, 0] > 200 > 50 > shown[200, 550, 0] and fed_frames[0] is half
