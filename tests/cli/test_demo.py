"""``edgeshift demo`` as scripts use it: output, JSON lines, errors in one line, recordings, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from clip_doubles import clip_model
from doubles import LABELS, frames, model, stream_spec

from edgeshift.artifact.description import RuleSpec
from edgeshift.video.clips import read_video, write_video

RULE = RuleSpec(window=2, threshold=0.4, hold_off=0.0)


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """Make every path load as an artifact with the small network of ``doubles``, which has colours as labels."""
    from edgeshift.apps.camera.engine import session

    spec = stream_spec(rule=RULE, frame_spacing=0.1)
    monkeypatch.setattr(session, "load", lambda *_, **__: model(spec))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def clip(fake):
    path = fake / "clip.mp4"
    write_video(path, [frame for frame in frames(10, height=48, width=64) for _ in range(5)], 25)  # two seconds
    return path


def lines(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_clip_runs_as_fast_as_the_model_can(run, clip):
    status, out, err = run("demo", "a.tflite", "--source", clip, "--headless")
    assert (status, err) == (0, "")
    assert "20 steps on" in out and "30 frames not due" in out and ">>> " in out
    assert out.splitlines()[-1] == "next: edgeshift verify a.tflite"
    status, out, err = run("demo", "a.tflite", "--source", clip, "--headless", "--json")
    report = json.loads(out)
    assert (status, err) == (0, "") and report["steps"] == 20 and report["skipped"] == 30
    figures = {"steps", "skipped", "labels", "events", "milliseconds"}
    assert set(report) == {"runtime", "ran_on", "trained", "notes", *figures}


@pytest.fixture
def clip_form(fake, monkeypatch):
    """Make every path load as a clip artifact, which takes 4 frames and answers every 2 frames."""
    from edgeshift.apps.camera.engine import session

    monkeypatch.setattr(session, "load", lambda *_, **__: clip_model(rule=RULE, frame_spacing=0.1)[0])


def test_a_clip_artifact_answers_at_every_hop(run, clip, clip_form):
    status, out, err = run("demo", "a.tflite", "--source", clip, "--headless")
    assert (status, err) == (0, "") and "9 answers on" in out and "30 frames not due" in out


@pytest.mark.parametrize("form", [(), ("--json",), ("--json-lines",)])
def test_a_clip_with_too_few_due_frames_for_an_answer_is_reported(run, clip, clip_form, form):
    status, out, err = run("demo", "a.tflite", "--source", clip, "--headless", "--seconds", "0.3", *form)
    assert status == 0 and ">>>" not in out
    wanted = "gave 3 due frames, one every 0.1 s, and this clip artifact needs 4: use a longer clip, or run for longer"
    assert wanted in err and err.count("\n") == 1


def test_json_lines_of_a_clip_are_its_events(run, clip):
    _, out, _ = run("demo", "a.tflite", "--source", clip, "--headless", "--json")
    wanted = [(event["label"], round(event["timestamp"], 3)) for event in json.loads(out)["events"]]
    status, out, err = run("demo", "a.tflite", "--source", clip, "--headless", "--json-lines")
    emitted = lines(out)
    assert (status, err) == (0, "") and wanted
    assert emitted[0]["event"] == "start" and emitted[-1]["event"] == "summary"
    assert [(line["label"], line["time"]) for line in emitted[1:-1]] == wanted


def test_realtime_plays_a_clip_at_its_speed_with_json_lines(run, clip):
    begin = time.monotonic()
    status, out, err = run("demo", "a.tflite", "--source", clip, "--headless", "--realtime")
    emitted = lines(out)
    assert (status, err) == (0, "") and time.monotonic() - begin >= 1.9
    assert emitted[0]["event"] == "start" and emitted[-1]["event"] == "summary"
    assert emitted[-1]["steps"] + emitted[-1]["dropped"] >= 15  # type: ignore[operator]
    status, out, _ = run("demo", "a.tflite", "--source", clip, "--headless", "--realtime", "--json")
    assert status == 0 and json.loads(out)["source"] == str(clip)


def test_seconds_smoothing_and_mask_change_steps_and_events(run, clip):
    command = ("demo", "a.tflite", "--source", clip, "--headless", "--json")
    assert json.loads(run(*command, "--seconds", 1)[1])["steps"] == 10
    everything = json.loads(run(*command, "--smoothing", "none")[1])["events"]
    labels = {event["label"] for event in everything}
    assert len(labels) > 1
    masked = json.loads(run(*command, "--smoothing", "none", "--mask", f"{min(labels)}, ")[1])["events"]
    assert {event["label"] for event in masked} == labels - {min(labels)}


def test_mirror_and_rotate_reach_the_model(monkeypatch, run, clip):
    from edgeshift.apps.camera.engine.session import Session

    shapes, real = [], Session.step
    monkeypatch.setattr(Session, "step", lambda self, timed: (shapes.append(timed.frame.shape), real(self, timed))[1])
    run("demo", "a.tflite", "--source", clip, "--headless", "--rotate", 90, "--mirror")
    assert set(shapes) == {(64, 48, 3)}


def test_a_recording_shows_the_whole_clip(run, clip, fake):
    status, out, err = run("demo", "a.tflite", "--source", clip, "--headless", "--record", "out.mp4")
    assert status == 0 and err == "edgeshift: written: out.mp4\n" and "steps" in out
    recorded = list(read_video(fake / "out.mp4"))
    assert len(recorded) == pytest.approx(40, abs=1)  # two seconds with 20 frames per second
    assert recorded[0].frame.shape[0] > 480  # the enlarged frame and the panel below it
    status, out, _ = run("demo", "a.tflite", "--source", clip, "--headless", "--record", "o.avi", "--size", "320x240")
    assert status == 0 and next(read_video(fake / "o.avi")).frame.shape == (240, 320, 3)


def test_actions_of_a_clip_are_started(run, clip, fake):
    code = "import os, sys; open(os.environ['EDGESHIFT_LABEL'], 'a').write('x')"
    on = [argument for label in LABELS for argument in ("--on", f'{label}={sys.executable} -c "{code}"')]
    _, out, _ = run("demo", "a.tflite", "--source", clip, "--headless", "--json", "--every", 0.01, *on)
    announced = {event["label"] for event in json.loads(out)["events"]}
    end = time.monotonic() + 10
    while {path.name for path in fake.iterdir()} & set(LABELS) != announced:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_raw_stream_needs_its_frame_rate(run, fake):
    """A frame rate that is assumed silently would feed frames at another spacing than in training."""
    Path("pi.h264").write_bytes(b"\0\0\0\x01\x67\x64\0\x1f" + bytes(100))
    status, out, err = run("demo", "a.tflite", "--headless", "--source", "pi.h264")
    words = (
        "edgeshift: pi.h264 is a raw stream of frames, which have no times: give their frames per second with --fps\n"
    )
    assert (status, out, err) == (2, "", words)
    assert "--fps" not in run("demo", "a.tflite", "--headless", "--source", "pi.h264", "--fps", "30").err


BAD = {
    "no file": (["demo"], "Missing argument"),
    "camera": (["demo", "a", "--headless", "--source", "97"], "camera /dev/video97 cannot be opened"),
    "device": (["demo", "a", "--headless", "--source", "/dev/video96"], "camera /dev/video96 cannot be opened"),
    "clip": (["demo", "a", "--headless", "--source", "no.mp4"], "no.mp4 is no file, folder, camera"),
    "live clip": (["demo", "a", "--headless", "--realtime", "--source", "no.mp4"], "no.mp4 is no file, folder, camera"),
    "folder": (["demo", "a", "--headless", "--source", "."], "have no times: give their frames per second with --fps"),
    "fps": (["demo", "a", "--headless", "--fps", "12"], "--fps has no effect on drawn, only on a folder"),
    "smoothing": (["demo", "a", "--headless", "--smoothing", "men"], "did you mean mean?"),
    "mask": (["demo", "a", "--headless", "--mask", "rad"], "--mask: unknown label 'rad'; did you mean red?"),
    "label": (["demo", "a", "--headless", "--on", "rad=true"], "--on: unknown label 'rad'; did you mean red?"),
    "command": (["demo", "a", "--headless", "--on", "red=no-such-thing"], "no program 'no-such-thing'"),
    "capture": (["demo", "a", "--source", "0", "--headless", "--capture", "big"], "such as 640x480@30"),
    "size": (["demo", "a", "--headless", "--record", "a.mp4", "--size", "big"], "such as 800x480"),
    "tiny": (["demo", "a", "--headless", "--record", "a.mp4", "--size", "64x48"], "out of range"),
    "record": (["demo", "a", "--headless", "--record", "a.gif"], "a.gif: give a file named *.mp4 or *.avi"),
    "picture": (["demo", "a", "--headless", "--picture", "a.gif"], "a.gif: give a file named *.png or *.jpg"),
    "live picture": (
        ["demo", "a", "--headless", "--realtime", "--picture", "a.png"],
        "--picture has no effect with --realtime",
    ),
    "two forms": (["demo", "a", "--headless", "--json", "--json-lines"], "--json-lines has no effect with --json"),
    "two artifacts": (["demo", "a", "b", "--headless"], "switched with a key of the window"),
    "no screen": (["demo", "a"], "no window can be opened: there is no display here"),
    "rotate": (["demo", "a", "--rotate", "45"], "Invalid value"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_usage_is_one_line_and_status_2(run, fake, monkeypatch, name):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    arguments, message = BAD[name]
    status, out, err = run(*arguments)
    assert status == 2 and message in err
    assert "Traceback" not in err and len(err.strip().splitlines()) == 1
    assert not [line for line in out.splitlines() if "steps" in line] and not list(fake.iterdir())


def test_untrained_weights_are_reported(run, clip):
    status, out, _ = run("demo", "a.tflite", "--source", clip, "--headless")
    assert status == 0 and out.startswith("untrained: its labels mean nothing")
    _, out, _ = run("demo", "a.tflite", "--source", clip, "--headless", "--json-lines")
    assert lines(out)[0]["trained"] is False


#: A program that runs the command with the same double of an artifact.
PROGRAM = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores SIGINT
sys.path.insert(0, sys.argv[1])
from doubles import model, stream_spec
from edgeshift.apps.camera.engine import session
from edgeshift.cli import main
session.load = lambda *_, **__: model(stream_spec(frame_spacing=0.1))
main(sys.argv[2:])
"""


