"""Calibration clips, and samples with the states that the float step has on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeshift.converters.calibration import MIN_CLIPS, PER_CLIP, find_videos, held_out, read_clips, roll
from edgeshift.errors import CalibrationError, VideoError
from edgeshift.gestures.fitted_clips import FRAMES, FittedClips, drawn_clips
from edgeshift.models import ModelConfig
from edgeshift.models.network import SEEN, Step
from edgeshift.models.untrained import initial_network
from edgeshift.video.clips import uniform, write_video
from edgeshift.video.fit import FrameSpec

SIZE = 64


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=["tsm", "tsam"])
def step(request: pytest.FixtureRequest) -> Step:
    config = ModelConfig(request.param, "mobilenet_v2", 6, size=SIZE, width=0.5)
    clips = torch.from_numpy(np.stack(noise(3, 6, seed=9))).permute(0, 1, 4, 2, 3).float()
    return Step(initial_network(config, clips)).eval()


def noise(count: int, frames: int = FRAMES, seed: int = 0) -> list[np.ndarray]:
    """Return clips of coarse moving noise, uint8 [frames, SIZE, SIZE, 3]."""
    random = np.random.default_rng(seed)
    clips = []
    for _ in range(count):
        cells = random.integers(0, 256, (8, 8 + frames, 3), np.uint8)
        clips.append(np.stack([cells[:, t : t + 8].repeat(8, 0).repeat(8, 1) for t in range(frames)]))
    return clips


def states_before(step: Step, clip: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Return the states before each frame of a clip, channels last."""
    found = []
    states = [torch.zeros(shape) for shape in step.network.state_shapes().values()]
    for frame in clip:
        found.append({n: np.moveaxis(s.numpy(), 1, -1) for n, s in zip(step.state_names, states, strict=True)})
        with torch.inference_mode():
            x = torch.from_numpy(np.moveaxis(frame[None].astype(np.float32), -1, 1))
            _, *states = step(x, *states)
    return found


# --- samples --------------------------------------------------------------------------------------------------------


def test_samples_hold_the_states_before_their_frame(step):
    clips = noise(4)
    samples = list(roll(step, clips))
    assert len(samples) == 4 * PER_CLIP
    for index, clip in enumerate(clips):
        expected = states_before(step, clip)
        times = []
        for sample in samples[index * PER_CLIP : (index + 1) * PER_CLIP]:
            assert list(sample) == ["frame", *step.state_names]
            assert sample["frame"].dtype == np.float32 and sample["frame"].shape == (1, SIZE, SIZE, 3)
            (t,) = [t for t, frame in enumerate(clip) if np.array_equal(sample["frame"][0], frame)]
            times.append(t)
            for name in step.state_names:
                assert sample[name].dtype == np.float32 and sample[name].flags.c_contiguous
                assert np.allclose(sample[name], expected[t][name], rtol=1e-5, atol=1e-6), (index, t, name)
                # States are zero before the first frame only.
                assert bool(sample[name].any()) == (t > 0), (index, t, name)
        assert times == sorted(set(times)) and times[0] == 0 and len(times) == PER_CLIP


def test_later_frames_are_spread_over_the_clip(step):
    taken = set()
    for clip in noise(12, seed=3):
        for sample in roll(step, [clip]):
            taken |= {t for t, frame in enumerate(clip) if np.array_equal(sample["frame"][0], frame)}
    assert taken == set(range(FRAMES)), "every position is sampled in some clip"


def test_samples_are_deterministic_and_independent_of_other_clips(step):
    clips = noise(3, seed=5)
    np.random.seed(0)
    torch.manual_seed(0)
    first = list(roll(step, clips))
    np.random.seed(1)
    torch.manual_seed(1)
    apart = [sample for clip in clips for sample in roll(step, [clip])]
    assert len(first) == len(apart)
    for a, b in zip(first, apart, strict=True):
        assert a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(("length", "samples"), [(1, 1), (2, 2), (3, 3), (20, PER_CLIP)])
def test_clips_of_any_length(step, length, samples):
    found = list(roll(step, noise(1, length)))
    assert len(found) == samples
    assert np.array_equal(found[0]["frame"][0], noise(1, length)[0][0])


def test_samples_are_not_overwritten_by_later_ones(step):
    kept, copies = [], []
    for sample in roll(step, noise(2)):
        kept.append(sample)
        copies.append({name: array.copy() for name, array in sample.items()})
    assert all(np.array_equal(a[name], b[name]) for a, b in zip(kept, copies, strict=True) for name in a)


def test_the_seen_flags_are_sampled():
    config = ModelConfig("tsam", "mobilenet_v2", 6, size=SIZE, width=0.5)
    clips = torch.from_numpy(np.stack(noise(2, 4))).permute(0, 1, 4, 2, 3).float()
    step = Step(initial_network(config, clips)).eval()
    clip = noise(1, 3)[0]
    assert [sample[SEEN].flatten().tolist() for sample in roll(step, [clip])] == [[0, 0], [1, 0], [1, 1]]


def test_no_clips_give_no_samples(step):
    assert list(roll(step, [])) == []


# --- drawn clips ----------------------------------------------------------------------------------------------------


