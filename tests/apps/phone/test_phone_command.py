"""`edgeshift phone` without a browser: refused options, printed text, and reports made from a phone's messages."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pytest
from doubles import LABELS, SIZE, stream_spec, tensor
from phone_server import message, request

from edgeshift.apps import phone
from edgeshift.apps.phone import PageAddress, PageJob, ServerOptions, TimingFrames, read_phone_artifact
from edgeshift.apps.phone import files as files_module
from edgeshift.apps.phone.messages import ServerStopped, read_message
from edgeshift.benchmarks.latency import frames as frames_module
from edgeshift.benchmarks.latency.summary import summarize
from edgeshift.benchmarks.reports.documents import read_document
from edgeshift.cli import main
from edgeshift.cli.phone_report import browser_facts, browser_report
from edgeshift.cli.phone_visit import Visit, measure_in_browser
from edgeshift.cli.settings import mode_settings
from edgeshift.errors import ArtifactError, EdgeshiftError
from edgeshift.models.config import ModelConfig
from edgeshift.sound import SoundSettings

INT8: dict[str, Any] = {
    "precision": "int8",
    "input": tensor("frame", 1, SIZE, SIZE, 3, dtype="int8", scale=1.0, zero_point=-128),
}
HEARING = ModelConfig("tsam", "mobilenet_v2", len(LABELS), size=SIZE, sound=SoundSettings(seconds=1.0, frames=4))


@pytest.fixture(autouse=True)
def without_drawing(monkeypatch, fake_page) -> None:
    """Serve the fake page, with black frames for timing."""
    monkeypatch.setattr(files_module, "BUILT", fake_page)
    monkeypatch.setattr(frames_module, "read_frames", lambda *_: np.zeros((1, 4, 6, 3), np.uint8))


@pytest.fixture
def run(capsys) -> Callable[..., tuple[int, str, str]]:
    """``run("phone", ...)`` runs a command, and returns its exit status, stdout and stderr."""

    def run_command(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run_command


@pytest.fixture
def phone_sends(monkeypatch) -> Callable[..., None]:
    """``phone_sends(message, ...)`` sends these messages to the next server when it has started, as a phone would."""
    real_serve = phone.serve

    def prepare(*messages: bytes) -> None:
        def send_all(address: PageAddress) -> None:
            path = f"{urlsplit(address.url).path}post"
            headers = {"Content-Type": "application/json"}
            for body in messages:
                assert request(address.port, "POST", path, body, headers).status == 204

        def serve(artifact, job, frames, options, ready) -> Any:
            def ready_then_send(address: PageAddress) -> None:
                ready(address)
                threading.Thread(target=send_all, args=(address,)).start()

            return real_serve(artifact, job, frames, options, ready_then_send)

        monkeypatch.setattr(phone, "serve", serve)

    return prepare


def repeats(count: int = 3, **changes: Any) -> list[bytes]:
    return [message("repeat", repeat=index, **changes) for index in range(count)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (INT8, "frame is int8: convert with edgeshift convert tsm_mobilenet_v2 --target tflite --float-boundary"),
        ({**INT8, "model": HEARING}, "edgeshift convert --weights FILE.safetensors --target tflite --float-boundary"),
        ({"states": (tensor("state_level", 1, 1, 1, 3, dtype="int8"),)}, "state_level is int8"),
        ({"target": "executorch"}, "is for executorch"),
        (
            {"target": "executorch", "model": ModelConfig("adopted", "mine", len(LABELS), size=SIZE)},
            "edgeshift convert --network FILE.py:FUNCTION --target tflite",
        ),
        ({"state_form": "buffer"}, "states are not inputs"),
    ],
)
def test_an_artifact_that_browsers_cannot_run_is_refused_with_the_command_that_converts_one(
    run, make_artifact, changes, words
):
    path = make_artifact(**changes)
    status, out, err = run("phone", path)
    assert status == 2 and out == "" and words in err and "edgeshift convert" in err
    assert len(err.splitlines()) == 1
    with pytest.raises(ArtifactError):
        read_phone_artifact(path)


def test_an_artifact_whose_sounds_have_their_own_batch_norms_is_refused(run, make_artifact):
    sound = SoundSettings(seconds=1.0, frames=4, norms="separate")
    path = make_artifact(model=ModelConfig("tsam", "mobilenet_v2", len(LABELS), size=SIZE, sound=sound))
    status, out, err = run("phone", path)
    assert (
        (status, out, err.count("\n")) == (2, "", 1) and "train with --sound-norms shared" in err and str(path) in err
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "report.txt"], "named *.json"),
        (["--mode", "quick", "--fps", "30"], "--mode paced"),
        (["--mode", "paced", "--minutes", "3"], "--mode sustained"),
        (["--localhost", "--host", "127.0.0.1"], "--host has no effect with --localhost"),
        (["--host", "nowhere"], "IPv4"),
        (["--idle", "5"], "180"),
        (["--mode", "often"], "normal"),
    ],
)
def test_options_that_do_not_fit_are_refused(run, make_artifact, arguments, words):
    status, _, err = run("phone", make_artifact(), *arguments)
    assert status == 2 and words in err and "Traceback" not in err


def test_a_measurement_becomes_a_report_that_compare_accepts(run, phone_sends, make_artifact, tmp_path):
    phone_sends(message("page_opened"), message("self_check"), *repeats(), message("finished"))
    out = tmp_path / "phone.json"
    options = ("--mode", "quick", "--out", out, "--threads", 1, "--localhost")
    status, text, _ = run("phone", make_artifact(), *options)
    assert status == 0, text
    assert "Phone: A phone, 8 cores" in text and "self-check passed" in text and "not available in browsers" in text
    assert text.splitlines()[-1].startswith("next: edgeshift compare")
    report = read_document(out)
    assert report.device == "browser" and report.facts.board == "A phone" and report.facts.memory == 8 << 30
    (subject,) = report.subjects
    assert len(subject.repeats) == 3 and subject.lost is None and subject.repeats[0].checked is True
    assert subject.repeats[0].energy.reason == "not available in browsers"
    assert summarize(report)[0].validity.valid
    status, text, err = run("compare", out, out)
    assert status == 0, err
    assert "verdict" in text and "browser" not in err


def test_with_json_stdout_is_one_document_and_the_text_is_on_stderr(run, phone_sends, make_artifact):
    kinds = ("page_opened", "self_check", "detection", "camera_stopped", "error", "finished")
    phone_sends(*map(message, kinds))
    status, out, err = run("phone", make_artifact(), "--json", "--localhost")
    document = json.loads(out)
    assert status == 0 and document["reports"] == [] and document["checks"][0]["ok"]
    assert [event["label"] for event in document["events"]] == ["red"]
    assert document["browser"]["model"] == "A phone" and document["troubles"] == ["the page was hidden"]
    assert ">>> red" in err and re.search(r"Open http://localhost:\d+/", err)


def test_the_exit_status_is_1_if_the_self_check_fails(run, phone_sends, make_artifact):
    phone_sends(message("page_opened"), message("self_check", error=3.0, logits=[]), message("finished"))
    status, _, err = run("phone", make_artifact(), "--localhost")
    assert status == 1 and "self-check fails in the browser" in err and len(err.splitlines()) == 1


def test_an_incomplete_measurement_is_an_error_with_a_reason_and_its_repeats_are_in_the_report(
    run, phone_sends, make_artifact, tmp_path
):
    phone_sends(*map(message, ("page_opened", "repeat", "error", "finished")))
    out = tmp_path / "phone.json"
    status, _, err = run("phone", make_artifact(), "--mode", "quick", "--out", out, "--localhost")
    assert status == 2 and "is not complete: the page was hidden" in err
    report = read_document(out)
    assert report.subjects[0].lost == "the page was hidden" and len(report.subjects[0].repeats) == 1
    assert not summarize(report)[0].validity.valid


def test_bench_returns_the_complete_measurement_if_several_pages_were_opened(phone_sends, make_artifact):
    second = {"session": "3-4"}
    phone_sends(
        message("page_opened", model="First"),
        message("repeat"),
        message("page_opened", model="Second", **second),
        *repeats(run=6, **second),
        message("finished", **second),
    )
    options = ServerOptions(localhost=True, idle=20.0)
    report = measure_in_browser(make_artifact(), mode_settings("quick"), "cpu", options, lambda text: None)
    (subject,) = report.subjects
    assert len(subject.repeats) == 3 and subject.lost is None and report.facts.board == "Second"


def test_an_incomplete_measurement_belongs_to_the_phone_that_started_it(run, phone_sends, make_artifact, tmp_path):
    second = {"session": "3-4"}
    phone_sends(
        message("page_opened", model="First"),
        message("repeat"),
        message("error", message="the first was left"),
        message("error", message="no camera"),
        message("page_opened", model="Second", **second),
        message("error", message="of the second", **second),
        message("repeat", run=6, **second),
        message("finished", **second),
    )
    out = tmp_path / "phone.json"
    run("phone", make_artifact(), "--out", out, "--localhost")
    first, other = read_document(out), read_document(tmp_path / "phone_2.json")
    assert first.facts.board == "First" and first.subjects[0].lost == "the first was left"
    assert other.facts.board == "Second" and other.subjects[0].lost == "the phone did not come back"


def test_each_measurement_of_a_visit_has_its_own_file(run, phone_sends, make_artifact, tmp_path):
    paced = {"mode": "paced", "offered": 1800, "missed": 3, "seconds": 60.0}
    phone_sends(message("page_opened"), *repeats(run=1), *repeats(run=2, **paced), message("finished"))
    out = tmp_path / "phone.json"
    status, text, _ = run("phone", make_artifact(), "--out", out, "--localhost")
    assert status == 0, text
    assert read_document(out).settings.mode == "quick"
    other = read_document(tmp_path / "phone_2.json")
    assert other.settings.mode == "paced" and other.settings.fps == 30.0 and other.subjects[0].repeats[0].missed == 3


def test_a_mode_that_was_not_offered_is_refused(run, phone_sends, make_artifact):
    phone_sends(message("page_opened"), message("repeat", mode="often"))
    status, _, err = run("phone", make_artifact(), "--localhost")
    assert status == 2 and "often" in err and "bug" not in err


def test_the_report_names_the_backend_that_ran_the_graph(make_artifact):
    artifact = read_phone_artifact(make_artifact())
    page = read_message(message("page_opened", gpu="arm valhall", architecture=None))
    settings = mode_settings("sustained", minutes=2, threads=4)
    minutes = [{"minute": index, "steps": 900, "p50": 0.005, "p90": 0.006} for index in range(2)]
    changes = {"mode": "sustained", "accelerator": "webgpu", "precision": "fp16", "minutes": minutes, "seconds": 120.0}
    report = browser_report(artifact, page, settings, [read_message(message("repeat", **changes))])
    assert report.settings.threads == 1 and report.settings.options == {"accelerator": "webgpu", "gpu": "fp16"}
    assert report.facts.processor == "GPU: arm valhall"
    assert len(report.subjects[0].repeats[0].minutes) == 2
    assert msgspec.json.decode(msgspec.json.encode(report), type=type(report)) == report
    assert browser_facts(page).processor == "processor, which browsers do not name"


def test_modes_and_frames_are_checked(job, frames):
    with pytest.raises(EdgeshiftError, match="timing mode 'normal'"):
        PageJob(file="x", modes=job.modes, mode="normal")
    with pytest.raises(EdgeshiftError, match="uint8"):
        TimingFrames("drawn", frames.pixels.astype("float32"))
    with pytest.raises(EdgeshiftError, match="a phone takes at most"):
        TimingFrames("drawn", frames.pixels.repeat(1_000_000, axis=0))


def invitation(monkeypatch, path: Path, url: str, terminals: tuple[str, ...]) -> str:
    """Return the text that is printed when the server has started. ``terminals``: the outputs that are terminals."""
    pytest.importorskip("segno")
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(getattr(sys, name), "isatty", lambda name=name: name in terminals)

    def serve(artifact, job, frames, options, ready) -> Any:
        ready(PageAddress(url=url, port=8000, fingerprint="AA"))
        yield ServerStopped("idle")

    monkeypatch.setattr(phone, "serve", serve)
    lines: list[str] = []
    assert list(Visit(path, mode_settings, None, "cpu", lines.append).reports(ServerOptions())) == []
    return "\n".join(lines)


@pytest.mark.parametrize(("terminals", "where"), [(("stderr",), "stderr"), (("stdout",), "stdout"), ((), None)])
def test_the_qr_code_is_drawn_on_the_terminal(capsys, monkeypatch, make_artifact, terminals, where):
    """With ``--json > file`` or ``| tee``, stdout is not a terminal, so the code is drawn on stderr."""
    text = invitation(monkeypatch, make_artifact(), "https://192.168.1.20:8000/token/", terminals)
    out, err = capsys.readouterr()
    assert out == "" and ("\u2580" in err) == (where == "stderr")
    assert ("\u2580" in text) == (where == "stdout")


def test_the_qr_code_contains_the_address(monkeypatch, make_artifact):
    """Each character stands for two modules (squares) of the code, one above the other."""
    cv2 = pytest.importorskip("cv2")
    url = "https://192.168.100.200:54321/AbCdEfGhIjKlMnOpQrStUv/"
    text = invitation(monkeypatch, make_artifact(), url, ("stdout",))
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in text.splitlines() if line.startswith("\x1b")]
    assert len(lines) <= 22 and max(map(len, lines)) <= 80  # fits a terminal
    light = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}
    halves = np.array([[light[character] for character in line] for line in lines], np.uint8)
    modules = halves.transpose(0, 2, 1).reshape(2 * len(lines), -1)
    picture = np.pad(np.kron(255 * modules, np.ones((8, 8), np.uint8)).astype(np.uint8), 40, constant_values=255)
    assert cv2.QRCodeDetector().detectAndDecode(picture)[0] == url


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_accuracy_with_sound_is_refused_before_a_phone_is_invited(run, make_artifact, tmp_path, dtype):
    """Another conversion, which an int8 input would need in a browser, would not help."""
    frame = msgspec.structs.replace(stream_spec().input, dtype=dtype, zero_point=-128 if dtype == "int8" else 0)
    path = make_artifact(model=HEARING, input=frame)
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "a.mp4").write_bytes(b"not read")
    status, out, err = run("eval", path, "--data", tmp_path, "--device", "browser")
    assert (status, out) == (2, "") and "Scan" not in err
    assert (
        "the page runs clips without sound: leave out --device, to measure it on this machine" in err.splitlines()[-1]
    )
