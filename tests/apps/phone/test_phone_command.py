"""`edgeshift phone` without a browser: what it refuses, what it says, and the report that it makes of what was sent."""

from __future__ import annotations

import http.client
import json
import re
import sys
import threading
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from doubles import SIZE, tensor

from edgeshift.apps.phone import files as files_module
from edgeshift.apps.phone import read_phone_artifact
from edgeshift.apps.phone.messages import read_message
from edgeshift.benchmarks.latency.summary import summarize
from edgeshift.benchmarks.reports.documents import read_document
from edgeshift.cli import main
from edgeshift.cli.phone_report import browser_facts, browser_report
from edgeshift.cli.settings import mode_settings
from edgeshift.errors import ArtifactError, EdgeshiftError


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


INT8: dict[str, Any] = {
    "precision": "int8",
    "input": tensor("frame", 1, SIZE, SIZE, 3, dtype="int8", scale=1.0, zero_point=-128),
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (INT8, "frame is int8: edgeshift convert tsm_mobilenet_v2 --target tflite --float-boundary"),
        ({"states": (tensor("state_level", 1, 1, 1, 3, dtype="int8"),)}, "state_level is int8"),
        ({"target": "executorch"}, "is for executorch"),
        ({"state_form": "buffer"}, "states are not inputs"),
    ],
)
def test_what_browsers_cannot_run_is_refused_with_the_command_that_helps(capsys, written, changes, words):
    path = written(**changes)
    status, out, err = run(capsys, "phone", path)
    assert status == 2 and out == "" and words in err and "edgeshift convert" in err
    assert len(err.splitlines()) == 1
    with pytest.raises(ArtifactError):
        read_phone_artifact(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "report.txt"], "named *.json"),
        (["--mode", "quick", "--fps", "30"], "--mode paced"),
        (["--mode", "paced", "--minutes", "3"], "--mode sustained"),
        (["--localhost", "--host", "127.0.0.1"], "leave --host out"),
        (["--host", "nowhere"], "IPv4"),
        (["--idle", "5"], "180"),
        (["--mode", "often"], "normal"),
    ],
)
def test_options_that_make_no_sense_are_refused(capsys, written, stand_in, monkeypatch, arguments, words):
    monkeypatch.setattr(files_module, "BUILT", stand_in)
    status, _, err = run(capsys, "phone", written(), *arguments)
    assert status == 2 and words in err and "Traceback" not in err


def phone(url: str, posts: list[bytes], answers: list[int]) -> None:
    parts = urlsplit(url)
    for body in posts:
        connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=10)
        connection.request("POST", f"{parts.path}post", body, {"Content-Type": "application/json"})
        answers.append(connection.getresponse().status)
        connection.close()


def served(capsys, monkeypatch, stand_in, posts: list[bytes], *arguments: object) -> tuple[int, str, str]:
    """Run the command while a thread posts what a phone would."""
    pytest.importorskip("cv2", reason="drawing frames needs OpenCV")
    from edgeshift.cli.phone_visit import Visit

    invite, threads, answers = Visit._invite, [], []

    def invited(self, site, reach):
        invite(self, site, reach)
        threads.append(threading.Thread(target=phone, args=(site.url, posts, answers)))
        threads[0].start()

    monkeypatch.setattr(Visit, "_invite", invited)
    monkeypatch.setattr(files_module, "BUILT", stand_in)
    found = run(capsys, "phone", *arguments, "--localhost")
    threads[0].join(10)
    assert set(answers) == {204}
    return found


def test_a_measurement_becomes_a_report_that_compares(capsys, monkeypatch, written, stand_in, post, tmp_path):
    repeats = [post("repeat", repeat=repeat) for repeat in range(3)]
    posts = [post("page_opened"), post("self_check"), *repeats, post("finished")]
    out = tmp_path / "phone.json"
    status, text, _ = served(
        capsys, monkeypatch, stand_in, posts, written(), "--mode", "quick", "--out", out, "--threads", 1
    )
    assert status == 0, text
    assert "Phone: A phone, 8 cores" in text and "self-check passed" in text and "not available in browsers" in text
    assert text.splitlines()[-1].startswith("next: edgeshift compare")
    report = read_document(out)
    assert report.device == "browser" and report.facts.board == "A phone" and report.facts.memory == 8 << 30
    (subject,) = report.subjects
    assert len(subject.repeats) == 3 and subject.lost is None and subject.repeats[0].checked is True
    assert subject.repeats[0].energy.reason == "not available in browsers"
    assert summarize(report)[0].validity.valid
    status, text, err = run(capsys, "compare", out, out)
    assert status == 0, err
    assert "verdict" in text and "browser" not in err


