"""Fixtures for tests without a phone: small artifacts, a fake page, and the real page in headless Chromium."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from chromium import FLAGS, FPS, MODES, SCRIPT, expect_status, new_page
from doubles import stream_spec
from phone_server import RunningServer
from python_copies import TYPESCRIPT

from edgeshift.apps.phone import PageJob, TimingFrames, TimingPlan, read_phone_artifact
from edgeshift.apps.phone.files import BUILT
from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.file import write_artifact
from edgeshift.artifact.spec import CheckSpec


@pytest.fixture
def make_artifact(tmp_path) -> Callable[..., Path]:
    """``make_artifact(input=...)`` writes an artifact without a usable graph, with these fields in its description."""

    def make(name: str = "gestures.tflite", **changes: Any) -> Path:
        path = tmp_path / name
        rule = RuleSpec(window=3, threshold=0.5)
        check = CheckSpec(seed=7, logits=((0.0, 1.0, 2.0, 3.0),) * 2)
        fields: dict[str, Any] = {"target": "tflite", "rule": rule, "check": check, **changes}
        write_artifact(path, b"no graph", stream_spec(**fields))
        return path

    return make


@pytest.fixture
def artifact(make_artifact):
    return read_phone_artifact(make_artifact())


@pytest.fixture
def job() -> PageJob:
    plan = TimingPlan(steps=128, seconds=10.0, repeats=3)
    return PageJob(file="gestures.tflite", modes={"quick": plan}, mode="quick")


@pytest.fixture
def frames() -> TimingFrames:
    return TimingFrames("drawn", np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3))


@pytest.fixture
def fake_page(tmp_path) -> Path:
    """A folder like the one that `make phone` writes."""
    folder = tmp_path / "built"
    (folder / "page").mkdir(parents=True)
    (folder / "litert").mkdir()
    (folder / "index.html").write_text("<!doctype html><p>a page")
    (folder / "page" / "index.js.gz").write_bytes(gzip.compress(b"let page = 1;"))
    (folder / "litert" / "runtime.wasm.gz").write_bytes(gzip.compress(b"\0asm"))
    (folder / "page" / "index.js.map").write_text("{}")
    return folder


@pytest.fixture
def start_server(artifact, job, frames, fake_page) -> Callable[..., RunningServer]:
    """``start_server(idle=...)`` starts a server of the fake page, with these ``ServerOptions``."""
    return lambda **options: RunningServer(artifact, job, frames, fake_page, **options)


@pytest.fixture
def server(start_server) -> Iterator[RunningServer]:
    with start_server() as running:
        yield running


@pytest.fixture(scope="session")
def run_typescript(tmp_path_factory) -> Callable[..., Any]:
    """``run_typescript("return page.percentile(...)", **values)`` runs JavaScript code in Node and returns its result.

    In the code, ``page`` contains the functions of the page, and the values are variables.
    """
    node = shutil.which("node")
    if node is None or not TYPESCRIPT.is_file():
        pytest.skip("needs Node, and `make phone`")
    script = tmp_path_factory.mktemp("typescript") / "script.mjs"

    def run(code: str, **values: Any) -> Any:
        script.write_text(
            f"import * as page from {json.dumps(TYPESCRIPT.as_uri())};\n"
            "import { readFileSync } from 'node:fs';\n"
            f"const {{ {', '.join(values)} }} = JSON.parse(readFileSync(0, 'utf8'));\n"
            f"const result = await (async () => {{ {code} }})();\n"
            "process.stdout.write(JSON.stringify(result));\n"
        )
        result = subprocess.run([node, script], input=msgspec.json.encode(values), capture_output=True, timeout=120)
        assert result.returncode == 0, result.stderr.decode()
        return json.loads(result.stdout)

    return run


@pytest.fixture(scope="module")
def browser_with() -> Iterator[Callable[..., Any]]:
    """``browser_with(*flags)`` returns headless Chromium. The tests of a module share one for each set of flags."""
    driver = pytest.importorskip("playwright.sync_api", reason="needs playwright, which drives a browser")
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("needs Chromium")
    if not (BUILT / "index.html").is_file():
        pytest.skip("the page was not built: `make phone`")
    with driver.sync_playwright() as playwright:
        browsers: dict[tuple[str, ...], Any] = {}

        def browser(*flags: str) -> Any:
            if flags not in browsers:
                # Chromium's sandbox does not work for root and in some containers. Only edgeshift's pages are opened.
                browsers[flags] = playwright.chromium.launch(
                    executable_path=executable, args=[*FLAGS, *flags], chromium_sandbox=False
                )
            return browsers[flags]

        yield browser
        for opened in browsers.values():
            opened.close()


@pytest.fixture(scope="session")
def shipped(made, tmp_path_factory) -> Callable[[str], Path]:
    """``shipped("int8")`` returns the path of an artifact of the shipped weights, with float inputs and outputs."""
    folder = tmp_path_factory.mktemp("shipped")

    def make(precision: str) -> Path:
        path = folder / f"gestures_{precision}.tflite"
        if not path.exists():
            boundary = {"float_boundary": True} if precision == "int8" else {}
            shutil.copy(made("shipped", precision, **boundary).path, path)
        return path

    return make


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> tuple[str, list[Any]]:
    """The flag with which Chromium plays a drawn clip in place of a camera, and the frames of the clip."""
    cv2 = pytest.importorskip("cv2")
    from edgeshift.gestures import draw_stream, parse_script

    frames = list(draw_stream(960_000_003, parse_script(SCRIPT), size=240, spacing=1 / FPS).frames)
    path = tmp_path_factory.mktemp("clip") / "clip.y4m"
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W240 H240 F{FPS}:1 Ip A1:1 C420\n".encode())
        for frame in frames:
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())
    return f"--use-file-for-fake-video-capture={path}", frames


@pytest.fixture(scope="session")
def timing_frames() -> TimingFrames:
    pytest.importorskip("cv2")
    from edgeshift.benchmarks.latency.frames import read_frames

    return TimingFrames("drawn", read_frames("drawn", 640, 480))


@pytest.fixture
def open_page(browser_with, shipped, timing_frames) -> Callable[..., Any]:
    """``with open_page("int8") as visit`` opens the page in Chromium; ``visit`` has the page and the server's events.

    The first argument is a precision of the shipped weights, or the path of an artifact; the others are flags of
    Chromium. ``job`` and ``options`` change fields of ``PageJob`` and ``ServerOptions``, and ``settings`` those of the
    browser, such as the viewport. ``before`` is called with the page before it is loaded.
    """

    @contextmanager
    def open_served_page(
        source: str | Path, *flags: str, job: Any = None, settings: Any = None, before: Any = None, **options: Any
    ) -> Iterator[SimpleNamespace]:
        path = source if isinstance(source, Path) else shipped(source)
        page_job = PageJob(file=path.name, modes=MODES, **(job or {}))
        options = {"idle": 200.0, **options}
        server = RunningServer(read_phone_artifact(path), page_job, timing_frames, None, **options)

        def events(kind: type, count: int = 0) -> list[Any]:
            """Return the events of a kind, after at most 30 s of waiting for ``count`` of them."""
            end = monotonic() + 30
            while True:
                received = [event for event in server.events if isinstance(event, kind)]
                if len(received) >= count or monotonic() > end:
                    return received
                sleep(0.02)

        with new_page(browser_with(*flags), **(settings or {})) as page:
            if before is not None:
                before(page)
            page.goto(server.address.url)
            if page_job.mode is None:
                expect_status(page, "Ready")
            yield SimpleNamespace(page=page, server=server, path=path, events=events)
            if server.thread.is_alive():
                page.locator("#tab-check").click()
                page.locator("#finish-button").click()
            server.thread.join(10)
            assert not server.thread.is_alive()

    return open_served_page
