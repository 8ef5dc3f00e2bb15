"""The whole live demo over a fake camera: events, keys, unplugging, switching, recording, the end."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from scene import FakeSource, FakeWindow, app, frame, session, threads, until

from edgeshift.apps.camera.actions import Action, Actions
from edgeshift.apps.camera.app import App
from edgeshift.apps.camera.journal import Journal
from edgeshift.errors import EdgeshiftError, VideoError
from edgeshift.video.clips import read_video


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    yield
    until(lambda: not threads())


def lines(capsys):
    out, err = capsys.readouterr()
    assert err == ""
    return [json.loads(line) for line in out.splitlines()]


def clip(*colours, interval=0.02):
    return FakeSource(list(colours), interval=interval, live=False)


def test_events_are_json_lines_with_times_from_the_first_frame(capsys):
    summary = app(clip(*["none"] * 5, *["red"] * 5, *["green"] * 5)).run()
    found = [line for line in lines(capsys) if line["event"] == "gesture"]
    assert [line["label"] for line in found] == ["red", "green"]
    assert found[0]["time"] == pytest.approx(0.1, abs=0.021) and 0 < found[0]["score"] <= 1
    assert [event.label for event in summary.events] == ["red", "green"]
    assert summary.steps + summary.dropped == 15 and summary.lost == 0


def test_a_live_source_counts_from_its_first_frame_too(capsys):
    source = FakeSource(["none"] * 5 + ["red"] * 20 + ["none"] * 1000, interval=0.01)
    summary = app(source, seconds=0.5).run()
    (found,) = [line for line in lines(capsys) if line["event"] == "gesture"]
    assert 0.03 < found["time"] < 1 and 0.5 <= summary.seconds < 2
    assert source.opened[0].closed


def test_frames_that_are_due_are_fitted_ahead_and_answered_alike():
    of, plain = session(frame_spacing=0.1), session(frame_spacing=0.1)
    fitted = []
    for index in range(30):
        shown, timestamp = frame("red" if index < 15 else "blue"), index / 30
        fitted.append(ahead := of.fit(shown, timestamp))
        answer, want = of.feed(shown, timestamp, ahead=ahead), plain.feed(shown, timestamp)
        assert (answer is None) == (want is None) == (ahead is None)
        assert answer is None or (answer.said, list(answer.prediction.logits)) == (
            want.said,
            list(want.prediction.logits),
        )
    assert sum(ahead is not None for ahead in fitted) == 10


def test_what_was_fitted_before_a_switch_is_not_fed_after_it():
    of = session(2)
    ahead = of.fit(frame("red"), 0.0)
    of.switch()
    answer = of.feed(frame("blue"), 0.0, ahead=ahead)
    assert answer.prediction.label == "blue" and answer.which == 1


def test_the_model_is_given_what_the_camera_fitted(monkeypatch):
    of, given = session(), []
    real = of.feed
    monkeypatch.setattr(of, "feed", lambda frame, at, now, ahead: (given.append(ahead), real(frame, at, now, ahead))[1])
    summary = app(clip(*["red"] * 20), of=of).run()
    assert summary.steps == len(given) > 0 and all(given)


def test_frames_are_fed_at_the_trained_spacing():
    of = session(frame_spacing=0.1)
    summary = app(clip(*["red"] * 40, interval=0.01), of=of).run()
    assert summary.steps == 4 and summary.not_due + summary.dropped == 36


def test_a_slow_model_drops_frames_and_answers_the_newest(monkeypatch):
    of = session()
    fed = []
    real = of.feed

    def slow(frame_, timestamp, now=None, ahead=None):
        time.sleep(0.05)
        fed.append((timestamp, time.monotonic()))
        return real(frame_, timestamp, now, ahead)

    monkeypatch.setattr(of, "feed", slow)
    source = FakeSource(["red"] * 60, interval=0.01)
    summary = app(source, of=of, seconds=0.5).run()
    assert summary.dropped > 10
    # The frame is at most as old as one camera interval when its step begins, busy machines aside.
    ages = [done - timestamp - 0.05 for timestamp, done in fed]
    assert np.median(ages) < 0.02


def test_an_unplugged_camera_begins_the_stream_anew(capsys):
    of = session()
    source = FakeSource(["red"] * 10, None, ["red"] * 10 + ["none"] * 1000, interval=0.01)
    made = app(source, of=of, seconds=1.5)
    made._grabber._first_wait = 0.01
    resets = []
    real = of.reset
    of.reset = lambda: (resets.append(1), real())  # type: ignore[method-assign,assignment,func-returns-value]
    summary = made.run()
    told = [line["event"] for line in lines(capsys)]
    assert told == ["gesture", "lost", "back", "gesture"] and summary.lost == 1
    # Twice red: without the reset the second would be no change.
    assert len(resets) == 1


def test_the_words_of_what_happens(capsys):
    source = FakeSource(["red"] * 5, ["red"] * 1000, interval=0.01, name="cam")
    made = app(source, form="words", seconds=0.5)
    made._grabber._first_wait = 0.01
    made.run()
    out, err = capsys.readouterr()
    assert all(line.endswith("s  >>> red") for line in out.splitlines()) and len(out.splitlines()) == 2
    assert err.splitlines() == [
        "edgeshift: cam is lost (no more pictures come from it): looking for it",
        "edgeshift: cam is back; the stream begins anew",
    ]


def test_a_source_that_cannot_be_opened_is_an_error_before_anything_runs():
    with pytest.raises(VideoError, match="cannot be opened"):
        app(FakeSource(None))


def test_an_error_in_a_thread_ends_it(monkeypatch):
    of = session()
    monkeypatch.setattr(of, "feed", lambda *_: (_ for _ in ()).throw(EdgeshiftError("the states overflowed")))
    window = FakeWindow()
    with pytest.raises(EdgeshiftError, match="the states overflowed"):
        app(FakeSource(["red"] * 1000), of=of, window=window).run()
    assert window.closed
    source = clip(*["red"] * 5)
    made = app(source)
    source.opened[0].retrieve = lambda: (_ for _ in ()).throw(VideoError("a frame is broken"))  # type: ignore[method-assign]
    with pytest.raises(VideoError, match="a frame is broken"):
        made.run()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_and_gives_the_summary(number, tmp_path, capsys):
    made = app(FakeSource(["red"] * 100_000, interval=0.005), record=tmp_path / "out.mp4")
    before = signal.getsignal(signal.SIGTERM)

    def interrupt() -> None:
        until(lambda: made._worker.session.runner.times.steps > 20)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt).start()
    summary = made.run()
    assert summary.steps > 20 and summary.recorded == (str(tmp_path / "out.mp4"),)
    assert len(list(read_video(tmp_path / "out.mp4"))) >= 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_window_is_shown_every_new_frame_and_ends_with_q():
    window = FakeWindow({8: "q"})
    summary = app(FakeSource(["green"] * 1000, interval=0.02), window=window).run()
    assert window.closed and len(window.shown) >= 8 and summary.draw_ms is not None
    middle = window.shown[-1][100, 100]
    assert (middle == (0, 250, 0)).all()


def test_keys_save_record_reset_and_pause(tmp_path, capsys):
    window = FakeWindow({3: "s", 5: "v", 15: "v", 17: "r", 19: "p", 20: "x", 21: "p", 26: "q"})
    app(FakeSource(["red"] * 1000, interval=0.02), window=window, folder=tmp_path).run()
    saved = [Path(line["path"]) for line in lines(capsys) if line["event"] == "saved"]
    assert [path.suffix for path in saved] == [".png", ".mp4"] and all(path.parent == tmp_path for path in saved)
    assert saved[0].read_bytes()[:4] == b"\x89PNG"
    assert len(list(read_video(saved[1]))) >= 2
    paused = [picture for picture in window.shown if (picture[2, 2] == 0).all()]
    assert paused, "the pause is written over the frame"


def test_switching_goes_to_the_next_artifact_and_back(capsys):
    of = session(2)
    window = FakeWindow({5: "m", 15: "tab", 25: "q"})
    summary = app(FakeSource(["red"] * 1000, interval=0.02), of=of, window=window).run()
    switched = [line["artifact"] for line in lines(capsys) if line["event"] == "switched"]
    assert switched == ["1.double", "0.double"]
    assert [ran.steps > 2 for ran in summary.artifacts] == [True, True]
    assert summary.steps == sum(ran.steps for ran in summary.artifacts)


def test_a_silent_camera_is_never_shown_as_current():
    """Frames stop coming: when the next one is due, and cameras' jitter over, the picture says so."""
    source = FakeSource(["green"] * 10, interval=0.1)
    made = app(source, window=(window := FakeWindow()), seconds=1.5)
    feed = source.opened[0]
    real = feed.grab

    def hang():
        if feed.index == 8:
            time.sleep(2)
        return real()

    feed.grab = hang  # type: ignore[method-assign]
    made.run()
    top = [bool((picture[2, 300] == 0).all()) for picture in window.shown]
    assert not top[3] and top[-1]


