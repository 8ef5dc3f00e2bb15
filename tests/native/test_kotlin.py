"""The Kotlin classes and the native functions under them, on the Java of this machine, against Python's runtime."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import kotlin_build
import numpy as np
import pytest
from sound_artifacts import SETTINGS

from edgeshift.benchmarks.devices.qnn_libraries import find_qnn_libraries
from edgeshift.benchmarks.studies.native_library import litert_library
from edgeshift.gestures.demo_stream import demo_stream
from edgeshift.runtimes import load
from edgeshift.sound.drawn import draw_soundtrack
from edgeshift.stream.replay import write_transcript
from edgeshift.stream.selfcheck import self_check
from edgeshift.stream.transcript import encode_transcript

pytest.importorskip("ai_edge_litert.compiled_model", reason="LiteRT 2 is not installed")
pytestmark = pytest.mark.slow  # installs and runs Kotlin's compiler
NATIVE = kotlin_build.ROOT / "runtimes" / "native"
Run = Callable[..., list[str]]


@pytest.fixture(scope="module")
def built() -> tuple[str, Path]:
    """Java's class path, and the folder of the native library."""
    return kotlin_build.build()


@pytest.fixture(scope="module")
def kotlin(built) -> Run:
    """A function that runs a command of tests/native/kotlin/Main.kt and returns the lines that it prints."""

    def run(command: str, *files: object, library: Path | None = None) -> list[str]:
        path, folder = built
        java = ["java", "-Xcheck:jni", f"-Djava.library.path={folder}", "-cp", path, "MainKt"]
        done = subprocess.run(
            [*java, command, str(library or litert_library()), *map(str, files)],
            capture_output=True,
            text=True,
            timeout=300,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said[-3000:]
        assert "WARNING in native method" not in said and "FATAL ERROR" not in said, said[-3000:]
        return done.stdout.splitlines()

    return run


@pytest.fixture(scope="module")
def shipped(made) -> Path:
    """The shipped weights as an int8 artifact."""
    return made("shipped", "int8").path


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """A file of frames, uint8 [n, 240, 320, 3], and the frames: a hand draws gestures."""
    drawn = np.stack([timed.frame for timed in demo_stream(size=240)])
    wide = np.ascontiguousarray(np.pad(drawn, ((0, 0), (0, 0), (40, 40), (0, 0)), mode="edge"))
    path = tmp_path_factory.mktemp("frames") / "frames.rgb"
    path.write_bytes(wide.tobytes())
    return path, wide


def as_text(logits: np.ndarray) -> str:
    """Return logits as the program prints them: their bits."""
    return " ".join(f"{bits:08x}" for bits in logits.view(np.uint32))


def test_facts_and_self_check_are_those_of_python(kotlin, shipped):
    model = load(shipped)
    spec, lines = model.spec, kotlin("facts", shipped)
    facts = lines[0].split("|")
    assert facts[1].split()[0] == model.runtime.split()[0] == "LiteRT"
    assert facts[2:] == ["112", "112", "1", "null", str(len(spec.states)), str(spec.frame_spacing)]
    assert lines[1].split("|") == list(spec.labels)
    description = json.loads("\n".join(lines[2:-2]))
    assert (description["body_sha256"], description["target"]) == (spec.body_sha256, "tflite")
    check, (ok, count, repeatable, version) = self_check(model), lines[-2].split("|")
    assert (ok, int(count), repeatable, int(version)) == ("true", len(spec.check.logits), "true", spec.version)
    error, *_ = map(float, lines[-1].split("|"))
    assert check.ok and error == pytest.approx(check.error, abs=1e-9)


def test_logits_are_equal_to_pythons_to_the_bit(kotlin, shipped, frames):
    """Frame by frame, again after a reset, and in another stream from states that were saved in the middle."""
    path, pictures = frames
    stream = load(shipped).stream()
    expected = [as_text(stream.step(picture).logits) for picture in pictures]
    lines = kotlin("steps", shipped, path)
    count, half = len(expected), len(expected) // 2
    assert lines[:count] == expected and lines[count : 2 * count] == expected
    assert lines[2 * count :] == expected[half:], "the states that were saved last are those of the second pass"
    assert count > 100 and len(set(expected)) > 50


def test_events_are_those_of_python(kotlin, shipped, frames):
    path, pictures = frames
    stream = load(shipped).stream()
    spotter, expected = stream.spotter(), []
    for index, picture in enumerate(pictures):
        prediction = stream.step(picture, index * 0.25)
        if prediction.fresh and (event := spotter.feed(prediction.logits, index * 0.25)):
            expected.append((event.label, event.score, event.timestamp))
    *lines, _ = kotlin("events", shipped, path)
    found = [line.split("|") for line in lines]
    assert [(label, float(time)) for label, _, _, time in found] == [(label, time) for label, _, time in expected]
    assert [float(score) for _, _, score, _ in found] == pytest.approx([score for _, score, _ in expected], abs=1e-9)
    assert len(expected) >= 3


@pytest.mark.parametrize("kind", ["int8", "fp32", "clip"])
def test_a_golden_transcript_is_replayed_without_a_difference(kotlin, made, clip_artifact, tmp_path, kind):
    artifact = clip_artifact if kind == "clip" else made("tsm", kind).path
    transcript = tmp_path / "t.json"
    transcript.write_bytes(encode_transcript(write_transcript(load(artifact))))
    assert kotlin("replay", artifact, transcript) == []


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime_qnn") is None, reason="the simulator of the NPU is missing")
def test_a_golden_transcript_of_an_npu_is_replayed_on_its_simulator(kotlin, made, tmp_path, monkeypatch):
    libraries = find_qnn_libraries("x86_64", None, here=True)
    monkeypatch.setenv("EDGESHIFT_QNN", str(libraries.provider))
    artifact, transcript = made("tsm", "int8", "qnn").path, tmp_path / "t.json"
    transcript.write_bytes(encode_transcript(write_transcript(load(artifact))))
    said = kotlin("replay", artifact, transcript, library=libraries.runtime)
    assert [line for line in said if "LIBNATIVE" not in line and line.strip()] == []


def test_sounds_are_heard_as_in_python(kotlin, hearing, tmp_path):
    rate, model = 16_000, load(hearing)
    samples = draw_soundtrack(5, seconds=2, rate=rate).samples
    samples.tofile(tmp_path / "samples")
    stream = model.stream()
    expected = [f"{float(SETTINGS.seconds)}|15000"]
    for index in range(9):
        if index:
            begin = (index - 1) * rate // 4
            stream.hear(samples[begin : begin + rate // 4], begin / rate, rate)
        if index == 7:
            stream.deafen()
        prediction = stream.step(np.full((1, 1, 3), (90, 100, 110), np.uint8), index * 0.25)
        expected.append(f"{prediction.heard.upper()}|{as_text(prediction.logits)}")
    assert kotlin("hear", hearing, tmp_path / "samples", rate) == expected
    assert [line.split("|")[0] for line in expected[1:]] == [
        "DEAF",
        *["WAITING"] * 4,
        *["HEARD"] * 2,
        "DEAF",
        "WAITING",
    ]


def test_a_microphone_gives_its_samples_with_their_times(kotlin, hearing):
    """The stub of Android's microphone follows its documentation, so this shows the logic, not that it records."""
    assert kotlin("microphone", hearing) == [
        "MONOTONIC",
        "BOOT",
        "DEAF",
        "HEARD",
        "LATE",
        "released 1",
        "DEAF",
        "failed: the microphone stopped with Android's error -6: start it again",
        "FAILED: this phone does not record 11111 samples per second: give another rate",
        "FAILED: the microphone cannot be opened: allow the app to record, and close other apps that do",
        "released 2",
    ]


def test_a_transcript_with_sounds_is_replayed(kotlin, hearing, tmp_path):
    transcript = write_transcript(load(hearing))
    path = tmp_path / "t.json"
    path.write_bytes(encode_transcript(transcript))
    assert kotlin("replay", hearing, path) == []
    path.write_text(path.read_text().replace('"sound":"drawn"', '"sound":"clipped"'))
    assert any("what was heard is clipped, not heard" in line for line in kotlin("replay", hearing, path))


def test_a_changed_transcript_is_a_difference(kotlin, made, tmp_path):
    artifact = made("tsm", "int8").path
    text = encode_transcript(write_transcript(load(artifact))).decode()
    document = json.loads(text)
    fresh = next(call for call in document["calls"] if call.get("answer") == "fresh")
    other = next(c for c in document["calls"] if c.get("answer") == "fresh" and c["logits"] != fresh["logits"])
    event = next(call for call in document["rule_calls"] if "event" in call)
    fresh["states"], other["answer"] = "0" * 64, "repeated"
    event["event"]["score"] += 1e-6
    (tmp_path / "t.json").write_text(json.dumps(document))
    lines = kotlin("replay", artifact, tmp_path / "t.json")
    assert any(line.endswith("the states differ") for line in lines)
    assert any("the answer is fresh, not repeated" in line for line in lines)
    assert any(line.startswith("rule call") for line in lines)


def test_the_images_of_cameras_are_fitted_alike(kotlin, made):
    nv12, nv21, i420, camerax, mirrored, bt709 = kotlin("fit", made("tsm", "int8").path)
    assert nv12 == nv21 == i420 == camerax and len({nv12, mirrored, bt709}) == 3
    pixels = np.frombuffer(bytes.fromhex(nv12), np.uint8).reshape(64, 64, 3)
    other = np.frombuffer(bytes.fromhex(mirrored), np.uint8).reshape(64, 64, 3)
    # Positions are rounded to 1/32 pixel, so a mirrored image is fitted to nearly the same values.
    assert np.abs(pixels[:, ::-1].astype(int) - other).max() <= 16 < np.abs(pixels.astype(int) - other).mean()


def test_bad_input_is_one_clear_line(kotlin, made):
    lines = kotlin("errors", made("tsm", "int8").path)
    said = dict(line.split(": ", 1) for line in lines)
    assert len(said) == len(lines) >= 20 and not [line for line in lines if line.endswith("accepted")]
    assert said["missing"] == "BAD_ARTIFACT: /no/such/\U0001f600.tflite: no such file"
    assert said["library"].startswith("NO_RUNTIME: ")
    assert said["half"].startswith("BAD_ARTIFACT: half.tflite: no edgeshift description")
    assert said["closed stream"] == "BAD_ARGUMENT: the stream is closed: open a new one"


def test_the_native_methods_are_the_exported_symbols(built):
    path, folder = built
    methods = subprocess.run(
        ["javap", "-cp", path, "-p", "dev.edgeshift.Native"], capture_output=True, text=True, check=True
    )
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed")
    symbols = subprocess.run(
        ["nm", "-D", "--defined-only", folder / "libedgeshift_jni.so"], capture_output=True, text=True, check=True
    )
    expected = {f"Java_dev_edgeshift_Native_{name}" for name in re.findall(r"native .* (\w+)\(", methods.stdout)}
    found = {line.split()[-1] for line in symbols.stdout.splitlines()}
    assert found == expected | {"JNI_OnLoad"} and len(expected) > 15


def test_frames_of_camerax_are_those_that_the_images_describe(kotlin, made):
    """The stubs of CameraX follow its documentation, so this shows the adapter's logic, not that it builds there."""
    assert kotlin("camera", made("tsm", "int8").path) == ["true"] * 6


def test_an_asset_is_loaded(kotlin, made, monkeypatch):
    monkeypatch.setenv("EDGESHIFT_LITERT", str(litert_library()))
    artifact = made("tsm", "int8").path
    assert kotlin("asset", artifact)[0].split("|") == list(load(artifact).spec.labels)


def test_the_core_classes_need_no_android():
    for source in kotlin_build.CORE:
        for file in [source] if source.is_file() else source.rglob("*.kt"):
            assert not re.findall(r"^import (android|androidx)\.", file.read_text(), re.MULTILINE), file
