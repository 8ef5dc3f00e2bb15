"""The thread that reads: pace of clips, lost cameras, repeats, pauses, errors."""

from __future__ import annotations

import threading
import time

import pytest
from scene import FakeSource, frame, session, until

from edgeshift.apps.camera.engine.grabber import Grabber
from edgeshift.apps.camera.engine.slot import NewestFrame
from edgeshift.apps.camera.sources.base import Orientation
from edgeshift.errors import EdgeshiftError, VideoError


class Told(list):  # type: ignore[type-arg]
    def __call__(self, event, **facts):
        self.append((event, facts))


def started(source, **options):
    slot = NewestFrame()
    reader, told = slot.reader(), Told()
    grabber = Grabber(source, source.open(), slot, tell=told, **options)
    grabber.start()
    return grabber, slot, reader, told


def taken(reader, seconds=10.0):
    shots = []
    end = time.monotonic() + seconds
    while not reader.ended and time.monotonic() < end:
        if (shot := reader.take(0.05)) is not None:
            shots.append(shot)
    return shots


def test_a_clip_is_played_in_its_own_time():
    source = FakeSource(["red"] * 6, interval=0.05, live=False)
    begin = time.monotonic()
    _, slot, reader, _ = started(source)
    shots = taken(reader)
    assert time.monotonic() - begin >= 0.24  # never early
    assert [shot.timestamp for shot in shots] == pytest.approx([index * 0.05 for index in range(6)])
    assert all(shot.arrived - begin >= shot.timestamp - 0.001 for shot in shots)
    assert slot.closed and slot.error is None and source.opened[0].closed


def test_a_clip_that_is_decoded_too_slowly_skips_frames_instead_of_falling_behind():
    source = FakeSource(["red"] * 40, interval=0.02, live=False)
    grabber, slot, reader, _ = started(source)
    feed = source.opened[0]

    def slow():
        time.sleep(0.1)
        return frame("red")

    feed.retrieve = slow
    taken(reader)
    until(lambda: slot.closed)
    assert grabber.skipped > 10


def test_an_unplugged_camera_is_looked_for_until_it_is_back():
    source = FakeSource(["red"] * 3, None, None, ["blue"] * 3, None, interval=0.005)
    grabber, slot, reader, told = started(source, first_wait=0.01)
    until(lambda: [event for event, _ in told] == ["lost", "back", "lost"])
    assert told[0][1]["reason"] == "no more pictures come from it"
    shot = reader.take(1)
    assert shot is not None and shot.run == 1 and (shot.frame[0, 0] == (0, 0, 250)).all()
    assert grabber.lost and not slot.closed and source.attempts >= 4
    attempts = source.attempts
    until(lambda: source.attempts > attempts)  # it does not give up
    grabber.stop()
    assert slot.closed and slot.error is None
    assert all(feed.closed for feed in source.opened)


def test_the_search_becomes_slower():
    source = FakeSource([], None, interval=0.001)
    grabber, _, _, _ = started(source, first_wait=0.02)
    time.sleep(0.5)
    grabber.stop()
    # 0.02 + 0.04 + 0.08 + 0.16 + ...: five attempts in half a second and not twenty-five.
    assert 2 <= source.attempts - 1 <= 6


def test_a_camera_that_opens_and_gives_nothing_is_looked_for_less_and_less_often():
    source = FakeSource(*[[] for _ in range(60)], interval=0.001)
    grabber, _, _, told = started(source, first_wait=0.02)
    time.sleep(0.5)
    grabber.stop()
    waits = [facts["wait"] for event, facts in told if event == "lost"]
    assert waits[:3] == pytest.approx([0.02, 0.04, 0.08]) and len(waits) <= 6
    # Pictures came: the next loss is a new one.
    source = FakeSource([], ["red"], ["red"], ["red"] * 100_000, interval=0.001)
    grabber, _, _, told = started(source, first_wait=0.01)
    until(lambda: [event for event, _ in told].count("back") == 3)
    grabber.stop()
    assert [facts["wait"] for event, facts in told if event == "lost"] == pytest.approx([0.01, 0.01, 0.01])