def test_json_is_one_document_and_the_rest_is_on_stderr(capsys, monkeypatch, written, stand_in, post):
    posts = [
        post("page_opened"),
        post("self_check"),
        post("detection"),
        post("camera_stopped"),
        post("error"),
        post("finished"),
    ]
    status, out, err = served(capsys, monkeypatch, stand_in, posts, written(), "--json")
    document = json.loads(out)
    assert status == 0 and document["reports"] == [] and document["checks"][0]["ok"]
    assert [event["label"] for event in document["events"]] == ["red"]
    assert document["browser"]["model"] == "A phone" and document["troubles"] == ["the page was left"]
    assert ">>> red" in err and re.search(r"Open http://localhost:\d+/", err)


def test_a_check_that_fails_is_exit_status_1(capsys, monkeypatch, written, stand_in, post):
    posts = [post("page_opened"), post("self_check", error=3.0, logits=[]), post("finished")]
    status, _, err = served(capsys, monkeypatch, stand_in, posts, written())
    assert status == 1 and "self-check fails in the browser" in err and len(err.splitlines()) == 1


def test_a_measurement_that_broke_off_says_why_and_is_kept(capsys, monkeypatch, written, stand_in, post, tmp_path):
    posts = [post("page_opened"), post("repeat"), post("error"), post("finished")]
    out = tmp_path / "phone.json"
    status, _, err = served(capsys, monkeypatch, stand_in, posts, written(), "--mode", "quick", "--out", out)
    assert status == 2 and "not measured to its end: the page was left" in err
    report = read_document(out)
    assert report.subjects[0].lost == "the page was left" and len(report.subjects[0].repeats) == 1
    assert not summarize(report)[0].validity.valid


def visited(capsys, monkeypatch, stand_in, posts: list[bytes], path) -> Any:
    """What `edgeshift bench --device browser` gets, while a thread posts what phones would."""
    pytest.importorskip("cv2", reason="drawing frames needs OpenCV")
    from edgeshift.apps.phone import ServerOptions
    from edgeshift.cli.phone_visit import measure_in_browser

    monkeypatch.setattr(files_module, "BUILT", stand_in)
    answers: list[int] = []

    def say(text: str) -> None:
        if "http://" in text and "adb" not in text:
            threading.Thread(target=phone, args=(text.split()[-1], posts, answers)).start()

    reach = ServerOptions(localhost=True, idle=20.0)
    return measure_in_browser(path, mode_settings("quick"), "cpu", reach, say)


def test_the_run_that_was_finished_wins_over_those_that_broke_off(capsys, monkeypatch, written, stand_in, post):
    """A page that was opened again has a name of its own; its runs are its phone's."""
    again = {"session": "3-4", "run": 6}
    posts = [post("page_opened", model="First"), post("repeat"), post("page_opened", model="Second", session="3-4")]
    posts += [post("repeat", repeat=repeat, **again) for repeat in range(3)]
    report = visited(capsys, monkeypatch, stand_in, [*posts, post("finished", session="3-4")], written())
    (subject,) = report.subjects
    assert len(subject.repeats) == 3 and subject.lost is None and report.facts.board == "Second"


def test_what_broke_off_belongs_to_the_phone_that_began_it(capsys, monkeypatch, written, stand_in, post, tmp_path):
    other = {"session": "3-4"}
    posts = [post("page_opened", model="First"), post("repeat"), post("error", message="the first was left")]
    posts += [post("error", message="no camera"), post("page_opened", model="Second", **other)]
    posts += [post("error", message="of the second", **other), post("repeat", run=6, **other)]
    out = tmp_path / "phone.json"
    served(capsys, monkeypatch, stand_in, [*posts, post("finished", **other)], written(), "--out", out)
    first, second = read_document(out), read_document(tmp_path / "phone_2.json")
    assert first.facts.board == "First" and first.subjects[0].lost == "the first was left"
    assert second.facts.board == "Second" and second.subjects[0].lost == "the phone did not come back"