def test_drawn_clips_have_the_size_of_the_network_and_repeat():
    spec = FrameSpec(64, 64)
    clips = drawn_clips(spec, 4, seed=2)
    assert clips.source == "4 drawn gesture clips, seed 2"
    assert [clip.shape for clip in clips.frames] == [(FRAMES, 64, 64, 3)] * 4
    assert all(clip.dtype == np.uint8 for clip in clips.frames)
    assert drawn_clips(spec, 4, seed=2).sha256 == clips.sha256 != drawn_clips(spec, 4, seed=3).sha256
    assert any(np.any(clip[0] != clip[-1]) for clip in clips.frames), "something moves"


def test_drawn_clips_have_the_channel_order_of_the_network():
    plain, swapped = (drawn_clips(FrameSpec(64, 64, order=order), 2, seed=2) for order in ("rgb", "bgr"))
    assert all(np.array_equal(a, b[..., ::-1]) for a, b in zip(plain.frames, swapped.frames, strict=True))


def test_the_hash_covers_every_pixel():
    frames = noise(2)
    before = FittedClips("x", tuple(frames)).sha256
    assert FittedClips("y", tuple(frames)).sha256 == before
    for clip in (0, 1):
        changed = [f.copy() for f in frames]
        changed[clip][-1, -1, -1, -1] ^= 1
        assert FittedClips("x", tuple(changed)).sha256 != before


# --- videos ---------------------------------------------------------------------------------------------------------


def make_video(path: Path, seed: int, frames: int = 24) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = np.random.default_rng(seed).integers(0, 200, 3)
    write_video(path, (np.full((32, 48, 3), colour + 2 * t, np.uint8) for t in range(frames)), 10)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sixteen videos in several sub-folders, and with other files."""
    root = tmp_path_factory.mktemp("clips")
    for i in range(8):
        make_video(root / f"{i}.avi", i)
    for i in range(6):
        make_video(root / "b" / "deep" / f"{i}.mp4", 100 + i)
    make_video(root / "a" / "0.avi", 200).rename(root / "a" / "LOUD.AVI")
    make_video(root / "a" / "1.avi", 201).rename(root / "a" / "one.two.avi")
    (root / "notes.txt").write_text("no video")
    (root / "folder.mp4").mkdir()
    return root


def test_videos_are_found_below_a_folder_in_order(folder):
    found = find_videos(folder)
    assert len(found) == 16 == MIN_CLIPS
    assert found == sorted(found)
    assert {path.name for path in found} >= {"LOUD.AVI", "one.two.avi", "7.avi", "5.mp4"}
    assert all(path.is_file() and path.suffix.lower() in (".avi", ".mp4") for path in found)


def test_videos_become_clips(folder):
    spec = FrameSpec(SIZE, SIZE)
    calls: list[int] = []
    clips = read_clips(folder, spec, lambda: calls.append(1))
    assert clips.source == f"16 videos in {folder.name}" and len(calls) == 16
    assert [clip.shape for clip in clips.frames] == [(FRAMES, SIZE, SIZE, 3)] * 16
    for path, clip in zip(find_videos(folder), clips.frames, strict=True):
        expected = [timed.frame.mean() for timed in uniform(path, FRAMES)]
        assert np.allclose([frame.mean() for frame in clip], expected, atol=1.5)
        assert expected == sorted(expected) and expected[-1] > expected[0], "frames are in order and spread out"
    assert read_clips(folder, spec).sha256 == clips.sha256
    assert len({clip.tobytes() for clip in clips.frames}) == 16


def test_held_out_frames_are_others_of_the_same_videos(folder):
    spec = FrameSpec(SIZE, SIZE)
    clips = read_clips(folder, spec).frames
    frames = held_out(folder, spec)
    assert len(frames) == 4 * FRAMES >= 32, "enough for a parity check"
    for clip, start in zip(clips, range(0, len(frames), FRAMES), strict=False):
        taken = {frame.tobytes() for frame in clip}
        held = frames[start : start + FRAMES]
        assert not taken & {frame.tobytes() for frame in held}
        assert clip[0].mean() - 30 < held[0].mean() < clip[1].mean(), "from the same video"
    assert len(held_out(folder, spec, 2)) == 2 * FRAMES


def test_fewer_than_sixteen_videos_are_refused(tmp_path):
    for i in range(MIN_CLIPS - 1):
        (tmp_path / f"{i}.mp4").write_bytes(b"not read")
    for reader in (find_videos, lambda folder: read_clips(folder, FrameSpec(64, 64))):
        with pytest.raises(CalibrationError, match=r"15 videos, and calibration needs 16 or more; without") as caught:
            reader(tmp_path)
        assert "\n" not in str(caught.value)
    (tmp_path / "last.WEBM").write_bytes(b"not read")
    assert len(find_videos(tmp_path)) == 16


def test_an_empty_folder_and_no_folder_are_refused(tmp_path):
    with pytest.raises(CalibrationError, match="0 videos"):
        find_videos(tmp_path)
    (tmp_path / "a.mp4").write_bytes(b"x")
    for path in (tmp_path / "a.mp4", tmp_path / "missing"):
        with pytest.raises(CalibrationError, match="not a folder; --calibration takes a folder with 16 videos"):
            find_videos(path)


def test_a_video_that_cannot_be_read_is_not_dropped_silently(tmp_path):
    for i in range(MIN_CLIPS):
        make_video(tmp_path / f"{i:02}.avi", i, frames=3)
    (tmp_path / "07.avi").write_bytes(b"damaged" * 100)
    with pytest.raises(VideoError, match=r"07\.avi"):
        read_clips(tmp_path, FrameSpec(64, 64))
