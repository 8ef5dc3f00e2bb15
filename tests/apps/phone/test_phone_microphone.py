"""The page's microphone in headless Chromium, which plays a file in place of a microphone."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from chromium import HIDE, SHOW, expect_status, screenshot
from sound_artifact import hearing_artifact

from edgeshift.apps.phone.messages import ErrorReported, RepeatMeasured, SelfCheckResult
from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.runtimes import load
from edgeshift.sound import write_wav
from edgeshift.stream.listening import Listening

pytestmark = pytest.mark.slow

#: Keeps the requests to the worker with their data, and the predictions; and keeps the tracks of all microphones.
RECORD = """
window.calls = [];
window.predictions = [];
const post = Worker.prototype.postMessage;
const pack = (bytes) => {
  let text = "";
  for (let place = 0; place < bytes.length; place += 8192) {
    text += String.fromCharCode(...bytes.subarray(place, place + 8192));
  }
  return btoa(text);
};
Worker.prototype.postMessage = function (request, ...others) {
  const { kind, samples, picture, timestamp, rate } = request;
  if (kind === "hear") window.calls.push({ kind, data: pack(new Uint8Array(samples.buffer)), timestamp, rate });
  else if (kind === "frame") {
    const { pixels, width, height } = picture;
    window.calls.push({ kind, data: pack(new Uint8Array(pixels.buffer)), width, height, timestamp });
  } else if (kind === "reset" || kind === "deafen") window.calls.push({ kind });
  post.call(this, request, ...others);
};
const handler = Object.getOwnPropertyDescriptor(Worker.prototype, "onmessage").set;
Object.defineProperty(Worker.prototype, "onmessage", {
  set(receive) {
    handler.call(this, (event) => {
      const { kind, result } = event.data;
      if (kind === "frame") window.predictions.push(
        result ? { ...result, logits: Array.from(result.logits), picture: null } : { heard: null },
      );
      receive.call(this, event);
    });
  },
});
window.microphones = [];
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  if (window.failure && wanted.audio) throw new DOMException("refused", window.failure);
  const stream = await open(wanted);
  window.microphones.push(...stream.getAudioTracks());
  return stream;
};
"""
RECORDING = {"before": lambda page: page.add_init_script(RECORD), "settings": {"permissions": ["camera", "microphone"]}}
FILE_RATE = 48_000


@pytest.fixture(scope="module")
def hearing(tmp_path_factory) -> Path:
    """An artifact of a small network with a sound segment."""
    return hearing_artifact(tmp_path_factory.mktemp("hearing") / "hearing.tflite", "fp32")


@pytest.fixture(scope="module")
def clip_that_hears(tmp_path_factory) -> Path:
    """The same network as a clip artifact, which takes 4 frames and a sound and answers every 2 frames."""
    pytest.importorskip("torch")
    from edgeshift.converters import ClipOptions

    path = tmp_path_factory.mktemp("hearing") / "clip.tflite"
    return hearing_artifact(path, "fp32", clip=ClipOptions(4, hop=2))


@pytest.fixture(params=["stream", "clip"])
def either(request) -> Path:
    """The artifact for streams, and the one for clips."""
    path: Path = request.getfixturevalue("hearing" if request.param == "stream" else "clip_that_hears")
    return path


@pytest.fixture(scope="module")
def played() -> np.ndarray:
    """Seven seconds of tones that rise and fall, so that each moment is like no other."""
    t = np.arange(7 * FILE_RATE) / FILE_RATE
    level = 0.1 + 0.4 * np.sin(2 * np.pi * 0.9 * t) ** 2
    return (level * np.sin(2 * np.pi * (300 * t + 90 * t**2)) + 0.001 * np.cos(9000 * t)).astype(np.float32)


@pytest.fixture(scope="module")
def microphone(played, tmp_path_factory) -> str:
    """The flag with which Chromium plays these tones in place of a microphone, again and again."""
    path = tmp_path_factory.mktemp("played") / "played.wav"
    write_wav(path, played, FILE_RATE)
    return f"--use-file-for-fake-audio-capture={path}"


def start(page: Any) -> None:
    page.locator("#tab-camera").click()
    page.locator("#camera-button").click()
    expect_status(page, "Running on")
    page.locator("#microphone-button").click()
    page.locator("#listening.live", has_text="listening").wait_for()


def wait_until_heard(page: Any) -> None:
    page.wait_for_function("() => window.predictions.findLast(({ heard }) => heard)?.heard === 'heard'", timeout=60_000)


def drawn(page: Any) -> int:
    """Return the number of pixels of the sound's picture that are drawn."""
    return page.evaluate("""() => {
      const canvas = document.getElementById("sound-picture");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, place) => place % 4 === 3 && value > 0).length;
    }""")