@pytest.mark.parametrize(("terminals", "where"), [(("stderr",), "stderr"), (("stdout",), "said"), ((), None)])
def test_the_code_is_drawn_where_there_is_a_terminal(capsys, monkeypatch, written, terminals, where):
    """stdout is none with `--json > x` and with `| tee`: it is stderr's then."""
    pytest.importorskip("segno")
    from edgeshift.apps.phone import PageAddress, ServerOptions
    from edgeshift.cli.phone_visit import Visit

    for name in ("stdout", "stderr"):
        monkeypatch.setattr(getattr(sys, name), "isatty", lambda name=name: name in terminals)
    said: list[str] = []
    visit = Visit(written(), mode_settings, None, "cpu", said.append)
    visit._invite(PageAddress(url="https://192.168.1.20:8000/token/", port=8000, fingerprint="AA"), ServerOptions())
    out, err = capsys.readouterr()
    assert out == "" and ("\u2580" in err) == (where == "stderr")
    assert ("\u2580" in "".join(said)) == (where == "said")


def test_each_measurement_of_a_visit_has_a_file(capsys, monkeypatch, written, stand_in, post, tmp_path):
    paced = {"mode": "paced", "offered": 1800, "missed": 3, "seconds": 60.0}
    posts = [post("page_opened")]
    posts += [post("repeat", run=1, repeat=repeat) for repeat in range(3)]
    posts += [post("repeat", run=2, repeat=repeat, **paced) for repeat in range(3)]
    out = tmp_path / "phone.json"
    status, text, _ = served(capsys, monkeypatch, stand_in, [*posts, post("finished")], written(), "--out", out)
    assert status == 0, text
    assert read_document(out).settings.mode == "quick"
    other = read_document(tmp_path / "phone_2.json")
    assert other.settings.mode == "paced" and other.settings.fps == 30.0 and other.subjects[0].repeats[0].missed == 3


def test_a_mode_that_was_not_offered_is_not_believed(capsys, monkeypatch, written, stand_in, post):
    posts = [post("page_opened"), post("repeat", mode="often")]
    status, _, err = served(capsys, monkeypatch, stand_in, posts, written())
    assert status == 2 and "often" in err and "bug" not in err


def test_what_ran_in_truth_is_in_the_report(written, post):
    artifact = read_phone_artifact(written())
    hello = read_message(post("page_opened", gpu="arm valhall", architecture=None))
    settings = mode_settings("sustained", minutes=2, threads=4)
    minutes = [{"minute": index, "steps": 900, "p50": 0.005, "p90": 0.006} for index in range(2)]
    measured = read_message(
        post("repeat", mode="sustained", accelerator="webgpu", precision="fp16", minutes=minutes, seconds=120.0)
    )
    report = browser_report(artifact, hello, settings, [measured])
    assert report.settings.threads == 1 and report.settings.options == {"accelerator": "webgpu", "gpu": "fp16"}
    assert report.facts.processor == "GPU: arm valhall"
    assert len(report.subjects[0].repeats[0].minutes) == 2
    assert msgspec.json.decode(msgspec.json.encode(report), type=type(report)) == report
    assert browser_facts(hello).processor == "processor, which browsers do not name"


def test_frames_and_modes_are_checked(job, frames):
    from edgeshift.apps.phone import PageJob, TimingFrames

    with pytest.raises(EdgeshiftError, match="timing mode 'normal'"):
        PageJob(file="x", modes=job.modes, mode="normal")
    with pytest.raises(EdgeshiftError, match="uint8"):
        TimingFrames("drawn", frames.pixels.astype("float32"))
    with pytest.raises(EdgeshiftError, match="a phone takes at most"):
        TimingFrames("drawn", frames.pixels.repeat(1_000_000, axis=0))


def test_the_code_in_the_terminal_is_the_address():
    """Read back as a camera would: each character is two modules, one above the other."""
    pytest.importorskip("segno")
    cv2 = pytest.importorskip("cv2")
    import numpy as np

    from edgeshift.cli.phone_visit import draw_code

    url = "https://192.168.100.200:54321/AbCdEfGhIjKlMnOpQrStUv/"
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in draw_code(url).splitlines()]
    assert len(lines) <= 22 and max(map(len, lines)) <= 80  # fits a terminal
    light = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}
    halves = np.array([[light[one] for one in line] for line in lines], np.uint8)
    modules = halves.transpose(0, 2, 1).reshape(2 * len(lines), -1)
    picture = np.pad(np.kron(255 * modules, np.ones((8, 8), np.uint8)).astype(np.uint8), 40, constant_values=255)
    assert cv2.QRCodeDetector().detectAndDecode(picture)[0] == url
