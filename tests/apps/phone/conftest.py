"""The phone without one: an artifact that need not run, a page that need not be built, a browser if there is one."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from doubles import LABELS, stream_spec

from edgeshift.apps.phone import Frames, Job, Length, read_phone_artifact
from edgeshift.apps.phone.files import BUILT
from edgeshift.artifact import write_artifact
from edgeshift.spec import CheckSpec, RuleSpec

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
def job() -> Job:
    return Job(file="gestures.tflite", modes={"quick": Length(steps=128, seconds=10.0, repeats=3)}, mode="quick")


@pytest.fixture
def frames() -> Frames:
    return Frames("drawn", np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3))


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
    """``post("checked", error=0.5)``: what the page would send, with the given fields changed; None leaves one out."""

    def make(kind: str, **changes: Any) -> bytes:
        fields = {"kind": kind, "session": "1-2", **POSTS[kind], **changes}
        return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()

    return make


SAMPLES = [100.0 + index % 7 for index in range(200)]
POSTS: dict[str, dict[str, Any]] = {
    "hello": {
        "agent": "A browser",
        "model": "A phone",
        "architecture": "arm",
        "platform": "Android 16",
        "cores": 8,
        "memory": 8,
        "isolated": True,
        "gpu": None,
    },
    "checked": {
        "accelerator": "cpu",
        "threads": 1,
        "runtime": "LiteRT.js",
        "error": 0.001,
        "tolerance": 0.1,
        "repeatable": True,
        "logits": [[0.0] * len(LABELS)] * 2,
    },
    "spotted": {"label": "red", "score": 0.75, "timestamp": 2.5},
    "watched": {"steps": 40, "seconds": 10.0, "grab": 800.0, "pre": 300.0, "infer": 5000.0, "post": 20.0},
    "point": {"run": 5, "repeat": 0, "minute": 0, "steps": 900, "p50": 0.005, "p90": 0.006},
    "measured": {
        "run": 5,
        "repeat": 0,
        "mode": "quick",
        "accelerator": "cpu",
        "threads": 1,
        "precision": None,
        "runtime": "LiteRT.js",
        "start": 0.2,
        "load": 0.1,
        "first": 0.02,
        "warmup": 60,
        "warm": True,
        "checked": True,
        "pre": [10.0] * 200,
        "infer": SAMPLES,
        "post": [1.0] * 200,
        "end_to_end": [sample + 12 for sample in SAMPLES],
        "every": 1,
        "steps": 200,
        "seconds": 10.5,
        "clock": 5.0,
        "offered": None,
        "missed": None,
        "minutes": [],
    },
    "trouble": {"message": "the page was left"},
    "done": {},
}
