"""The phone without one: an artifact that need not run, a page that need not be built, a browser if there is one."""

from __future__ import annotations

import gzip
import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from browsing import FPS, MODES, SCRIPT, browser, says
from doubles import stream_spec
from posts import POSTS
from running import Running

from edgeshift.apps.phone import PageJob, ServerOptions, TimingFrames, TimingPlan, read_phone_artifact, serve
from edgeshift.apps.phone.files import BUILT
from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.file import write_artifact
from edgeshift.artifact.spec import CheckSpec

ROOT = Path(__file__).parents[3]
PORTS = ROOT / "build" / "phone" / "ports" / "ports.mjs"


@pytest.fixture
def written(tmp_path) -> Callable[..., Path]:
    """``written(input=...)``: an artifact with such a description, and a graph that is none."""

    def write(name: str = "gestures.tflite", **changes: Any) -> Path:
        path = tmp_path / name
        rule = RuleSpec(window=3, threshold=0.5)
        check = CheckSpec(seed=7, logits=((0.0, 1.0, 2.0, 3.0),) * 2, tolerance=0.1)
        fields: dict[str, Any] = {"target": "tflite", "rule": rule, "check": check, **changes}
        write_artifact(path, b"no graph", stream_spec(**fields))
        return path

    return write


@pytest.fixture
def artifact(written):
    return read_phone_artifact(written())


@pytest.fixture
def job() -> PageJob:
    return PageJob(
        file="gestures.tflite", modes={"quick": TimingPlan(steps=128, seconds=10.0, repeats=3)}, mode="quick"
    )


@pytest.fixture
def frames() -> TimingFrames:
    return TimingFrames("drawn", np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3))


@pytest.fixture
def stand_in(tmp_path) -> Path:
    """A page that was "built"."""
    folder = tmp_path / "built"
    (folder / "page").mkdir(parents=True)
    (folder / "litert").mkdir()
    (folder / "index.html").write_text("<!doctype html><p>a page")
    (folder / "page" / "index.js.gz").write_bytes(gzip.compress(b"let page = 1;"))
    (folder / "litert" / "runtime.wasm.gz").write_bytes(gzip.compress(b"\0asm"))
    (folder / "page" / "index.js.map").write_text("{}")
    return folder


@pytest.fixture(scope="session")
def ports(tmp_path_factory) -> Callable[..., Any]:
    """``ports("code", **values)``: what the code gives in Node; the page's own functions and the values are there."""
    node = shutil.which("node")
    if node is None or not PORTS.is_file():
        pytest.skip("needs Node, and `make phone`")
    folder = tmp_path_factory.mktemp("ports")

    def run(code: str, **values: Any) -> Any:
        script = folder / "script.mjs"
        names = ", ".join(values)
        script.write_text(
            f"import * as ports from {json.dumps(PORTS.as_uri())};\n"
            "import { readFileSync } from 'node:fs';\n"
            f"const {{ {names} }} = JSON.parse(readFileSync(0, 'utf8'));\n"
            f"const found = await (async () => {{ {code} }})();\n"
            "process.stdout.write(JSON.stringify(found));\n"
        )
        given = msgspec.json.encode(values)
        done = subprocess.run([node, str(script)], input=given, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def chromium() -> str:
    """A Chromium that can be driven, and a page to open in it."""
    pytest.importorskip("playwright", reason="needs playwright, which drives a browser")
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("needs Chromium")
    if not (BUILT / "index.html").is_file():
        pytest.skip("the page was not built: `make phone`")
    return found


@pytest.fixture
def post() -> Callable[..., bytes]:
    """``post("self_check", error=0.5)``: what the page would send, with the given fields changed; None leaves one out."""

    def make(kind: str, **changes: Any) -> bytes:
        fields = {"kind": kind, "session": "1-2", **POSTS[kind], **changes}
        return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()

    return make


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Callable[[str], Path]:
    """``trained("int8")``: the network that ships, with float tensors at its boundary."""
    pytest.importorskip("litert_torch", reason="the converter is not installed")
    from edgeshift.checkpoints.source import default_source
    from edgeshift.converters import Options, convert

    folder, made = tmp_path_factory.mktemp("trained"), {}

    def make(precision: str) -> Path:
        if precision not in made:
            made[precision] = folder / f"gestures_{precision}.tflite"
            how = Options(precision=precision, float_boundary=precision == "int8")  # type: ignore[arg-type]
            convert(default_source(), "tflite", made[precision], how)
        return made[precision]

    return make


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> tuple[Path, list[Any]]:
    """A drawn clip as Chromium plays it for a camera, and its frames."""
    cv2 = pytest.importorskip("cv2")
    from edgeshift.gestures import draw_stream, parse_script

    frames = list(draw_stream(960_000_003, parse_script(SCRIPT), size=240, spacing=1 / FPS).frames)
    path = tmp_path_factory.mktemp("clip") / "clip.y4m"
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W240 H240 F{FPS}:1 Ip A1:1 C420\n".encode())
        for frame in frames:
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path, frames


@pytest.fixture(scope="session")
def drawn() -> TimingFrames:
    pytest.importorskip("cv2")
    from edgeshift.benchmarks.latency.frames import read_frames

    return TimingFrames("drawn", read_frames("drawn", 640, 480))


@pytest.fixture
def opened(chromium, trained, drawn) -> Callable[..., Any]:
    """``with opened("int8") as visit``: the page, ready, and what it posted."""

    @contextmanager
    def open_page(
        precision: str | Path,
        *arguments: str,
        job: dict[str, Any] | None = None,
        looks: dict[str, Any] | None = None,
        before: Callable[[Any], object] = lambda page: None,
        **reach: Any,
    ) -> Iterator[SimpleNamespace]:
        path = precision if isinstance(precision, Path) else trained(precision)
        sites: queue.Queue[Any] = queue.Queue()
        posted: list[Any] = []
        asked = PageJob(file=path.name, modes=MODES, **(job or {}))
        how = ServerOptions(**{"localhost": True, "idle": 200.0, **reach})

        def work() -> None:
            for one in serve(read_phone_artifact(path), asked, drawn, how, sites.put):
                posted.append(one)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        with browser(chromium, *arguments, **(looks or {})) as page:
            before(page)
            page.goto(sites.get(timeout=10).url)
            visit = SimpleNamespace(page=page, posted=posted, path=path, thread=thread)

            def of(kind: type, count: int = 0) -> list[Any]:
                """What was posted of a kind. The page says it before it is here: ``count`` of them are waited for."""
                end = monotonic() + 30
                while True:
                    found = [one for one in posted if isinstance(one, kind)]
                    if len(found) >= count or monotonic() > end:
                        return found
                    sleep(0.02)

            visit.of = of
            if asked.mode is None:
                says(page, "Ready")
            yield visit
            if thread.is_alive():
                page.locator("#tab-proof").click()
                page.locator("#done").click()
            thread.join(10)
            assert not thread.is_alive()

    return open_page


@pytest.fixture
def visit(artifact, job, frames, stand_in) -> Iterator[SimpleNamespace]:
    """A server that runs: ``ask`` sends a request, ``found`` is what it gave."""
    with Running(artifact, job, frames, stand_in) as made:
        yield made