def test_a_source_without_pictures_is_not_waited_for_without_end(capsys):
    window = FakeWindow()
    made = app(FakeSource(*[[] for _ in range(100)]), window=window, seconds=0.7)
    made._grabber._first_wait = 0.01
    begin = time.monotonic()
    with pytest.raises(VideoError, match=r"fake gave no picture in 0\.7 s"):
        made.run()
    assert time.monotonic() - begin < 5
    assert window.shown and (window.shown[0] > 100).any(), "it says so meanwhile"


def test_the_cameras_rate_is_not_the_models(monkeypatch):
    of = session()
    real = of.feed
    monkeypatch.setattr(of, "feed", lambda *given: (time.sleep(0.2), real(*given))[1])
    summary = app(FakeSource(["red"] * 100_000, interval=0.02), of=of, seconds=1.5).run()
    assert summary.camera_hertz is not None and summary.artifacts[0].hertz is not None
    assert summary.camera_hertz > 3 * summary.artifacts[0].hertz


def test_a_picture_that_cannot_be_written_does_not_end_it(tmp_path, capsys):
    window = FakeWindow({3: "s", 6: "v", 12: "v", 15: "q"})
    folder = tmp_path / "gone"
    folder.write_text("a file where a folder should be")
    summary = app(FakeSource(["red"] * 1000, interval=0.02), window=window, folder=folder).run()
    told = [line for line in lines(capsys) if line["event"] == "unsaved"]
    assert len(told) >= 2 and all("gone" in line["reason"] for line in told)  # v stops, or begins once more
    assert len(window.shown) >= 15 and summary.recorded == ()