def released(page: Any) -> bool:
    return page.evaluate("() => window.microphones.every((track) => track.readyState === 'ended')")


def test_the_page_answers_to_its_microphone_as_python_does(open_page, either, microphone, played, clip):
    with open_page(either, clip[0], microphone, **RECORDING) as visit:
        page = visit.page
        assert page.locator("#sound").is_hidden() and page.evaluate("() => window.microphones.length") == 0
        start(page)
        wait_until_heard(page)
        page.wait_for_timeout(2500)
        assert drawn(page) == load(either).spec.frame.width ** 2 and page.locator("#heard").inner_text() == ""
        screenshot(page, "camera_listening.png")
        page.locator("#microphone-button").click()
        assert page.locator("#sound").is_hidden() and released(page)
        page.wait_for_timeout(700)
        page.locator("#camera-button").click()
        expect_status(page, "The camera is off")
        calls, predictions = page.evaluate("() => [window.calls, window.predictions]")
    stream = load(either).stream(paced=False)
    assert isinstance(stream, Listening)
    heard, errors, pieces, answers = [], [], [], iter(predictions)
    for call in calls:
        data = base64.b64decode(call.get("data", ""))
        if call["kind"] == "hear":
            pieces.append(np.frombuffer(data, np.float32))
            stream.hear(pieces[-1], call["timestamp"], call["rate"])
        elif call["kind"] == "frame":
            pixels = np.frombuffer(data, np.uint8).reshape(call["height"], call["width"], 4)[..., :3]
            answer, found = stream.step(np.ascontiguousarray(pixels), call["timestamp"]), next(answers, None)
            assert found is None or (found["heard"] is None) == (answer is None or not answer.fresh)
            if found is not None and found["heard"] is not None:
                heard.append(found["heard"])
                assert found["heard"] == answer.heard
                errors.append(np.abs(np.array(found["logits"]) - answer.logits).max() / np.ptp(answer.logits))
        else:
            (stream.reset if call["kind"] == "reset" else stream.deafen)()
    assert heard[0] != "heard" and "waiting" in heard and heard.count("heard") >= 5 and heard[-1] == "deaf"
    assert max(errors) < 2e-3  # OpenCV and the page fit frames with a difference of one grey level
    rate = next(call["rate"] for call in calls if call["kind"] == "hear")
    assert_played(np.concatenate(pieces), rate, played)


