"""Calibration clips, and samples with the states that the float step has on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeshift.checkpoints.source import untrained_source
from edgeshift.converters import calibration
from edgeshift.converters.calibration import (
    MIN_CLIPS,
    PER_CLIP,
    Chosen,
    VideoClips,
    choose_videos,
    require_finite,
    roll,
    share,
)
from edgeshift.converters.pipeline import Options, prepare
from edgeshift.errors import CalibrationError, CheckpointError, VideoWarning
from edgeshift.gestures.fitted_clips import FRAMES, FittedClips, drawn_clips
from edgeshift.models import ModelConfig, build
from edgeshift.models.deploy import deploy, deploy_clip
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
    again, others = np.stack(drawn_clips(spec, 4, seed=2).frames), np.stack(drawn_clips(spec, 4, seed=3).frames)
    assert np.array_equal(again, np.stack(clips.frames)) and not np.array_equal(again, others)
    assert any(np.any(clip[0] != clip[-1]) for clip in clips.frames), "something moves"


def test_drawn_clips_have_the_channel_order_of_the_network():
    plain, swapped = (drawn_clips(FrameSpec(64, 64, order=order), 2, seed=2) for order in ("rgb", "bgr"))
    assert all(np.array_equal(a, b[..., ::-1]) for a, b in zip(plain.frames, swapped.frames, strict=True))


def test_the_hash_covers_every_pixel():
    source = untrained_source(size=SIZE, width=0.35)

    def digest(name: str, clips: list[np.ndarray]) -> str:
        spec = prepare(source, Options(calibration=FittedClips(name, tuple(clips)))).calibration
        assert spec is not None and spec.total is None and spec.source == name
        return spec.sha256

    frames = noise(MIN_CLIPS, 2)
    before = digest("x", frames)
    assert digest("y", frames) == before
    for clip in (0, MIN_CLIPS - 1):
        changed = [f.copy() for f in frames]
        changed[clip][-1, -1, -1, -1] ^= 1
        assert digest("x", changed) != before


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


SPEC = FrameSpec(SIZE, SIZE)


def test_videos_are_found_below_a_folder_in_order(folder):
    chosen = choose_videos(folder)
    found = list(chosen.videos)
    assert len(found) == 16 == MIN_CLIPS == chosen.total and chosen.spares == ()
    assert found == sorted(found)
    assert {path.name for path in found} >= {"LOUD.AVI", "one.two.avi", "7.avi", "5.mp4"}
    assert all(path.is_file() and path.suffix.lower() in (".avi", ".mp4") for path in found)


def test_videos_become_clips(folder):
    chosen = choose_videos(folder)
    clips = VideoClips(chosen, SPEC)
    found = list(clips)
    assert clips.source == f"16 videos in {folder.name}" and len(clips) == 16
    assert [clip.shape for clip in found] == [(FRAMES, SIZE, SIZE, 3)] * 16
    for path, clip in zip(chosen.videos, found, strict=True):
        expected = [timed.frame.mean() for timed in uniform(path, FRAMES)]
        assert np.allclose([frame.mean() for frame in clip], expected, atol=1.5)
        assert expected == sorted(expected) and expected[-1] > expected[0], "frames are in order and spread out"
    assert all(np.array_equal(a, b) for a, b in zip(found, clips, strict=True))
    assert len({clip.tobytes() for clip in found}) == 16


def test_a_subset_is_chosen_by_its_seed(tmp_path):
    for index in range(300):
        (tmp_path / f"{index:03d}.mp4").touch()
    chosen = choose_videos(tmp_path)
    assert (len(chosen.videos), chosen.total) == (128, 300) and list(chosen.videos) == sorted(chosen.videos)
    assert not set(chosen.videos) & set(chosen.spares)
    assert choose_videos(tmp_path) == chosen != choose_videos(tmp_path, seed=1)
    numbers = [int(path.stem) for path in choose_videos(tmp_path, 60).videos]
    assert len(numbers) == 60 and all(any(n // 50 == part for n in numbers) for part in range(6)), "from all parts"
    assert len(choose_videos(tmp_path, 1000).videos) == 300


def test_the_source_says_how_many_videos_were_chosen(folder):
    chosen = choose_videos(folder)
    some = VideoClips(Chosen(folder, chosen.videos, (), 148_092), SPEC)
    assert len(list(some)) == 16 and some.source == f"16 of 148,092 videos in {folder.name}" and some.total == 148_092


def test_one_clip_is_in_memory_at_a_time(folder, monkeypatch):
    """A clip is read only when the one before it has been used."""
    read: list[Path] = []
    original = VideoClips._clip
    monkeypatch.setattr(VideoClips, "_clip", lambda self, video: (read.append(video), original(self, video))[1])
    for count, _ in enumerate(VideoClips(choose_videos(folder), SPEC), 1):
        assert len(read) == count


@pytest.mark.parametrize(("clips", "limit"), [(16, 384), (128, 384), (200, 384), (1000, 384), (20, 48)])
def test_the_number_of_samples_is_limited(clips, limit):
    shares = [share(index, clips, limit) for index in range(clips)]
    assert sum(shares) == min(limit, PER_CLIP * clips) and max(shares) - min(shares) <= 1


def test_a_single_sample_of_a_clip_is_any_frame(step):
    clips = noise(12, seed=3)
    samples = [list(roll(step, [clip], 1)) for clip in clips]
    first = [bool(np.array_equal(sample["frame"][0], clip[0])) for (sample,), clip in zip(samples, clips, strict=True)]
    assert 0 < sum(first) < 12
    assert list(roll(step, clips, 0)) == []


def test_samples_of_large_networks_take_limited_memory(step, monkeypatch):
    assert calibration.sample_limit(step) == calibration.MAX_SAMPLES
    bytes_of_one = sum(array.nbytes for array in next(iter(roll(step, noise(1)))).values())
    monkeypatch.setattr(calibration, "MAX_BYTES", 100 * bytes_of_one)
    assert calibration.sample_limit(step) == 100
    monkeypatch.setattr(calibration, "MAX_BYTES", 1)
    assert calibration.sample_limit(step) == MIN_CLIPS * PER_CLIP


def test_held_out_frames_are_others_of_the_same_videos(folder):
    clips = VideoClips(choose_videos(folder), SPEC)
    frames = clips.held_out()
    assert len(frames) == 4 * FRAMES >= 32, "enough for a parity check"
    for clip, start in zip(clips, range(0, len(frames), FRAMES), strict=False):
        taken = {frame.tobytes() for frame in clip}
        held = frames[start : start + FRAMES]
        assert not taken & {frame.tobytes() for frame in held}
        assert clip[0].mean() - 30 < held[0].mean() < clip[1].mean(), "from the same video"
    assert len(clips.held_out(2 * FRAMES)) == 2 * FRAMES
    assert len(clips.held_out(2 * FRAMES + 1)) == 3 * FRAMES, "whole videos"


def test_fewer_than_sixteen_videos_are_refused(tmp_path):
    for i in range(MIN_CLIPS - 1):
        (tmp_path / f"{i}.mp4").write_bytes(b"not read")
    with pytest.raises(CalibrationError, match=r"15 videos, and calibration needs 16 or more.*drawn") as caught:
        choose_videos(tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / "last.WEBM").write_bytes(b"not read")
    assert len(choose_videos(tmp_path).videos) == 16


def test_an_empty_folder_and_no_folder_are_refused(tmp_path):
    with pytest.raises(CalibrationError, match="0 videos"):
        choose_videos(tmp_path)
    (tmp_path / "a.mp4").write_bytes(b"x")
    for path, what in ((tmp_path / "a.mp4", "not a folder"), (tmp_path / "missing", "there is no such folder")):
        with pytest.raises(CalibrationError, match=f"{what}; --calibration takes a folder with 16 videos"):
            choose_videos(path)


def test_a_video_that_cannot_be_read_is_replaced_with_a_warning(tmp_path):
    for i in range(MIN_CLIPS + 1):
        make_video(tmp_path / f"{i:02}.avi", i, frames=3)
    chosen = choose_videos(tmp_path, MIN_CLIPS)
    (spare,) = chosen.spares
    chosen.videos[3].write_bytes(b"damaged" * 100)
    clips = VideoClips(chosen, SPEC)
    with pytest.warns(VideoWarning, match=rf"not used for calibration: .*{chosen.videos[3].name}"):
        assert len(list(clips)) == MIN_CLIPS
    assert clips.source == f"16 of 17 videos in {tmp_path.name}"
    spare.write_bytes(b"damaged" * 100)
    with (
        pytest.warns(VideoWarning),
        pytest.raises(CalibrationError, match=r"15 videos can be read, and calibration needs 16; the first problem is"),
    ):
        list(clips)


def test_folders_of_frames_are_calibration_clips(tmp_path):
    import cv2

    for i in range(MIN_CLIPS):
        (tmp_path / str(i)).mkdir()
        for frame in range(12):
            cv2.imwrite(str(tmp_path / str(i) / f"{frame}.jpg"), np.full((32, 48, 3), 10 * frame + i, np.uint8))
    clips = VideoClips(choose_videos(tmp_path), SPEC, spacing=0.25, fps=12)
    for clip in clips:
        assert len(clip) == 4, "one frame in three"
        assert clip[1].mean() - clip[0].mean() == pytest.approx(30, abs=2)


@pytest.mark.parametrize("frames", [1, 4])
def test_a_network_is_checked_at_sizes_whose_shapes_are_not_measured_yet(frames):
    """Measuring the shapes of the features runs the network without values, which cannot be checked."""
    network = build(ModelConfig("tsm", "mobilenet_v2", 6, size=96, width=0.5), seed=0)
    function = deploy(network) if frames == 1 else deploy_clip(network, frames)
    function.network._shapes.clear()
    require_finite(function, 96, "these weights")
    with torch.no_grad():
        function.network.backbone.classifier[1].weight[0, 0] = torch.nan
    with pytest.raises(CheckpointError, match="the weights these weights computes NaN or infinity"):
        require_finite(function, 96, "these weights")
