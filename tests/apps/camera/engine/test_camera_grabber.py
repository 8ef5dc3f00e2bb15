"""The thread that reads a source in real time: speed of clips, lost cameras, repeated clips, pauses, errors."""

from __future__ import annotations

import threading
import time

import pytest
from scene import EmittedEvents, FakeSource, fake_clip, frame, make_session, raise_error, wait_until

from edgeshift.apps.camera.engine import grabber as grabber_module
from edgeshift.apps.camera.engine.grabber import Grabber
from edgeshift.apps.camera.engine.slot import FrameSlot
from edgeshift.apps.camera.sources.base import Orientation
from edgeshift.errors import EdgeshiftError, VideoError


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(grabber_module, "FIRST_WAIT", 0.01)


class RunningGrabber:
    """A running grabber with its slot, counters and events."""

    def __init__(self, source, turn=0, repeat=False, emit=None, **changes) -> None:
        self.session = make_session(**changes)
        self.counters, self.events = self.session.counters, EmittedEvents() if emit is None else emit
        self.slot = FrameSlot(self.counters)
        self.grabber = Grabber(source, self.session, self.slot, Orientation(turn=turn), self.events, repeat)
        self.grabber.start()

    def take_all(self):
        """Return the frames that a fast model would get, until the source ends."""
        captured = []
        while self.slot.waiting or not self.slot.closed:
            captured += filter(None, [self.slot.take(30.0)])
        return captured


def test_a_clip_is_played_at_its_own_speed():
    source = fake_clip(*["red"] * 6, interval=0.05)
    begin = time.monotonic()
    run = RunningGrabber(source)
    frames = run.take_all()
    assert time.monotonic() - begin >= 0.24
    assert all(captured.arrived - begin >= captured.timestamp - 0.001 for captured in frames), "no frame is early"
    assert run.counters.grabbed == 6 and run.slot.error is None and source.opened[0].closed


def test_a_clip_that_is_decoded_too_slowly_skips_frames_instead_of_falling_behind():
    source = fake_clip(*["red"] * 40)
    source.change = lambda feed: setattr(feed, "retrieve", lambda: time.sleep(0.1) or frame("red"))
    run = RunningGrabber(source)
    run.take_all()
    assert run.counters.skipped > 10 and run.counters.missed >= run.counters.skipped
    assert run.counters.grabbed == 40


def test_a_lost_camera_is_reopened_until_it_works():
    source = FakeSource(["red"] * 3, None, None, ["blue"] * 3, None, interval=0.005)
    run = RunningGrabber(source)
    wait_until(lambda: run.events.names == ["lost", "back", "lost"])
    assert run.events[0][1]["reason"] == "it gives no more frames"
    captured = run.slot.take(30.0)
    assert captured.epoch == 1 and (captured.frame[0, 0] == (0, 0, 250)).all()
    assert run.counters.camera_lost and run.counters.losses == 2 and not run.slot.closed
    attempts = source.attempts
    wait_until(lambda: source.attempts > attempts)  # it tries again and again
    run.grabber.stop()
    assert run.slot.closed and run.slot.error is None and all(feed.closed for feed in source.opened)


def test_waits_between_attempts_grow_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(grabber_module, "LAST_WAIT", 0.08)
    # Opening fails.
    run = RunningGrabber(source := FakeSource([], None))
    begin, attempts = time.monotonic(), source.attempts
    wait_until(lambda: source.attempts >= attempts + 6)
    assert time.monotonic() - begin >= 0.02 + 0.04 + 3 * 0.08
    run.grabber.stop()
    # Opening works, but no frame comes.
    run = RunningGrabber(FakeSource(*[[] for _ in range(100)]))
    wait_until(lambda: run.events.names.count("lost") >= 6)
    run.grabber.stop()
    waits = [facts["wait"] for name, facts in run.events if name == "lost"]
    assert waits[:6] == pytest.approx([0.01, 0.02, 0.04, 0.08, 0.08, 0.08])


def test_the_waits_start_at_the_shortest_one_again_after_a_frame_has_come():
    run = RunningGrabber(FakeSource([], ["red"], ["red"], ["red"] * 100_000, interval=0.001))
    wait_until(lambda: run.events.names.count("back") == 3)
    run.grabber.stop()
    assert [facts["wait"] for name, facts in run.events if name == "lost"] == pytest.approx([0.01, 0.01, 0.01])