def test_actions_are_given_the_events(tmp_path):
    started = []

    class Noted(Actions):
        def on(self, event):
            started.append((event.label, event.timestamp))

    source = clip(*["none"] * 5, *["red"] * 5)
    made = App(session(), source, Journal("silent", "x"), actions=Noted([Action("red", ("true",))]))
    made.run()
    assert [label for label, _ in started] == ["red"] and 0 < started[0][1] < 1


def test_headless_recording_is_as_long_as_the_clip(tmp_path):
    source = clip(*["red"] * 20, *["blue"] * 20, interval=0.025)
    summary = app(source, record=tmp_path / "out.mp4", size=(320, 240)).run()
    frames = [timed.frame for timed in read_video(tmp_path / "out.mp4")]
    assert summary.recorded and frames[0].shape == (240, 320, 3)
    assert len(frames) == pytest.approx(20, abs=6)  # a second of 20 a frame
    assert frames[0][60, 60, 0] > 150 and frames[-1][60, 60, 2] > 150


def test_a_mirrored_view_is_fed_as_it_is():
    of, window = session(), FakeWindow({3: "q"})
    source = FakeSource(["red"] * 1000, interval=0.02)
    half = frame("red").copy()
    half[:, :32] = 0
    made = app(source, of=of, window=window, mirror_view=True)
    source.opened[0].retrieve = lambda: half  # type: ignore[method-assign]
    made.run()
    shown = window.shown[-1]
    assert shown[200, 60, 0] > 200 > 50 > shown[200, 550, 0]