def test_a_damaged_frame_is_no_lost_camera(monkeypatch):
    source = FakeSource(["red"] * 100_000, interval=0.002)
    slot = NewestFrame()
    reader, told, feed = slot.reader(), Told(), source.open()
    real = feed.retrieve

    def sometimes():
        if feed.index % 3 or feed.index > 60:
            raise VideoError("a frame came that cannot be decoded")
        return real()

    feed.retrieve = sometimes  # type: ignore[method-assign]
    monkeypatch.setattr("edgeshift.apps.camera.engine.grabber.LENIENCE", 0.1)
    grabber = Grabber(source, feed, slot, tell=told, first_wait=0.01)
    grabber.start()
    until(lambda: feed.index > 50)
    assert told == [] and reader.take(1) is not None
    until(lambda: told)  # none at all any more: now it is
    assert told[0][1]["reason"] == "a frame came that cannot be decoded"
    grabber.stop()


def test_what_no_frame_can_be_used_of_ends_it():
    source = FakeSource(["red"] * 100, interval=0.001)
    feed = source.open()
    feed.retrieve = lambda: (_ for _ in ()).throw(EdgeshiftError("16 bits: ask for 8"))  # type: ignore[method-assign]
    slot, told = NewestFrame(), Told()
    Grabber(source, feed, slot, tell=told).start()
    until(lambda: slot.closed)
    assert str(slot.error) == "16 bits: ask for 8" and told == [] and source.attempts == 1


def test_the_rate_is_the_cameras_own_and_begins_anew_with_it():
    source = FakeSource(["red"] * 30, ["red"] * 100_000, interval=0.01)
    grabber, _, _, told = started(source, first_wait=0.3)
    until(lambda: [event for event, _ in told] == ["lost", "back"])
    until(lambda: grabber.camera.interval is not None)
    # Nobody takes a frame, and the gap of 0.3 s is in no interval.
    assert 0.01 <= grabber.camera.interval < 0.1
    grabber.stop()


def test_a_repeated_clip_begins_a_new_run():
    source = FakeSource(["red"] * 2, ["green"] * 2, interval=0.2, live=False)
    _, slot, reader, told = started(source, repeat=True)
    shots = taken(reader)
    assert [event for event, _ in told][:1] == ["again"]
    assert {shot.run for shot in shots} == {0, 1}
    # The third time it cannot be opened: that ends it, with the reason.
    assert slot.closed and "cannot be opened" in str(slot.error)


def test_pausing_holds_a_clip_and_only_blinds_a_camera():
    source = FakeSource(["red"] * 30, interval=0.01, live=False)
    grabber, slot, reader, _ = started(source)
    until(lambda: reader.take(1) is not None)
    grabber.pause(True)
    time.sleep(0.05)
    reader.take()
    time.sleep(0.1)
    assert reader.take() is None and not slot.closed
    grabber.pause(False)
    shots = taken(reader)
    assert shots[-1].timestamp == pytest.approx(0.29) and grabber.skipped == 0

    source = FakeSource(["red"] * 100_000, interval=0.001)
    grabber, slot, reader, _ = started(source)
    until(lambda: reader.take(1) is not None)
    grabber.pause(True)
    time.sleep(0.02)
    reader.take()
    index = source.opened[0].index
    until(lambda: source.opened[0].index > index + 3)
    assert reader.take() is None
    grabber.pause(False)
    assert reader.take(1) is not None
    grabber.stop()


def test_orientation_is_applied_before_anybody_sees_it():
    source = FakeSource(["red"], interval=0.0, live=False)
    _, _, reader, _ = started(source, orientation=Orientation(turn=90))
    shot = reader.take(5)
    assert shot is not None and shot.frame.shape == (64, 48, 3)


def test_what_goes_wrong_in_the_thread_is_kept():
    source = FakeSource(["red"] * 3, interval=0.0, live=False)

    def broken():
        raise RuntimeError("out of memory")

    slot = NewestFrame()
    feed = source.open()
    feed.retrieve = broken  # type: ignore[method-assign]
    Grabber(source, feed, slot).start()
    until(lambda: slot.closed)
    assert str(slot.error) == "out of memory"


def test_frames_are_fitted_by_the_thread_that_made_them_if_they_are_due():
    """All frames of a clip were due, one in two, none: what is fitted is for those, and turned as the camera is."""
    asked = []

    def fit(picture, timestamp):
        asked.append((threading.current_thread().name, picture.shape))
        return of.fit(picture, timestamp) if round(timestamp * 20) % 2 else None

    of = session(frame_spacing=None)
    source = FakeSource(["red"] * 6, interval=0.05, live=False)
    _, slot, reader, _ = started(source, fit=fit, orientation=Orientation(turn=90))
    shots = taken(reader)
    assert set(asked) == {("grabber", (64, 48, 3))} and slot.error is None
    assert all((shot.ahead is not None) == bool(round(shot.timestamp * 20) % 2) for shot in shots)
    assert any(shot.ahead is not None for shot in shots)
