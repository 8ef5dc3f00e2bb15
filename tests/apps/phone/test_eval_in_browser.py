"""``edgeshift eval --device browser``: the page in headless Chromium answers the clips of a data set."""

from __future__ import annotations

import json
import queue
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chromium import expect_status, new_page

from edgeshift.apps import phone
from edgeshift.apps.phone import ServerOptions
from edgeshift.cli import eval_browser, main

pytestmark = pytest.mark.slow
CLIPS = 20
#: Seconds without a request after which the server stops in these tests.
IDLE = 4.0


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """Return a data set of short drawn clips."""
    pytest.importorskip("cv2")
    from edgeshift.gestures.folder import Drawing, draw_folder
    from edgeshift.gestures.strokes import STROKES

    folder = tmp_path_factory.mktemp("drawn") / "clips"
    draw_folder(folder, Drawing(kind="clips", count=CLIPS, frames=6, seed=5, size=96, spacing=0.25, strokes=STROKES))
    return folder


@pytest.fixture
def start_eval(monkeypatch, shipped, drawn) -> Callable[..., SimpleNamespace]:
    """``start_eval("--out", path)`` runs the command in a thread. The result has ``url``, and later ``status``."""
    pages: queue.Queue[Any] = queue.Queue()
    monkeypatch.setattr(phone, "ServerOptions", lambda: ServerOptions(localhost=True, idle=IDLE))
    monkeypatch.setattr(eval_browser, "invite", lambda page, server, write: pages.put(page))

    def start(*arguments: object, data: Path = drawn) -> SimpleNamespace:
        running = SimpleNamespace(status=None)
        command = ["eval", shipped("int8"), "--data", data, "--device", "browser", *arguments]

        def run() -> None:
            try:
                main([str(word) for word in command])
            except SystemExit as ended:
                running.status = ended.code or 0

        running.thread = threading.Thread(target=run, daemon=True)
        running.thread.start()
        running.url = pages.get(timeout=120).url
        return running

    return start


def finish(running: SimpleNamespace) -> int:
    running.thread.join(120)
    assert not running.thread.is_alive()
    return int(running.status)


def wait_for_lines(page: Any, path: Path, count: int) -> None:
    for _ in range(200):
        if path.is_file() and len(path.read_text().splitlines()) >= count:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{path} does not get {count} lines")


def labels(report: Path) -> list[Any]:
    """Return all predictions for each clip."""
    return list(json.loads(report.read_text())["subjects"][0]["clips"])


@pytest.fixture(scope="module")
def python_report(shipped, drawn, tmp_path_factory) -> Path:
    """Return the report of Python on the same clips."""
    path = tmp_path_factory.mktemp("python") / "here.json"
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in ("eval", shipped("int8"), "--data", drawn, "--out", path)])
    assert not ended.value.code
    return path


def test_the_labels_of_twenty_clips_are_those_of_python(start_eval, browser_with, python_report, tmp_path, capsys):
    expected = labels(python_report)
    running = start_eval("--out", tmp_path / "phone.json")
    with new_page(browser_with()) as page:
        page.goto(running.url)
        expect_status(page, "all clips were run")
        assert finish(running) == 0
    assert len(expected) == CLIPS and labels(tmp_path / "phone.json") == expected
    assert len({clip["consensus"] for clip in expected}) > 3, "the clips show several gestures"
    subject = json.loads((tmp_path / "phone.json").read_text())["subjects"][0]
    assert "LiteRT.js" in subject["runtime"] and "in a browser on" in subject["runtime"]
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(python_report), str(tmp_path / "phone.json")])
    assert not ended.value.code, capsys.readouterr().err


def test_a_page_that_is_closed_loses_nothing_and_the_run_is_continued(
    start_eval, browser_with, python_report, tmp_path, capsys
):
    out = tmp_path / "phone.json"
    running = start_eval("--out", out)
    with new_page(browser_with()) as page:
        page.route("**/clip/8", lambda route: None)  # the page waits for this clip until it is closed
        page.goto(running.url)
        expect_status(page, "Accuracy: clip 8 ")
        wait_for_lines(page, out.with_suffix(".clips.jsonl"), 8)
    assert finish(running) == 2
    lines = capsys.readouterr().err.splitlines()
    (line,) = (line for line in lines if line.startswith("edgeshift: ") and "note" not in line)
    assert "did not come back" in line and f"8 of {CLIPS} clips" in line and "--resume" in line
    running = start_eval("--out", out, "--resume")
    fetched: list[str] = []
    with new_page(browser_with()) as page:
        page.on("request", lambda request: fetched.append(request.url) if "/clip/" in request.url else None)
        page.goto(running.url)
        expect_status(page, "all clips were run")
        assert finish(running) == 0
    assert len(fetched) == CLIPS - 8 + 1  # the last answer says that there are no more
    assert labels(out) == labels(python_report)


def test_a_page_that_is_opened_again_continues_and_an_unreadable_clip_is_listed(
    start_eval, browser_with, drawn, tmp_path
):
    data = shutil.copytree(drawn, tmp_path / "data")
    broken = max(data.glob("*/*"))
    broken.write_bytes(b"no video")
    running = start_eval("--out", tmp_path / "phone.json", data=data)
    with new_page(browser_with()) as page:
        page.route("**/clip/3", lambda route: None)
        page.goto(running.url)
        expect_status(page, "Accuracy: clip 3 ")
        page.unroute("**/clip/3")
        page.reload()
        expect_status(page, "all clips were run")
        assert finish(running) == 0
    (subject,) = json.loads((tmp_path / "phone.json").read_text())["subjects"]
    assert [clip["file"] for clip in subject["unreadable"]] == [str(broken.relative_to(data))]
    assert len(subject["clips"]) == CLIPS - 1
