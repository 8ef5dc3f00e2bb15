"""Artifacts with a right hash and hostile content, made from seeds: one line of error, no crash, no hang."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

import edgeshift
from edgeshift._system.text import printable
from edgeshift.artifact.file import Artifact, read_artifact, write_artifact
from edgeshift.artifact.spec import StreamSpec
from edgeshift.errors import AcceleratorError, EdgeshiftError
from edgeshift.runtimes import trial
from edgeshift.targets import find_runtime

FORMATS = {"tflite": "tflite", "onnx": "onnxruntime", "executorch": "executorch", "coreml": "mil"}
COUNT = 80
SECONDS = 30
WORDS = (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x00", b"\x00\x00\x00\x80", b"\x01\x00\x01\x00")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use an empty folder for the artifacts that were seen."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def try_file(path: Path) -> None:
    trial.require_tried(read_artifact(path), find_runtime(path))


def mutate(body: bytes, generator: random.Random) -> bytes:
    """Return a graph with one kind of damage, most often in its tables, which are near the beginning or the end."""
    data = bytearray(body)
    kind = generator.choice(("flip", "flip", "word", "word", "word", "block", "cut", "swap"))
    edge = min(len(data), 40_000)
    at = generator.choice((generator.randrange(edge), len(data) - 1 - generator.randrange(edge)))
    if kind == "flip":
        for _ in range(generator.randint(1, 16)):
            data[max(0, at - generator.randrange(200))] ^= 1 << generator.randrange(8)
    elif kind == "word":
        for _ in range(generator.randint(1, 6)):
            place = max(0, at - generator.randrange(400)) & ~3
            data[place : place + 4] = generator.choice(WORDS)
    elif kind == "block":
        data[at : at + 1000] = b"\xff" * len(data[at : at + 1000])
    elif kind == "cut":
        del data[at:]
    else:
        other = generator.randrange(edge)
        data[at : at + 16], data[other : other + 16] = data[other : other + 16], data[at : at + 16]
    return bytes(data)


def write_mutants(artifact: Artifact, folder: Path) -> list[Path]:
    """Write mutants of an artifact. Mutants that cannot be written, such as damaged packages, are made again."""
    paths: list[Path] = []
    seed = 0
    while len(paths) < COUNT:
        seed += 1
        path = folder / f"mutant{seed}{''.join(artifact.path.suffixes[-1:])}"
        try:
            write_artifact(path, mutate(artifact.body, random.Random(seed)), artifact.spec)
        except (EdgeshiftError, ValueError):
            continue
        paths.append(path)
    return paths


@pytest.mark.slow
@pytest.mark.parametrize("target", FORMATS)
def test_mutants_are_refused_or_run_and_nothing_hangs(made, tmp_path: Path, target: str) -> None:
    artifact = read_artifact(made("tsm", "int8", target).path)
    paths = write_mutants(artifact, tmp_path)
    script = Path(__file__).with_name("hostile.py")
    command = [sys.executable, str(script), FORMATS[target], str(SECONDS), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, env={**os.environ})
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == COUNT, done.stderr[-2000:]
    counted = Counter(status for _, status, _ in results)
    assert counted[0] < COUNT, "the mutations must do harm, or the test would show nothing"
    for name, status, text in results:
        # A signal is contained in the child process: require_tried turns it into one line. A time-out is no crash.
        assert status in (0, trial.REFUSED) or (status < 0 and -status != signal.SIGALRM), (name, status, text)
        if status == trial.REFUSED:
            assert text.count("\n") == 1 and name in text and "Traceback" not in text, text


def replaced(made, tmp_path: Path, form: str, **changes: object) -> Path:
    """Write an artifact whose description has other values than its graph."""
    artifact = read_artifact(made("tsm", "int8", form).path)
    path = tmp_path / f"changed{''.join(artifact.path.suffixes[-1:])}"
    write_artifact(path, artifact.body, msgspec.structs.replace(artifact.spec, **changes))
    return path


def other_table(spec: StreamSpec) -> dict[str, object]:
    return {"model": msgspec.structs.replace(spec.model, table="stsm")}


@pytest.mark.slow
@pytest.mark.parametrize("target", FORMATS)
def test_a_description_that_contradicts_its_graph_is_refused(made, tmp_path: Path, target: str) -> None:
    spec = read_artifact(made("tsm", "int8", target).path).spec
    [place, *places] = spec.shifts
    changes = {
        "precision fp32, and its weights are int8": {"precision": "fp32", "check": None},
        "has the table of another model": other_table(spec),
        "has the table": {"shifts": (msgspec.structs.replace(place, rows=place.rows[:0]), *places)},
        "target": {"target": "onnx" if target != "onnx" else "tflite"},
    }
    for words, change in changes.items():
        with pytest.raises(EdgeshiftError, match="its description contradicts its graph") as caught:
            edgeshift.load(replaced(made, tmp_path, target, **change))
        assert words in str(caught.value) and "\n" not in str(caught.value)


def test_another_scale_of_a_state_is_refused(made, tmp_path: Path) -> None:
    spec = read_artifact(made("tsm", "int8").path).spec
    first, *others = spec.states
    wrong = (msgspec.structs.replace(first, scale=first.scale * 1.05), *others)
    with pytest.raises(EdgeshiftError, match="has scale and zero point"):
        edgeshift.load(replaced(made, tmp_path, "tflite", states=wrong))


def test_a_file_is_tried_once(made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made("tsm", "int8").path
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)  # a conversion marks its artifact as seen
    started = []
    run = subprocess.run
    monkeypatch.setattr(trial.subprocess, "run", lambda *a, **k: started.append(a) or run(*a, **k))
    for _ in range(2):
        try_file(path)
    assert len(started) == 1
    shutil.rmtree(tmp_path / "cache")
    try_file(path)
    assert len(started) == 2


def test_without_a_cache_folder_a_file_is_tried_each_time(made, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    started = []
    run = subprocess.run
    monkeypatch.setattr(trial.subprocess, "run", lambda *a, **k: started.append(a) or run(*a, **k))
    for _ in range(2):
        try_file(made("tsm", "int8").path)
    assert len(started) == 2


def test_a_crash_a_hang_and_hunger_in_the_child_are_one_line(made, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made("tsm", "int8").path
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/none")
    for code, words in {
        "import os; os.abort()": "crashes the runtime tflite",
        "import time; time.sleep(60)": "runs for more than 1 s",
        "print('no such thing'); raise SystemExit(2)": "no such thing",
    }.items():
        run = subprocess.run
        monkeypatch.setattr(trial, "SECONDS", 1 if "sleep" in code else 30)
        monkeypatch.setattr(
            trial.subprocess, "run", lambda command, code=code, run=run, **k: run([sys.executable, "-c", code], **k)
        )
        with pytest.raises(EdgeshiftError) as caught:
            try_file(path)
        assert words in str(caught.value) and "\n" not in str(caught.value)
        monkeypatch.undo()
        monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/none")


def test_a_driver_that_crashes_is_one_line_and_the_artifact_is_not_blamed(
    made, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made("tsm", "int8").path
    artifact, runtime = read_artifact(path), find_runtime(path)
    trial.require_tried(artifact, runtime)  # a trial on the processor says nothing about a GPU
    run = subprocess.run
    for code, words in {
        "import os; os.abort()": "the driver of the GPU crashes with its graph: use the CPU",
        "print('no GPU here'); raise SystemExit(3)": "no GPU here",
    }.items():
        monkeypatch.setattr(trial.subprocess, "run", lambda _, code=code, **k: run([sys.executable, "-c", code], **k))
        with pytest.raises(AcceleratorError) as caught:
            trial.require_tried(artifact, runtime, "gpu")
        assert words in str(caught.value) and "\n" not in str(caught.value)
    monkeypatch.setattr(trial, "GPU_SECONDS", 1)
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(trial.subprocess, "run", lambda _, **k: run(sleeping, **k))
    with pytest.raises(AcceleratorError, match="the driver of the GPU takes more than 1 s for its graph: use the CPU"):
        trial.require_tried(artifact, runtime, "gpu")


def test_an_error_of_the_child_names_the_file_as_the_user_did(made, tmp_path: Path, monkeypatch) -> None:
    artifact = read_artifact(made("tsm", "int8").path)
    monkeypatch.chdir(tmp_path)
    for name in ("own.tflite", os.fsdecode(b"own \xff\x1b[31m.tflite")):
        write_artifact(Path(name), b"", artifact.spec)
        with pytest.raises(EdgeshiftError) as caught:
            try_file(Path(name))
        assert str(caught.value).startswith(f"{printable(name)}: its graph is damaged or hostile")


def test_a_graph_that_fails_in_the_first_step_is_named_with_the_reason(made, monkeypatch, capsys) -> None:
    def fail(self: object, tensor: object) -> None:
        raise OSError("200 GB for\none tensor")

    path = made("tsm", "int8").path
    monkeypatch.setattr(trial, "limit_memory", lambda limit: None)
    monkeypatch.setattr("edgeshift.stream.stream.Stream._run_first", fail)
    assert trial.main([str(path), "tflite"]) == trial.REFUSED
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"{path}: its graph cannot run: 200 GB for one tensor; convert the model again"


def test_the_memory_of_the_child_is_limited(made) -> None:
    spec = read_artifact(made("tsm", "int8").path).spec
    code = (
        "import sys, msgspec\nfrom pathlib import Path\nfrom edgeshift.artifact.file import read_artifact\n"
        "from edgeshift._system.memory import limit_memory\nfrom edgeshift.runtimes.trial import memory_limit\n"
        "limit_memory(memory_limit(read_artifact(Path(sys.argv[1])).spec))\n"
        "try:\n    held = bytearray(3 << 30)\nexcept MemoryError:\n    print('limited')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(made("tsm", "int8").path)], capture_output=True, text=True)
    assert done.stdout.strip() == ("limited" if sys.platform == "linux" else ""), (done.stderr, spec.target)