def start_demo(*options: object) -> subprocess.Popen[str]:
    """Start the headless demo with these options in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, Path(__file__).parents[1], "demo", "a.tflite", "--headless", *options]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pipe = subprocess.PIPE
    return subprocess.Popen(list(map(str, command)), stdout=pipe, stderr=pipe, text=True, env=environ)


def stop(process: subprocess.Popen[str], number: int) -> dict[str, object]:
    """Send a signal after the first detection, and return the summary, which is the last line of the output."""
    assert process.stdout is not None
    next(line for line in process.stdout if json.loads(line)["event"] == "gesture")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    summary = lines(out)[-1]
    assert summary["event"] == "summary"
    return summary


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_live_run_with_its_summary(fake, clip, number):
    summary = stop(start_demo("--source", clip, "--realtime", "--repeat", "--record", "out.mp4"), number)
    assert summary["recorded"] == ["out.mp4"] and list(read_video(fake / "out.mp4"))


def test_ctrl_c_ends_a_clip_with_its_summary(fake, tmp_path):
    write_video(tmp_path / "long.mp4", (np.full((48, 64, 3), index % 250, np.uint8) for index in range(20_000)), 10)
    process = start_demo("--source", tmp_path / "long.mp4", "--json-lines", "--smoothing", "none")
    assert 0 < stop(process, signal.SIGINT)["steps"] < 20_000  # type: ignore[operator]


def test_a_pipe_that_ends_early_is_no_error(fake, clip):
    process = start_demo("--source", clip, "--realtime", "--repeat")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    with process.stderr as err:
        assert err.read() == ""
    assert process.wait(30) == 0


@pytest.mark.slow
def test_the_shipped_weights_detect_the_gestures_of_the_script(run):
    """Compare the detections of the shipped network in a drawn stream with the gestures that were drawn."""
    pytest.importorskip("torch", reason="the checkpoint is run by PyTorch")
    pytest.importorskip("safetensors")
    from edgeshift.events.score import match_events
    from edgeshift.events.spotter import Detection
    from edgeshift.gestures import parse_script
    from edgeshift.gestures.demo_stream import SCRIPT, SEED
    from edgeshift.gestures.draw import stream_events
    from edgeshift.weights import shipped

    status, out, err = run("demo", shipped("tsm_mobilenet_v2"), "--headless", "--json-lines")
    emitted = lines(out)
    assert (status, err) == (0, "")
    detections = [
        Detection(line["label"], line["score"], line["time"]) for line in emitted if line["event"] == "gesture"
    ]  # type: ignore[arg-type]
    script = stream_events(SEED, parse_script(SCRIPT))
    score = match_events(detections, script, emitted[-1]["steps"] * 0.25)  # type: ignore[operator]
    assert [detection.label for detection in detections] == [event.label for event in script] and len(script) == 6
    assert score.right == 6 and score.false == 0
    # A live run gets twice as many frames per second, and detects the first gesture as well.
    status, out, _ = run("demo", shipped("tsm_mobilenet_v2"), "--headless", "--realtime", "--seconds", 6)
    live = [line for line in lines(out) if line["event"] == "gesture"]
    assert status == 0 and [line["label"] for line in live] == [script[0].label]
    assert live[0]["time"] == pytest.approx(detections[0].timestamp, abs=0.51)
