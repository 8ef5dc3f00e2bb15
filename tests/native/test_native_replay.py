"""The native runtime replays golden transcripts that Python wrote: int8 to the bit, on this machine and on aarch64."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from arm import QEMU, ArmDevice, MissingError, find_arm

from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.runtimes import load
from edgeshift.stream.replay import write_transcript
from edgeshift.stream.transcript import Transcript, encode_transcript

SOURCES = Path(__file__).parents[2] / "runtimes" / "native"
TIMEOUT = 300
Replay = Callable[[Path, Transcript], tuple[int, str]]


@pytest.fixture(scope="module")
def library() -> Path:
    """Return LiteRT's library, which is part of a Python package."""
    found = importlib.util.find_spec("ai_edge_litert")
    if found is None or not found.submodule_search_locations:
        pytest.skip("ai-edge-litert is not installed")
    path = Path(found.submodule_search_locations[0]) / "libLiteRt.so"
    if not path.is_file():
        pytest.skip("this version of ai-edge-litert has no libLiteRt.so")
    return path


@pytest.fixture(scope="module")
def replay(native_build, library, tmp_path_factory) -> Replay:
    """Return a function that replays a transcript, and returns the exit status and what was printed."""
    program, folder = native_build() / "tools" / "replay", tmp_path_factory.mktemp("replay")

    def run(artifact: Path, transcript: Transcript) -> tuple[int, str]:
        (folder / "t.json").write_bytes(encode_transcript(transcript))
        command = [program, artifact, folder / "t.json", library]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        return done.returncode, done.stdout or done.stderr

    return run


@pytest.fixture(scope="session")
def int8_artifact(tmp_path_factory) -> Path:
    """Return an int8 artifact of the shipped weights, whose inputs and states are int8 as well."""
    pytest.importorskip("litert_torch", reason="the converter is not installed")
    from edgeshift.checkpoints.source import default_source
    from edgeshift.converters import Options, convert

    path = tmp_path_factory.mktemp("int8") / "gestures.tflite"
    convert(default_source(), "tflite", path, Options(precision="int8"))
    return path


@pytest.mark.slow
def test_int8_is_equal_to_the_bit(replay, int8_artifact):
    transcript = write_transcript(load(int8_artifact))
    assert transcript.exact
    status, printed = replay(int8_artifact, transcript)
    assert (status, printed.split(",")[0]) == (0, f"ok: {len(transcript.calls) + len(transcript.rule_calls)} calls")


@pytest.mark.slow
def test_a_clip_artifact_keeps_the_same_frames(replay, clip_artifact):
    assert replay(clip_artifact, write_transcript(load(clip_artifact)))[0] == 0


@pytest.mark.slow
def test_another_picture_another_rule_and_another_artifact_are_found(replay, int8_artifact, clip_artifact, tmp_path):
    transcript = write_transcript(load(int8_artifact))
    assert "logit" in expect(1, replay(int8_artifact, msgspec.structs.replace(transcript, seed=8)))
    artifact, path = read_artifact(int8_artifact), tmp_path / "rule.tflite"
    rule = RuleSpec(window=9, threshold=0.9, none="none")
    write_artifact(path, artifact.body, msgspec.structs.replace(artifact.spec, rule=rule))
    assert "rule call" in expect(1, replay(path, transcript))
    assert "another artifact" in expect(2, replay(clip_artifact, transcript))
    inexact = msgspec.structs.replace(transcript, exact=False, seed=8)
    assert "the logits differ by" in expect(1, replay(int8_artifact, inexact))


def expect(status: int, result: tuple[int, str]) -> str:
    """Return the last line that was printed. LiteRT may log lines before it."""
    assert result[0] == status, result
    return result[1].splitlines()[-1]


def test_a_file_that_is_no_transcript_is_refused_with_one_line(native_build, tmp_path):
    program, path = native_build() / "tools" / "replay", tmp_path / "t.json"
    for text in ("", "{}", "[]", '{"version": 2}', "nonsense"):
        path.write_text(text)
        done = subprocess.run([program, path, path], capture_output=True, text=True, timeout=TIMEOUT)
        assert done.returncode == 2 and "not a transcript" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def replay_on_arm(native_build, tmp_path_factory) -> Replay:
    """Return a function like ``replay``, which runs an aarch64 program under qemu as a Cortex-A76 does."""
    if shutil.which("aarch64-linux-gnu-g++") is None:
        pytest.skip("aarch64-linux-gnu-g++ is not installed")
    try:
        arm = find_arm()
    except MissingError as error:
        pytest.skip(f"no aarch64 system: {error}")
    command = [SOURCES / "aarch64_zlib.sh", SOURCES.parents[1] / "build" / "aarch64"]
    unpacked = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    if unpacked.returncode:
        pytest.skip(f"zlib for aarch64 could not be downloaded: {unpacked.stderr[-200:]}")
    replay, folder = native_build("native-aarch64") / "tools" / "replay", tmp_path_factory.mktemp("arm")
    root = folder / "root"
    root.mkdir()
    ArmDevice(arm, "cortex-a76", folder / "no_agent", root)  # writes the root folder
    program = [QEMU, "-cpu", "cortex-a76", "-L", root, replay]
    library = arm / "packages/ai_edge_litert/libLiteRt.so"

    def run(artifact: Path, transcript: Transcript) -> tuple[int, str]:
        (folder / "t.json").write_bytes(encode_transcript(transcript))
        command = [*program, artifact, folder / "t.json", library]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        return done.returncode, done.stdout or done.stderr

    return run


@pytest.mark.slow
def test_int8_is_equal_to_the_bit_on_aarch64(replay_on_arm, int8_artifact):
    transcript = write_transcript(load(int8_artifact))
    assert replay_on_arm(int8_artifact, transcript)[0] == 0
    assert "logit" in expect(1, replay_on_arm(int8_artifact, msgspec.structs.replace(transcript, seed=8)))


@pytest.mark.slow
def test_fp32_is_within_the_bounds_on_aarch64(replay_on_arm, clip_artifact):
    transcript = write_transcript(load(clip_artifact))
    assert not transcript.exact and replay_on_arm(clip_artifact, transcript)[0] == 0
