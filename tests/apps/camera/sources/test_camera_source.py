"""The sources that --source can name, and the errors of sources that cannot be opened."""

from __future__ import annotations

import http.server
import threading
import time
from functools import partial

import cv2
import numpy as np
import pytest
from scene import EmittedEvents, frame, make_session, wait_until

from edgeshift.apps.camera.engine.grabber import Grabber
from edgeshift.apps.camera.engine.slot import FrameSlot
from edgeshift.apps.camera.sources.base import CaptureRequest, Orientation, find_source
from edgeshift.apps.camera.sources.clips import ClipSource, DrawnSource
from edgeshift.apps.camera.sources.live import (
    Address,
    Camera,
    LiveFeed,
    Pipeline,
    describe_cameras,
    known_cameras,
)
from edgeshift.errors import EdgeshiftError, VideoError
from edgeshift.gestures import demo_stream as drawn
from edgeshift.video.clips import write_video


@pytest.mark.parametrize(
    ("text", "kind", "live"),
    [
        ("drawn", DrawnSource, False),
        ("0", Camera, True),
        ("/dev/video2", Camera, True),
        ("/dev/v4l/by-id/usb-x", Camera, True),
        ("rtsp://10.0.0.7:554/cam", Address, True),
        ("http://10.0.0.7/video.mjpg", Address, True),
        ("tcp://127.0.0.1:8888", Address, True),
        ("v4l2src ! videoconvert ! appsink", Pipeline, True),
        ("jetson-csi", Pipeline, True),
        ("jetson-csi:1", Pipeline, True),
        ("libcamera", Pipeline, True),
        ("clip.mp4", ClipSource, False),
        ("libcamera.mp4", ClipSource, False),
        ("frames", ClipSource, False),
    ],
)
def test_the_text_of_source_selects_the_kind_of_source(text, kind, live):
    source = find_source(text)
    assert type(source) is kind and source.live == live


def test_named_pipelines_contain_the_capture_request_and_end_in_a_sink():
    pipeline = find_source("jetson-csi:1", CaptureRequest(1280, 720, 60))
    assert isinstance(pipeline, Pipeline)
    assert "sensor-id=1" in pipeline.with_sink and "width=1280,height=720" in pipeline.with_sink
    assert "framerate=60/1" in pipeline.with_sink and pipeline.with_sink.count("appsink") == 1
    assert pipeline.with_sink.endswith("appsink drop=true max-buffers=1 sync=false")
    with_own_sink = Pipeline("own", "videotestsrc ! appsink name=mine")
    assert with_own_sink.with_sink == with_own_sink.pipeline


@pytest.mark.parametrize("text", ["640", "640x", "0x480", "640x480@", "640x480@0", "99999x480", "640 x 480"])
def test_a_capture_request_is_read_or_refused_with_an_example(text):
    with pytest.raises(VideoError, match="640x480@30"):
        CaptureRequest.parse(text)
    assert CaptureRequest.parse("1280x720@60") == CaptureRequest(1280, 720, 60)
    assert CaptureRequest.parse("320x240") == CaptureRequest(320, 240, 30)


def test_cameras_are_listed_by_number_with_printable_names(tmp_path):
    for name, label in (("video10", "Rear\x1b[31m\n"), ("video2", "HD Webcam\n"), ("video3", None)):
        (tmp_path / "dev").mkdir(exist_ok=True)
        (tmp_path / "dev" / name).touch()
        if label:
            folder = tmp_path / "sys/class/video4linux" / name
            folder.mkdir(parents=True)
            (folder / "name").write_text(label)
    (tmp_path / "dev" / "videos").touch()
    assert known_cameras(tmp_path) == [
        ("/dev/video2", "HD Webcam"),
        ("/dev/video3", "no name"),
        ("/dev/video10", "Rear[31m"),
    ]
    assert describe_cameras(tmp_path).startswith("cameras here: /dev/video2 (HD Webcam), ")
    assert "no camera" in describe_cameras(tmp_path / "sys")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("99", r"camera /dev/video99 cannot be opened .*(cameras here|no camera)"),
        ("/dev/video98", r"camera /dev/video98 cannot be opened"),
        ("nothing.mp4", r"nothing\.mp4 is no file, folder, camera number, .*(cameras here|no camera)"),
    ],
)
def test_a_source_that_cannot_be_opened_is_an_error_of_one_line(text, message):
    with pytest.raises(VideoError, match=message) as caught:
        find_source(text).open()
    assert "\n" not in str(caught.value)


def test_the_error_without_gstreamer_says_where_to_get_it():
    if cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        pytest.skip("this OpenCV has GStreamer")
    with pytest.raises(VideoError, match="apt install python3-opencv"):
        find_source("libcamera").open()


def test_the_error_of_an_address_hides_its_password():
    address = Address("rtsp://user:secret@127.0.0.1:9/x")
    with pytest.raises(VideoError, match=r"rtsp://127\.0\.0\.1:9/x did not answer") as caught:
        address.open()
    assert "secret" not in str(caught.value)


