"""Failures on a phone, tested in Chromium: the server stops, the camera ends, a button is tapped too early."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest
from chromium import HIDE, SHOW, expect_status

from edgeshift.apps.phone.messages import ErrorReported, RepeatMeasured, SelfCheckResult, ServerStopped

pytestmark = pytest.mark.slow

#: Opens cameras with a delay, and keeps a list of their tracks.
SLOW_CAMERA = """() => {
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.tracks = [];
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await open(wanted);
    await new Promise((resolve) => setTimeout(resolve, 500));
    window.tracks.push(...stream.getTracks());
    return stream;
  };
}"""
#: Delays the worker's predictions by 400 ms.
SLOW_PREDICTIONS = """
const handler = Object.getOwnPropertyDescriptor(Worker.prototype, "onmessage").set;
Object.defineProperty(Worker.prototype, "onmessage", {
  set(receive) {
    const delay = (event) => (event.data.kind === "frame" ? 400 : 0);
    handler.call(this, (event) => setTimeout(() => receive.call(this, event), delay(event)));
  },
});
"""
#: Taps "Stop timing" when the worker gets a request of this kind.
STOP_AT = """(kind) => {
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (request, ...others) {
    post.call(this, request, ...others);
    if (request.kind === kind) document.getElementById("timing-button").click();
  };
}"""
#: Counts the worker's "reset" requests.
COUNT_RESETS = """() => {
  const post = Worker.prototype.postMessage;
  window.resets = 0;
  Worker.prototype.postMessage = function (request, ...others) {
    window.resets += request.kind === "reset" ? 1 : 0;
    post.call(this, request, ...others);
  };
}"""
#: Mutes the camera (true), or ends that (false).
MUTE = """(muted) => {
  const [track] = document.getElementById("video").srcObject.getVideoTracks();
  Object.defineProperty(track, "muted", { value: muted, configurable: true });
  track.dispatchEvent(new Event(muted ? "mute" : "unmute"));
}"""


def tap(page: Any, *names: str) -> None:
    for name in names:
        page.locator(f"#{name}").click()


def choose_rapid(page: Any) -> None:
    tap(page, "tab-timing")
    page.locator("#mode").select_option("rapid")


def controls_enabled(page: Any) -> bool:
    names = ("camera-button", "timing-button", "check-button", "backend", "mode")
    return all(page.locator(f"#{name}").is_enabled() for name in names)


def start_camera(page: Any) -> None:
    tap(page, "tab-camera", "camera-button")
    expect_status(page, "Running on")
    page.locator("#current-label", has_text="now:").wait_for()


def test_the_page_keeps_working_after_the_server_has_stopped(open_page):
    with open_page("int8") as visit:
        page = visit.page
        tap(page, "tab-check", "finish-button")
        expect_status(page, "The camera and the self-check on this page still work")
        visit.server.thread.join(10)
        page.locator("#backend").select_option("CPU, 2 threads")  # needs another build of the runtime
        expect_status(page, "CPU, 2 threads: no connection to the server")
        assert page.locator("#backend").input_value() == "CPU, 1 thread" and controls_enabled(page)
        if page.locator("#backend option[value=WebGPU]").count():
            page.locator("#backend").select_option("WebGPU")
            expect_status(page, "running on CPU, 1 thread again")
            assert page.locator("#backend").input_value() == "CPU, 1 thread" and controls_enabled(page)
        tap(page, "check-button")
        expect_status(page, "The self-check passed")
        start_camera(page)
        tap(page, "camera-button")
        tap(page, "tab-timing", "timing-button")
        expect_status(page, "no connection to the server")  # the frames were not fetched before
        page.locator("#timing-button", has_text="Start timing").wait_for()
        assert controls_enabled(page)


def test_a_worker_that_does_not_start_is_reported_and_can_be_started_later(open_page):
    with open_page("int8") as visit:
        page = visit.page
        page.evaluate(
            "() => { window.Real = Worker; window.Worker = class { constructor() { throw Error('none'); } } }"
        )
        page.locator("#backend").select_option("CPU, 2 threads")
        expect_status(page, "CPU, 2 threads: none; none")
        assert controls_enabled(page)
        tap(page, "tab-check", "check-button")
        page.locator("#status", has_text="none").wait_for()
        tap(page, "tab-camera", "camera-button")
        page.locator("#camera-button", has_text="Start camera").wait_for()
        assert controls_enabled(page)
        page.evaluate("() => { window.Worker = window.Real; }")
        tap(page, "tab-check", "check-button")
        expect_status(page, "The self-check passed")
        assert len(visit.events(SelfCheckResult, 1)) == 1


def test_a_runtime_that_cannot_be_fetched_is_reported_and_ends_the_command(open_page):
    def block_runtime(page: Any) -> None:
        page.route("**/litert/*.wasm", lambda route: route.abort())

    with open_page("int8", job={"mode": "rapid"}, before=block_runtime) as visit:
        expect_status(visit.page, "no connection to the server")
        visit.server.thread.join(10)
        assert len(visit.events(ErrorReported, 1)) == 1 and visit.server.events[-1] == ServerStopped("finished")
        assert controls_enabled(visit.page)


def test_one_thread_is_used_if_two_do_not_start(open_page):
    def block_threads(page: Any) -> None:
        page.route("**/*threaded*", lambda route: route.abort())

    with open_page("int8", before=block_threads) as visit:
        visit.page.locator("#backend").select_option("CPU, 2 threads")
        expect_status(visit.page, "running on LiteRT.js 2.5.3 (CPU, 1 thread")
        assert visit.page.locator("#backend").input_value() == "CPU, 1 thread"


@pytest.mark.parametrize("request_kind", ["load", "check", "measure"])
def test_timing_stops_at_once_whichever_request_the_worker_is_answering(open_page, request_kind):
    with open_page("int8") as visit:
        page = visit.page
        choose_rapid(page)
        page.evaluate(STOP_AT, request_kind)
        begin = monotonic()
        tap(page, "timing-button")
        expect_status(page, "timing was cancelled: stopped by hand")
        page.locator("#timing-button", has_text="Start timing").wait_for()
        assert monotonic() - begin < 6  # the shortest duration of a repeat
        assert controls_enabled(page) and len(visit.events(ErrorReported, 1)) == 1
        tap(page, "tab-check", "check-button")
        expect_status(page, "The self-check passed")
        assert visit.events(RepeatMeasured) == []


def test_the_command_ends_after_its_mode_was_cancelled_and_started_again_by_hand(open_page):
    with open_page("int8", job={"mode": "rapid"}) as visit:
        page = visit.page
        expect_status(page, "Rapid: repeat 1 of 1")
        tap(page, "timing-button")
        expect_status(page, "cancelled")
        tap(page, "timing-button")
        expect_status(page, "All results were sent. The server has stopped")
        visit.server.thread.join(10)
        assert len(visit.events(RepeatMeasured, 1)) == 1 and visit.server.events[-1] == ServerStopped("finished")


def test_the_page_requests_alive_while_it_measures(open_page):
    alive: list[str] = []

    def watch(page: Any) -> None:
        page.clock.install()
        page.on("request", lambda request: alive.append(request.url) if request.url.endswith("/alive") else None)

    with open_page("int8", before=watch) as visit:
        page = visit.page
        choose_rapid(page)
        tap(page, "timing-button")
        expect_status(page, "Rapid: repeat 1 of 1")
        assert alive == []
        page.clock.fast_forward(61_000)
        page.wait_for_timeout(300)
        assert len(alive) == 1 and page.locator("#timing-button").inner_text() == "Stop timing"
        tap(page, "timing-button")


def test_a_second_tap_opens_no_second_camera(open_page):
    with open_page("int8") as visit:
        page = visit.page
        page.evaluate(SLOW_CAMERA)
        page.evaluate("() => { for (let tap = 0; tap < 3; tap++) document.getElementById('camera-button').click(); }")
        expect_status(page, "Running on")
        tap(page, "camera-button")
        expect_status(page, "The camera is off")
        assert page.evaluate("() => tracks.map((track) => track.readyState)") == ["ended"]
        tap(page, "camera-button", "tab-timing")  # leaves the tab while the camera opens
        expect_status(page, "The camera is off")
        page.wait_for_function("() => tracks.length === 2")
        page.wait_for_function("() => tracks.every((track) => track.readyState === 'ended')")
        assert controls_enabled(page) and page.locator("#camera-button").text_content() == "Start camera"


def test_a_camera_that_ends_is_reported_and_can_be_started_again(open_page):
    with open_page("int8") as visit:
        page = visit.page
        start_camera(page)
        page.evaluate("() => video.srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended'))")
        expect_status(page, "the camera ended")
        assert page.locator("#current-label").inner_text() == "camera off" and controls_enabled(page)
        assert "the camera ended" in visit.events(ErrorReported, 1)[0].message
        start_camera(page)


def test_a_hidden_page_or_a_muted_camera_pauses_and_resumes_with_a_new_stream(open_page):
    with open_page("int8") as visit:
        page = visit.page
        start_camera(page)
        page.evaluate(COUNT_RESETS)
        pauses = [(HIDE, None, "the page is hidden", SHOW, None), (MUTE, True, "sends no picture", MUTE, False)]
        for count, (pause, argument, reason, resume, other_argument) in enumerate(pauses):
            page.evaluate(pause, argument)
            expect_status(page, reason)
            page.wait_for_timeout(700)  # frames that come now are not fed
            assert page.locator("#current-label").inner_text() == "paused"
            assert page.evaluate("() => window.resets") == count
            page.evaluate(resume, other_argument)
            expect_status(page, "Resumed with a new stream")
            assert page.evaluate("() => window.resets") == count + 1
            page.locator("#current-label", has_text="now:").wait_for()
        tap(page, "camera-button")


def test_a_prediction_that_comes_after_the_camera_was_stopped_is_dropped(open_page):
    with open_page("int8", before=lambda page: page.add_init_script(SLOW_PREDICTIONS)) as visit:
        page = visit.page
        for _ in range(2):
            start_camera(page)
            page.wait_for_timeout(450)  # the next prediction is on its way
            tap(page, "camera-button")
            expect_status(page, "The camera is off")
            page.wait_for_timeout(800)
            assert page.locator("#current-label").inner_text() == "camera off"
