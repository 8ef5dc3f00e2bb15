"""Predictions of an artifact for all clips of a data set: frames, unreadable clips, resumed runs, processes."""

from __future__ import annotations

import random
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from doubles import LABELS, SIZE, LeakyExecutor, expected_outputs, model, stream_spec

from edgeshift.artifact.description import RuleSpec
from edgeshift.benchmarks.accuracy.candidate import Candidate, open_candidate
from edgeshift.benchmarks.accuracy.clip import stream_clip
from edgeshift.benchmarks.accuracy.journal import Journal
from edgeshift.benchmarks.accuracy.measure import measure, stream_here, stream_in_processes
from edgeshift.errors import EdgeshiftError, VideoError, VideoWarning
from edgeshift.events.default_rule import rule_of
from edgeshift.video.clips import read_video, write_video
from edgeshift.video.dataset import read_dataset
from edgeshift.video.fit import FrameSpec, fit_frame

RULE = RuleSpec(window=2, threshold=0.5, hold_off=0.5)
COLOURS = {"red": (220, 30, 30), "green": (30, 220, 30), "blue": (30, 30, 220)}


def film(path: Path, *colours: str, each: int = 6) -> Path:
    """Write a clip of ten frames per second, with ``each`` frames of every colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [np.full((SIZE, SIZE, 3), COLOURS[colour], np.uint8) for colour in colours for _ in range(each)]
    write_video(path, frames, 10)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label in COLOURS:
        film(tmp_path / "clips" / label / "a.avi", label)
    film(tmp_path / "clips" / "odd" / "a.avi", "red", "green")
    return tmp_path / "clips"


def candidate_with(made: list[LeakyExecutor] | None = None, **changes: object) -> Candidate:
    spec = stream_spec(**{"rule": RULE, "frame_spacing": 0.2, **changes})
    return Candidate(Path("double.tflite"), "0" * 64, model(spec, made=made))


def test_a_clip_is_streamed_at_the_frame_spacing_from_fresh_states(tmp_path: Path) -> None:
    path = film(tmp_path / "a.avi", "red", "blue")
    stream = candidate_with().model.stream()
    stream.step(np.full((SIZE, SIZE, 3), 200, np.uint8))
    streamed = stream_clip(stream, path)
    assert np.allclose(streamed.times, np.arange(6) * 0.2)
    frames = [fit_frame(timed.frame, FrameSpec(SIZE, SIZE)) for timed in read_video(path)][::2]
    assert np.allclose(streamed.logits, expected_outputs(frames)[0], atol=1e-3)


def test_frames_are_spread_evenly_if_there_is_no_frame_spacing(tmp_path: Path) -> None:
    path = film(tmp_path / "a.avi", "red", "blue")
    assert len(stream_clip(candidate_with(frame_spacing=None, clip_frames=5).model.stream(), path).times) == 5
    assert len(stream_clip(candidate_with(frame_spacing=None).model.stream(), path).times) == 8


def test_results_have_the_order_of_the_data_set(folder: Path) -> None:
    advances: list[int] = []
    data = read_dataset(folder)
    measured = measure(candidate_with(), data.clips, advance=lambda: advances.append(1))
    assert [clip.file for clip in measured.clips] == [clip.name for clip in data.clips]
    assert len(advances) == 4 and measured.unreadable == ()
    predicted = {clip.label: clip.consensus for clip in measured.clips if clip.label in LABELS}
    assert predicted == {label: label for label in COLOURS}
    assert measured.rule == RULE and candidate_with(rule=None).rule == rule_of(candidate_with(rule=None).model.spec)


def test_unreadable_clips_are_listed(folder: Path) -> None:
    (folder / "red" / "b.avi").write_bytes(b"RIFF" + bytes(1000))
    (folder / "red" / "c.mp4").write_text("#EXTM3U\n")
    measured = measure(candidate_with(), read_dataset(folder).clips)
    assert [name for name, _ in measured.unreadable] == ["red/b.avi", "red/c.mp4"]
    assert all(reason.isprintable() for _, reason in measured.unreadable) and len(measured.clips) == 4


def test_a_data_set_without_readable_clips_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("file,label\ngone.mp4,red\n")
    with pytest.raises(VideoError, match=r"none of the 1 clips can be read; the first problem is gone\.mp4"):
        measure(candidate_with(), read_dataset(tmp_path / "list.csv").clips)


def test_logits_that_are_not_finite_are_an_error(folder: Path) -> None:
    class Broken(LeakyExecutor):
        def logits(self, level, colour):
            return np.full((1, len(LABELS)), np.nan)

    broken = Candidate(Path("b.tflite"), "0" * 64, model(stream_spec(rule=RULE, frame_spacing=0.2), Broken))
    with pytest.raises(EdgeshiftError, match="not finite"):
        measure(broken, read_dataset(folder).clips)


def steps(made: list[LeakyExecutor]) -> int:
    """Return the number of frames that some executors processed."""
    return sum(len(executor.frames) for executor in made)


def test_a_resumed_run_streams_only_the_missing_clips(folder: Path, tmp_path: Path) -> None:
    clips = read_dataset(folder).clips
    path = Journal.beside(tmp_path / "r.json")
    assert path.name == "r.clips.jsonl"
    whole = measure(candidate_with(), clips)
    measure(candidate_with(), clips[:2], journal=Journal(path))
    with path.open("ab") as file:
        file.write(b'{"key":"an incomplete li')
    made: list[LeakyExecutor] = []
    again = measure(candidate_with(made), clips, journal=Journal(path, resume=True))
    assert again.clips == whole.clips
    fresh: list[LeakyExecutor] = []
    measure(candidate_with(fresh), clips[2:])
    assert steps(made) == steps(fresh) > 0
    made.clear()
    assert measure(candidate_with(made), clips, journal=Journal(path, resume=True)).clips == whole.clips
    assert steps(made) == 0


@pytest.mark.parametrize("changes", [{"rule": None}, {"frame_spacing": 0.3}, {"rule": RuleSpec(window=9, threshold=1)}])
def test_stored_results_for_another_rule_or_spacing_are_not_used(
    folder: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    clips = read_dataset(folder).clips
    path = tmp_path / "j.jsonl"
    measure(candidate_with(), clips, journal=Journal(path))
    made: list[LeakyExecutor] = []
    measure(candidate_with(made, **changes), clips, journal=Journal(path, resume=True))
    assert steps(made) > 0


def test_a_changed_clip_or_label_is_measured_again(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    measure(candidate_with(), read_dataset(folder).clips, journal=Journal(path))
    film(folder / "red" / "a.avi", "blue", "blue", "blue")
    made: list[LeakyExecutor] = []
    clips = read_dataset(folder, {"odd": "green"}).clips
    measured = measure(candidate_with(made), clips, journal=Journal(path, resume=True))
    assert {clip.file: clip.label for clip in measured.clips}["odd/a.avi"] == "green"
    assert next(clip for clip in measured.clips if clip.file == "red/a.avi").consensus == "blue"
    assert sum(bool(executor.frames) for executor in made) == 1 and steps(made) == 9 + 6


def test_without_resume_the_journal_is_overwritten(folder: Path, tmp_path: Path) -> None:
    clips, path = read_dataset(folder).clips, tmp_path / "j.jsonl"
    for _ in range(2):
        measure(candidate_with(), clips, journal=Journal(path))
    assert len(path.read_bytes().splitlines()) == len(clips)


@pytest.mark.parametrize("text", [b"hello\n", b"{}\n", b"[1]\n" * 3, b"\xff\n", b"[" * 10_000 + b"\n"])
def test_a_damaged_journal_is_not_overwritten_and_its_error_is_one_line(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "j.jsonl"
    path.write_bytes(text)
    with pytest.raises(EdgeshiftError, match="without --resume") as caught:
        Journal(path, resume=True)
    assert "\n" not in str(caught.value) and path.read_bytes() == text


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a checkpoint of the smallest network, with untrained weights."""
    pytest.importorskip("torch", reason="the reference runtime is not installed")
    from edgeshift.checkpoints import save
    from edgeshift.models import ModelConfig, build

    path = tmp_path_factory.mktemp("own") / "own.safetensors"
    network = build(ModelConfig("tsm", "mobilenet_v2", 4, size=64, width=0.35), seed=0)
    save(path, network.eval(), labels=LABELS, frame_spacing=0.2, frame=FrameSpec(64, 64), rule=RULE)
    return path