def assert_played(samples: np.ndarray, rate: int, played: np.ndarray) -> None:
    """Compare 0.5 s of the samples with what was played: the best match is nearly equal, but for its level."""
    taken = samples[-rate // 2 :]
    times = np.arange(len(taken)) / rate
    twice = np.concatenate([played, played])
    wanted = np.interp(times, np.arange(len(twice)) / FILE_RATE, twice)  # to know the length
    spectrum = np.fft.rfft(twice, 1 << 20)
    resampled = np.interp(np.arange(0, 0.5, 1 / FILE_RATE), times, taken)
    matches = np.fft.irfft(spectrum * np.conj(np.fft.rfft(resampled, 1 << 20)))[: len(played)]
    begin = int(matches.argmax())
    wanted = twice[begin : begin + len(resampled)]
    assert np.corrcoef(wanted, resampled)[0, 1] > 0.99


def test_stopping_the_camera_releases_the_microphone_and_a_hidden_page_does_not_listen(
    open_page, hearing, microphone, clip
):
    count = "() => window.calls.filter(({ kind }) => kind === 'hear').length"
    with open_page(hearing, clip[0], microphone, **RECORDING) as visit:
        page = visit.page
        start(page)
        wait_until_heard(page)
        page.evaluate(HIDE)
        assert page.locator("#listening").inner_text() == "paused" and drawn(page) == 0
        assert page.evaluate("() => window.microphones.map((track) => track.enabled)") == [False]
        before = page.evaluate(count)
        page.wait_for_timeout(500)
        assert page.evaluate(count) == before
        page.evaluate(SHOW)
        assert page.locator("#listening").inner_text() == "listening"
        page.locator("#heard", has_text="collecting sound").wait_for()
        wait_until_heard(page)
        page.locator("#tab-timing").click()  # this stops the camera
        expect_status(page, "The camera is off")
        assert released(page) and page.locator("#sound").is_hidden()
        page.locator("#tab-camera").click()
        assert page.locator("#microphone-button").is_disabled()
        start(page)  # again, in the same audio context
        wait_until_heard(page)
        page.locator("#camera-button").click()
        expect_status(page, "The camera is off")
        assert released(page)


#: {script: the line that the page shows if the script runs before the microphone is started}.
FAILURES = {
    "window.failure = 'NotAllowedError'": "the microphone is not allowed: allow it for this page, and start it again",
    "window.failure = 'NotFoundError'": "this device has no microphone",
    "window.failure = 'NotReadableError'": "the microphone cannot be opened: another app may be using it",
    "Object.defineProperty(navigator, 'mediaDevices', { value: undefined, configurable: true })": (
        "this browser gives this page no microphone: open the page over HTTPS, or over HTTP on localhost"
    ),
    "window.AudioContext = class extends AudioContext { get sampleRate() { return 8000; } }": (
        "a sound of 8000 samples per second cannot be used: the network uses frequencies up to 7500 Hz"
    ),
    "AudioWorklet.prototype.addModule = async () => { throw new DOMException('gone', 'AbortError'); }": (
        "the server has stopped: run the command again and open its new address"
    ),
}


@pytest.mark.parametrize(
    ("script", "words"), FAILURES.items(), ids=["denied", "none", "busy", "http", "rate", "server"]
)
def test_a_microphone_that_cannot_be_opened_is_one_line_and_the_camera_goes_on(
    open_page, hearing, microphone, clip, script, words
):
    with open_page(hearing, clip[0], microphone, **RECORDING) as visit:
        page = visit.page
        page.locator("#camera-button").click()
        expect_status(page, "Running on")
        page.evaluate(f"() => {{ {script}; }}")
        page.locator("#microphone-button").click()
        expect_status(page, words)
        predictions = page.evaluate("() => window.predictions.length")
        assert page.locator("#sound").is_hidden()
        assert page.locator("#microphone-button").get_attribute("aria-pressed") == "false"
        page.wait_for_function("(count) => window.predictions.length > count + 2", arg=predictions)
        if "failure" in script:
            page.evaluate("() => { window.failure = null; }")
            page.locator("#microphone-button").click()
            page.locator("#listening.live").wait_for()


def test_a_microphone_that_opens_after_it_was_stopped_is_released(open_page, hearing, microphone, clip):
    slow = """() => {
      const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        await new Promise((resolve) => setTimeout(resolve, wanted.audio ? 600 : 0));
        return open(wanted);
      };
    }"""
    with open_page(hearing, clip[0], microphone, **RECORDING) as visit:
        page = visit.page
        page.evaluate(slow)
        page.locator("#camera-button").click()
        expect_status(page, "Running on")
        page.locator("#microphone-button").click()
        page.locator("#listening", has_text="starting").wait_for()
        page.locator("#camera-button").click()
        expect_status(page, "The camera is off")
        page.wait_for_function("() => window.microphones.length === 1")
        page.wait_for_function("() => window.microphones[0].readyState === 'ended'")
        assert page.locator("#sound").is_hidden()
        assert page.evaluate("() => window.calls.filter(({ kind }) => kind === 'hear').length") == 0


def test_a_microphone_that_ends_is_reported(open_page, hearing, microphone, clip):
    with open_page(hearing, clip[0], microphone, **RECORDING) as visit:
        page = visit.page
        start(page)
        page.evaluate("() => window.microphones[0].dispatchEvent(new Event('ended'))")
        expect_status(page, "the microphone ended")
        assert released(page) and page.locator("#sound").is_hidden()
        assert "the microphone ended" in visit.events(ErrorReported, 1)[0].message


def test_the_page_of_a_network_without_a_sound_segment_has_no_button(open_page):
    with open_page("int8") as visit:
        assert visit.page.locator("#microphone-button").is_hidden() and visit.page.locator("#check-sound").is_hidden()


def test_the_self_check_contains_a_sound_and_timing_works(open_page, either):
    with open_page(either) as visit:
        page = visit.page
        page.locator("#tab-check").click()
        assert page.locator("#check-sound").is_visible()
        page.locator("#check-button").click()
        expect_status(page, "The self-check passed")
        (result,) = visit.events(SelfCheckResult, 1)
        expected = np.array(load(either).spec.check.logits)
        assert result.ok and np.shape(result.logits) == expected.shape
        frames = len(expected) - 1
        assert np.abs(np.array(result.logits) - expected).max() <= 1e-4 * np.ptp(expected)
        shown = page.locator("#check-results").inner_text().split()
        unit = "clips" if load(either).spec.hop else "frames"
        assert shown[shown.index(unit) + 1] == str(frames) and shown[shown.index("sounds") + 1] == "1"
        page.locator("#tab-timing").click()
        page.locator("#mode").select_option("rapid")
        page.locator("#timing-button").click()
        expect_status(page, "done, 1 of 1 repeats")
        assert visit.events(RepeatMeasured, 1)[0].checked


def test_a_sound_with_other_logits_fails_the_self_check(open_page, hearing, tmp_path):
    artifact = read_artifact(hearing)
    check = artifact.spec.check
    *rows, last = check.logits
    wrong = msgspec.structs.replace(check, logits=(*rows, tuple(value + 0.05 * check.span for value in last)))
    write_artifact(tmp_path / "a.tflite", artifact.body, msgspec.structs.replace(artifact.spec, check=wrong))
    with open_page(tmp_path / "a.tflite") as visit:
        visit.page.locator("#tab-check").click()
        visit.page.locator("#check-button").click()
        expect_status(visit.page, "The self-check FAILED")
        assert not visit.events(SelfCheckResult, 1)[0].ok


@pytest.mark.parametrize("size", [(390, 780), (780, 390), (320, 568)])
def test_the_sound_fits_the_screen(open_page, hearing, microphone, clip, size):
    width, height = size
    settings = {**RECORDING["settings"], "viewport": {"width": width, "height": height}}
    with open_page(hearing, clip[0], microphone, **{**RECORDING, "settings": settings}) as visit:
        page = visit.page
        start(page)
        wait_until_heard(page)
        screenshot(page, f"camera_listening_{width}x{height}.png")
        used = page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert used[0] <= width and used[1] <= height
        for name in ("microphone-button", "camera-button", "mirror-button", "sound-picture", "heard", "listening"):
            box = page.locator(f"#{name}").bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= height, name
        picture = page.locator("#picture").bounding_box()
        canvas = page.locator("#sound-picture").bounding_box()
        assert canvas["width"] > 50 and canvas["y"] + canvas["height"] <= picture["y"] + picture["height"]
        assert page.locator("#video").bounding_box()["width"] > 100