def test_frames_are_rotated_clockwise_and_then_mirrored():
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    assert Orientation()(picture) is picture
    assert np.array_equal(Orientation(mirror=True)(picture), picture[:, ::-1])
    for turn, times in ((90, -1), (180, 2), (270, 1)):
        assert np.array_equal(Orientation(turn=turn)(picture), np.rot90(picture, times))
    assert np.array_equal(Orientation(True, 90)(picture), np.rot90(picture, -1)[:, ::-1])


def test_a_watched_drawn_stream_has_frames_at_the_due_times_and_in_between(monkeypatch):
    monkeypatch.setattr(drawn, "demo_stream", partial(drawn.demo_stream, "left 1, away 0.5"))
    feed = DrawnSource(0.4, watched=True).open()
    times = [feed.grab() for _ in range(9)]
    assert times[:4] == pytest.approx([0, 0.4 / 3, 0.8 / 3, 0.4])
    assert feed.retrieve().shape == (240, 240, 3)


def test_a_clip_gives_the_times_and_pixels_of_its_frames(tmp_path):
    path = tmp_path / "clip.mp4"
    write_video(path, [frame("red")] * 3 + [frame("blue")] * 3, 20)
    feed = ClipSource(path).open()
    times, last = [], None
    while (time_ := feed.grab()) is not None:
        times.append(time_)
        last = feed.retrieve()
    assert times == pytest.approx([index / 20 for index in range(6)], abs=0.002)
    assert last is not None and last[..., 2].mean() > 200 > 50 > last[..., 0].mean()
    assert feed.grab() is None
    feed.close()


def test_a_damaged_clip_is_an_error_when_it_is_opened(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(VideoError, match=r"broken\.mp4 holds no video"):
        ClipSource(tmp_path / "broken.mp4").open()


def test_grey_frames_of_a_camera_become_rgb_and_unusable_ones_are_errors():
    class Capture:
        def __init__(self, image):
            self.image = image

        def retrieve(self):
            return self.image is not None, self.image

    def retrieved(image):
        return LiveFeed(cv2, Capture(image), "odd").retrieve()

    assert retrieved(np.full((4, 6), 7, np.uint8)).tolist() == np.full((4, 6, 3), 7).tolist()
    bgr = np.zeros((4, 6, 3), np.uint8)
    bgr[..., 0] = 9
    assert (retrieved(bgr)[..., 2] == 9).all()
    for bad in (None, np.zeros((0, 6, 3), np.uint8), np.zeros((4, 6), np.uint16), np.zeros((1, 9000, 3), np.uint8)):
        with pytest.raises(EdgeshiftError, match=r"^odd") as caught:
            retrieved(bad)
        # A VideoError means that the next frame may be intact. Another error means that no frame can be used.
        assert isinstance(caught.value, VideoError) == (bad is None or not bad.size)


def test_the_error_of_an_incomplete_address_is_one_line():
    with pytest.raises(VideoError, match=r"^rtsp://\.\.\. did not answer .*camera"):
        find_source("rtsp://[fe80").open()


def test_a_camera_that_takes_no_number_is_an_error_with_a_remedy():
    with pytest.raises(VideoError, match="libcamera is the first camera and takes no number"):
        find_source("libcamera:1")
    assert "sensor-id=1" in find_source("jetson-csi:1").pipeline  # type: ignore[attr-defined]


class PictureHandler(http.server.BaseHTTPRequestHandler):
    """Motion JPEG, as network cameras send it."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        _, data = cv2.imencode(".jpg", frame("blue", 120, 160)[..., ::-1])
        body = data.tobytes()
        try:
            while not self.server.over:  # type: ignore[attr-defined]
                head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body)
                self.wfile.write(head + body + b"\r\n")
                time.sleep(0.02)
        except OSError:
            return


class NetworkCamera(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    over = False


def network_camera(port: int = 0) -> NetworkCamera:
    server = NetworkCamera(("127.0.0.1", port), PictureHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.mark.slow
def test_a_network_camera_is_opened_again_when_its_server_has_restarted():
    """The stream is a real one over HTTP. Its server stops, and starts again at the same address."""
    server = network_camera()
    port = server.server_address[1]
    source = Address(f"http://127.0.0.1:{port}/live.mjpg")
    session, events = make_session(), EmittedEvents()
    slot = FrameSlot(session.counters)
    grabber = Grabber(source, session, slot, Orientation(), events, False)
    grabber.start()
    try:
        captured = slot.take(30)
        assert captured is not None and captured.epoch == 0
        assert captured.frame[..., 2].mean() > 200 > captured.frame[..., 0].mean()
        server.over = True
        server.shutdown()
        server.server_close()
        wait_until(lambda: events.names == ["lost"] and session.counters.camera_lost)
        server = network_camera(port)
        wait_until(lambda: events.names == ["lost", "back"])
        wait_until(lambda: (captured := slot.take(1)) is not None and captured.epoch == 1)
    finally:
        grabber.stop()
        server.over = True
        server.shutdown()
        server.server_close()
    assert not session.counters.camera_lost