@pytest.mark.parametrize(("jobs", "processes"), [(1, []), (3, [3])])
def test_several_processes_are_used_only_with_jobs(
    folder: Path, jobs: int, processes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[int] = []

    def in_processes(candidate, clips, jobs):
        requested.append(jobs)
        return reversed(list(stream_here(candidate, clips)))

    monkeypatch.setattr(import_module("edgeshift.benchmarks.accuracy.measure"), "stream_in_processes", in_processes)
    clips = read_dataset(folder).clips
    measured = measure(candidate_with(), clips, jobs=jobs)
    assert requested == processes
    assert [clip.file for clip in measured.clips] == [clip.name for clip in clips]  # not in the order of completion


@pytest.mark.slow
def test_another_process_gives_equal_results(checkpoint: Path, folder: Path) -> None:
    """The test starts one other process, because several would run the same code."""
    clips = read_dataset(folder).clips
    candidate = open_candidate(checkpoint)
    local = measure(candidate, clips)
    assert candidate.rule == RULE and local.runtime.startswith("PyTorch")
    (folder / "red" / "z.avi").write_bytes(bytes(100))
    other = {clip.name: result for clip, result in stream_in_processes(candidate, read_dataset(folder).clips, 1)}
    assert [other[clip.name] for clip in clips] == list(local.clips)
    assert isinstance(other["red/z.avi"], str)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_warnings_of_other_processes_arrive_here(checkpoint: Path, folder: Path) -> None:
    """Otherwise Python would print them in its own form, and the command line could not print them as notes."""
    path = folder / "red" / "y.mp4"
    source = ["-f", "lavfi", "-i", "testsrc=size=160x120:rate=30:duration=10", "-c:v", "libx264", "-g", "30"]
    subprocess.run(["ffmpeg", "-loglevel", "error", *source, "-pix_fmt", "yuv420p", path], check=True)
    data = bytearray(path.read_bytes())
    media = data.find(b"mdat")
    begin = media + int(0.36 * (len(data) - media))
    data[begin : begin + 400] = random.Random(0).randbytes(400)
    path.write_bytes(data)
    clips = [clip for clip in read_dataset(folder).clips if clip.path == path]
    with pytest.warns(VideoWarning, match=r"y.mp4: \d+ of \d+ frames are damaged"):
        ((_, score),) = stream_in_processes(open_candidate(checkpoint), clips, 1)
    assert not isinstance(score, str)