def test_a_camera_is_lost_if_all_its_frames_are_damaged_but_not_if_some_are(monkeypatch):
    monkeypatch.setattr(grabber_module, "DAMAGE_TOLERANCE", 60.0)
    some_good = threading.Event()
    some_good.set()

    def damage(feed):
        real = feed.retrieve

        def retrieve():
            if feed.index % 3 or not some_good.is_set():
                raise VideoError("a frame cannot be decoded")
            return real()

        feed.retrieve = retrieve

    source = FakeSource(["red"] * 100_000, interval=0.002)
    source.change = damage
    run = RunningGrabber(source)
    wait_until(lambda: source.opened[0].index > 50)
    assert run.slot.take(30.0) is not None and run.events == []
    monkeypatch.setattr(grabber_module, "DAMAGE_TOLERANCE", 0.05)
    some_good.clear()
    wait_until(lambda: run.events)
    assert run.events[0][1]["reason"] == "a frame cannot be decoded"
    run.grabber.stop()


def test_a_camera_whose_frames_cannot_be_used_ends_the_run():
    source = FakeSource(["red"] * 100, interval=0.001)
    source.change = lambda feed: setattr(feed, "retrieve", raise_error(EdgeshiftError("16 bits: ask for 8")))
    run = RunningGrabber(source)
    wait_until(lambda: run.slot.closed)
    assert str(run.slot.error) == "16 bits: ask for 8" and run.events == [] and source.attempts == 1


def test_an_unexpected_error_in_the_thread_is_passed_to_the_slot():
    source = fake_clip(*["red"] * 3)
    source.change = lambda feed: setattr(feed, "retrieve", raise_error(RuntimeError("out of memory")))
    run = RunningGrabber(source)
    wait_until(lambda: run.slot.closed)
    assert str(run.slot.error) == "out of memory"


def test_the_rate_of_a_camera_that_is_back_is_reset():
    rates = {}

    class Rates(EmittedEvents):
        def __call__(self, event, **facts):
            super().__call__(event, **facts)
            rates.setdefault(event, run.counters.camera.hertz)

    run = RunningGrabber(FakeSource(["red"] * 3, ["red"] * 100_000, interval=0.01), emit=Rates())
    wait_until(lambda: "back" in rates and run.counters.camera.hertz is not None)  # although no model takes frames
    assert 0 < rates["lost"] <= 100 and rates["back"] is None
    run.grabber.stop()


def test_a_repeated_clip_resets_the_stream_and_ends_with_the_error_of_opening_it():
    run = RunningGrabber(FakeSource(["red"] * 2, ["green"] * 2, interval=0.2, live=False), repeat=True)
    frames = run.take_all()
    assert run.events.names[0] == "again" and {captured.epoch for captured in frames} == {0, 1}
    assert "cannot be opened" in str(run.slot.error)


def test_a_paused_clip_continues_where_it_was_paused():
    run = RunningGrabber(fake_clip(*["red"] * 30, interval=0.01))
    assert run.slot.take(30.0) is not None
    run.grabber.pause(True)
    time.sleep(0.05)
    run.slot.take(0.0)
    time.sleep(0.1)
    assert run.slot.take(0.0) is None and not run.slot.closed
    run.grabber.pause(False)
    assert run.take_all()[-1].timestamp == pytest.approx(0.29)


def test_a_paused_camera_is_read_but_its_frames_are_not_passed_on():
    source = FakeSource(["red"] * 100_000, interval=0.001)
    run = RunningGrabber(source)
    assert run.slot.take(30.0) is not None
    run.grabber.pause(True)
    time.sleep(0.02)
    run.slot.take(0.0)
    index = source.opened[0].index
    wait_until(lambda: source.opened[0].index > index + 3)
    assert run.slot.take(0.0) is None
    run.grabber.pause(False)
    assert run.slot.take(30.0) is not None
    run.grabber.stop()


def test_frames_are_rotated_and_fitted_in_the_grabbers_thread(monkeypatch):
    threads = []
    real = grabber_module.Session.capture

    def capture(self, picture, *arguments, **options):
        threads.append((threading.current_thread().name, picture.shape))
        return real(self, picture, *arguments, **options)

    monkeypatch.setattr(grabber_module.Session, "capture", capture)
    run = RunningGrabber(fake_clip(*["red"] * 6, interval=0.05), turn=90, frame_spacing=0.1)
    frames = run.take_all()
    assert set(threads) == {("grabber", (64, 48, 3))}
    assert all(captured.fitted is not None and captured.frame.shape == (64, 48, 3) for captured in frames)
    assert run.counters.not_due + run.counters.missed + len(frames) == run.counters.grabbed == 6
