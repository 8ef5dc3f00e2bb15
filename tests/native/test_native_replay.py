"""The native runtime replays golden transcripts that Python wrote: int8 to the bit, on this machine and on aarch64."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from arm import ArmDevice

from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.benchmarks.studies.native_library import litert_library
from edgeshift.runtimes import load
from edgeshift.stream.replay import write_transcript
from edgeshift.stream.transcript import Transcript, encode_transcript

TIMEOUT = 300
Replay = Callable[[Path, Transcript], tuple[int, str]]


@pytest.fixture(scope="module")
def library() -> Path:
    """Return LiteRT's library, which is part of a Python package."""
    pytest.importorskip("ai_edge_litert.compiled_model", reason="LiteRT 2 is not installed")
    return litert_library()


def replayer(program: list[str], library: Path, folder: Path) -> Replay:
    """Return a function that replays a transcript, and returns the exit status and what was printed.

    Args:
        program: the command that starts ``tools/replay``.
        library: LiteRT's library for the processor of the program.
        folder: where the transcript is written.
    """

    def run(artifact: Path, transcript: Transcript) -> tuple[int, str]:
        (folder / "t.json").write_bytes(encode_transcript(transcript))
        command = [*program, artifact, folder / "t.json", library]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        return done.returncode, done.stdout or done.stderr

    return run


@pytest.fixture(scope="module")
def replay(native_build, library, tmp_path_factory) -> Replay:
    """Return a function that replays a transcript on this machine."""
    return replayer([str(native_build() / "tools" / "replay")], library, tmp_path_factory.mktemp("replay"))


@pytest.fixture(scope="session")
def int8_artifact(made) -> Path:
    """Return an int8 artifact of the shipped weights, whose inputs and states are int8 as well."""
    return made("shipped", "int8").path


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
def test_an_fp32_stream_is_within_the_bounds(replay, made):
    path = made("tsm", "fp32").path
    transcript = write_transcript(load(path))
    assert not transcript.exact and transcript.samples
    assert replay(path, transcript)[0] == 0
    assert "the event" in expect(1, replay(path, msgspec.structs.replace(transcript, seed=8)))


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
def replay_on_arm(native_build, arm, tmp_path_factory) -> Replay:
    """Return a function like ``replay``, which runs an aarch64 program under qemu as a Cortex-A76 does."""
    program, folder = native_build("native-aarch64") / "tools" / "replay", tmp_path_factory.mktemp("arm")
    root, libraries = folder / "root", arm / "packages" / "ai_edge_litert"
    root.mkdir()
    device = ArmDevice(arm, "cortex-a76", folder / "no_agent", root)
    return replayer(device.program(str(program), libraries=libraries), libraries / "libLiteRt.so", folder)


@pytest.mark.slow
def test_int8_is_equal_to_the_bit_on_aarch64(replay_on_arm, int8_artifact):
    transcript = write_transcript(load(int8_artifact))
    assert replay_on_arm(int8_artifact, transcript)[0] == 0
    assert "logit" in expect(1, replay_on_arm(int8_artifact, msgspec.structs.replace(transcript, seed=8)))


@pytest.mark.slow
def test_sounds_are_equal_to_the_bit_on_aarch64(replay_on_arm, hearing):
    transcript = write_transcript(load(hearing))
    assert transcript.exact and transcript.version == 2
    assert replay_on_arm(hearing, transcript)[0] == 0


@pytest.mark.slow
def test_fp32_is_within_the_bounds_on_aarch64(replay_on_arm, clip_artifact, made):
    for path in (clip_artifact, made("tsm", "fp32").path):
        transcript = write_transcript(load(path))
        assert not transcript.exact and replay_on_arm(path, transcript)[0] == 0
