"""Training sequences of recorded videos. Clips are found, split and joined; they are mirrored only on request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeshift.artifact.description import NONE
from edgeshift.errors import EdgeshiftError, TrainingError, VideoError
from edgeshift.gestures import Event
from edgeshift.training import videos
from edgeshift.training.clip_cache import ClipCache
from edgeshift.training.videos import TAIL, LabelMap, VideoSequences, content_hash, find_videos, labels_of
from edgeshift.video.clips import write_video
from edgeshift.video.dataset import LabelledClip
from edgeshift.video.fit import FrameSpec

SIZE = 64


def write_clip(path: Path, left: int, right: int, frames: int = 12) -> None:
    """Write a clip whose left half has brightness ``left`` and whose right half ``right``; both rise over time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((SIZE, SIZE, 3), left, np.uint8)
    picture[:, SIZE // 2 :] = right
    write_video(path, [picture + np.uint8(2 * index) for index in range(frames)], 10)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for index in range(8):
        write_clip(tmp_path / "left" / f"{index}.avi", 200, 40)
        write_clip(tmp_path / "right" / f"{index}.avi", 40, 200)
    write_clip(tmp_path / NONE / "0.avi", 90, 90)
    (tmp_path / "left" / ".7.half.avi").write_bytes(b"half-written")
    return tmp_path


def test_too_few_clips_are_named_by_the_split_that_they_lack() -> None:
    with pytest.raises(TrainingError, match="no clips for validation: a label needs seven clips"):
        VideoSequences([], ("a", "b"), 4, SIZE, 0.2, 0, validation=True)
    with pytest.raises(TrainingError, match="no clips for training: put clips into the folder train"):
        VideoSequences([], ("a", "b"), 4, SIZE, 0.2, 0)


def test_folders_inside_a_label_belong_to_the_label(data: Path) -> None:
    for name in ("left/anna/1.avi", "left/anna/deep/2.avi", "left/.cache/3.avi", ".hidden/4.avi"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes((data / "left" / "0.avi").read_bytes())
    found = [video for video in find_videos(data) if len(video.path.relative_to(data).parts) > 2]
    assert [(video.path.name, video.label) for video in found] == [("1.avi", "left"), ("2.avi", "left")]
    assert labels_of(find_videos(data)) == ("left", "right", NONE)


def test_an_unprintable_file_name_is_refused(data: Path) -> None:
    (data / "left" / "\x1b[2J.avi").write_bytes(b"")
    with pytest.raises(VideoError, match="printable characters") as caught:
        find_videos(data)
    assert str(caught.value).isprintable()


def test_a_folder_per_label(data: Path) -> None:
    found = find_videos(data)
    assert len(found) == 17
    assert labels_of(found) == ("left", "right", NONE)
    assert [video.path.name for video in found if video.split == "val"] == ["6.avi", "6.avi"]


def test_a_csv_with_a_split(data: Path) -> None:
    table = data / "list.csv"
    table.write_text("file,label,split\nleft/0.avi,left,train\nright/1.avi,right,val\n")
    assert [(video.label, video.split) for video in find_videos(table)] == [("left", "train"), ("right", "val")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\n../else.avi,left\nright/0.avi,right\n", "no clip '../else.avi'"),
        ("file,label\nleft/none.avi,left\nright/0.avi,right\n", "no clip 'left/none.avi'"),
        ("name,kind\nleft/0.avi,left\n", "must name the columns: file,label or file,label,split; it is 'name,kind'"),
        ("file,label\nleft/0.avi,left\n", "1 videos of 1 labels"),
        ("file,label\nleft/0.avi,left\nright/0.avi,right\nleft/0.avi,right\n", "line 4: .* occurs twice"),
        ("file,label,begin,end\nleft/0.avi,left,0,1\nright/0.avi,right,0,1\n", "belong to events in streams"),
        ("file,label\nleft/\x1b[2J.avi,left\n", "line 2: .* is not 1 to 1024 printable characters"),
        ("file,label\nleft/\0.avi,left\n", "printable characters|not valid CSV"),
        ("file,label\nleft/0.avi\n", "line 2: the file or the label is missing"),
        (f"file,label\n{'x' * 2000}.avi,left\n", "line 2: .* is not 1 to 1024 printable characters"),
    ],
)
def test_a_bad_csv_is_refused_in_one_line(data: Path, text: str, message: str) -> None:
    (data / "list.csv").write_text(text)
    with pytest.raises(EdgeshiftError, match=message) as caught:
        find_videos(data / "list.csv")
    assert str(caught.value).isprintable()


def test_neither_folder_nor_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="a folder of clips for each label"):
        find_videos(tmp_path / "nothing")


def test_the_hash_depends_on_the_content(data: Path) -> None:
    before = content_hash(find_videos(data))
    assert content_hash(find_videos(data)) == before
    write_clip(data / "left" / "0.avi", 200, 41)
    assert content_hash(find_videos(data)) != before


def sequences(
    data: Path, changes: LabelMap | None = None, *, validation: bool = False, seed: int = 0
) -> VideoSequences:
    found = find_videos(data)
    return VideoSequences(found, labels_of(found), 20, SIZE, 0.1, seed, changes=changes, validation=validation)


def side(frames: np.ndarray) -> str:  # type: ignore[type-arg]
    """Return which half of the frames is brighter."""
    half = SIZE // 2
    return "left" if frames[:, :, :half].mean() > frames[:, :, half:].mean() else "right"


def test_a_sequence_joins_several_clips(data: Path) -> None:
    sequence = sequences(data)[3]
    assert sequence.frames.shape == (20, SIZE, SIZE, 3)
    assert len(sequence.targets.span_labels) >= 1
    assert not sequence.motion_weights.any()
    assert np.array_equal(sequences(data)[3].frames, sequence.frames)
    assert not np.array_equal(sequences(data)[4].frames, sequence.frames)


def test_clips_are_not_mirrored_by_default(data: Path) -> None:
    training = sequences(data)
    for index in range(20):
        sequence = training[index]
        for span, label in zip(sequence.targets.spans, sequence.targets.span_labels, strict=True):
            assert side(sequence.frames[span > 0]) == training.labels[label]


def test_mirroring_changes_frames_and_label_together(data: Path) -> None:
    plain, changed = sequences(data), sequences(data, LabelMap({"left": "right", "right": "left"}, {}))
    mirrored = 0
    for index in range(20):
        sequence = changed[index]
        for span, label in zip(sequence.targets.spans, sequence.targets.span_labels, strict=True):
            assert side(sequence.frames[span > 0]) == changed.labels[label]
        mirrored += sequence.targets.span_labels.tolist() != plain[index].targets.span_labels.tolist()
    assert mirrored


def test_reversed_clips_are_played_backwards(data: Path) -> None:
    changed = sequences(data, LabelMap({}, {"left": "left"}))
    falling = 0
    for index in range(20):
        sequence = changed[index]
        for span, label in zip(sequence.targets.spans, sequence.targets.span_labels, strict=True):
            light = sequence.frames[span > 0].mean((1, 2, 3))
            falling += label == 0 and light[0] > light[-1]
            assert label == 0 or light[0] < light[-1]
    assert falling


def test_a_reversed_gesture_is_complete_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The part after the gesture then comes first, and the gesture ends with the last frame."""
    write_clip(tmp_path / "up.avi", 60, 60, frames=20)
    monkeypatch.setattr("edgeshift.training.videos.augment", lambda clip, random: clip)
    events: list[Event] = []
    real = videos.frame_targets
    monkeypatch.setattr(videos, "frame_targets", lambda t, e, labels: (events.append(e[0]), real(t, e, labels))[1])
    video = LabelledClip(tmp_path / "up.avi", "up.avi", "up")
    training = VideoSequences([video], ("up", NONE), 40, SIZE, 0.1, 0, changes=LabelMap({}, {"up": "up"}))
    seen = set()
    for index in range(12):
        light = training[index].frames.mean((1, 2, 3))
        backwards = bool(light[1] < light[0])
        seen.add(backwards)
        event = events[-1]
        rest = TAIL * (event.end if backwards else event.end / (1 - TAIL))
        assert event.begin == pytest.approx(rest if backwards else 0)
    assert seen == {False, True}


def test_an_unreadable_clip_is_left_out_and_reported(data: Path) -> None:
    (data / "left" / "3.avi").write_bytes(b"RIFF, but no film")
    found = find_videos(data)
    sequences = VideoSequences(found, labels_of(found), 24, SIZE, 0.1, 0)
    drawn = [sequences[index] for index in range(30)]
    reported = {line for sequence in drawn for line in sequence.unread}
    assert len(reported) == 1 and "3.avi" in reported.pop()
    assert all(len(sequence.frames) == 24 for sequence in drawn)
    again = VideoSequences(found, labels_of(found), 24, SIZE, 0.1, 0)[7]
    assert np.array_equal(again.frames, drawn[7].frames) and again.unread == drawn[7].unread
    validation = VideoSequences(found, labels_of(found), 24, SIZE, 0.1, 0, validation=True)
    assert any(validation[index].unread for index in range(len(found)))


def test_only_unreadable_clips_end_the_run(data: Path) -> None:
    for path in data.glob("*/*.avi"):
        path.write_bytes(b"no film")
    found = find_videos(data)
    with pytest.raises(TrainingError, match="clips in a row cannot be read"):
        VideoSequences(found, labels_of(found), 24, SIZE, 0.1, 0)[0]


def test_a_label_map_with_unknown_labels_is_refused(data: Path) -> None:
    with pytest.raises(TrainingError, match="'up'"):
        sequences(data, LabelMap({"up": "down"}, {}))


def test_validation_clips_are_not_augmented(data: Path) -> None:
    validation = sequences(data, validation=True)
    first = validation[0]
    assert validation.labels[first.targets.labels[11]] in ("left", NONE)
    assert np.array_equal(sequences(data, validation=True, seed=5)[0].frames, first.frames)


def test_clips_of_none_are_not_gestures(data: Path) -> None:
    found = [video for video in find_videos(data) if video.label == NONE]
    sequence = VideoSequences(found, ("left", "right", NONE), 12, SIZE, 0.1, 0)[0]
    assert set(sequence.targets.labels) == {2}
    assert len(sequence.targets.spans) == 0


def test_the_first_validation_clips_have_every_label(tmp_path: Path) -> None:
    """The list is sorted by label. It has 27 labels, whose numbers of clips are very different."""
    names = tuple(f"label{index:02}" for index in range(27))
    videos = []
    for index, name in enumerate(names):
        write_clip(tmp_path / name / "0.avi", 8 * index, 8 * index, frames=8)
        videos += [LabelledClip(tmp_path / name / "0.avi", f"{name}/0.avi", name, "val")] * (1 + 40 * (index % 3))
    validation = VideoSequences(videos, names, 8, SIZE, 0.1, 0, validation=True)
    seen = [validation[index] for index in range(32)]
    assert {names[label] for sequence in seen for label in sequence.targets.span_labels} == set(names)
    again = VideoSequences(videos, names, 8, SIZE, 0.1, 5, validation=True)
    assert all(np.array_equal(again[index].frames, seen[index].frames) for index in range(32))


def test_a_long_clip_is_cut_at_a_random_frame(tmp_path: Path) -> None:
    write_clip(tmp_path / "left" / "0.avi", 100, 20, frames=60)
    video = LabelledClip(tmp_path / "left" / "0.avi", "left/0.avi", "left")
    training = VideoSequences([video], ("left", NONE), 12, SIZE, 0.1, 0)
    complete = 0
    for index in range(30):
        sequence = training[index]
        assert sequence.frames.shape[0] == 12
        shown = sequence.targets.labels == 0
        complete += bool((sequence.targets.weights[shown] > 0).any())
    assert 3 < complete < 27
    validation = VideoSequences([video], ("left", NONE), 12, SIZE, 0.1, 0, validation=True)
    assert validation[0].frames[:, :, : SIZE // 2].mean((1, 2, 3))[0] == pytest.approx(100, abs=4)
    assert not (validation[0].targets.labels == 0).any()


def test_the_targets_of_a_cut_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gesture is complete at the same frame of the clip wherever it is cut. The brightness identifies the frame."""
    write_clip(tmp_path / "left" / "0.avi", 100, 100, frames=60)
    monkeypatch.setattr("edgeshift.training.videos.augment", lambda clip, random: clip)
    training = VideoSequences(
        [LabelledClip(tmp_path / "left" / "0.avi", "left/0.avi", "left")], ("left", NONE), 30, SIZE, 0.1, 0
    )
    cuts = set()
    for index in range(20):
        sequence = training[index]
        shown = np.flatnonzero(sequence.targets.labels == 0)
        light = sequence.frames.mean((1, 2, 3))
        cuts.add(round(float(light[0])))
        if len(shown) and shown[0]:
            assert light[shown[0]] == pytest.approx(100 + 2 * 60 * (1 - TAIL), abs=5)
    assert len(cuts) > 5


def test_the_cache_keeps_the_last_used_clips_up_to_its_limit() -> None:
    decoded = []

    def decode(path: Path, spacing: float, spec: FrameSpec, fps: float | None) -> np.ndarray:  # type: ignore[type-arg]
        decoded.append(path.name)
        return np.zeros((int(path.name), 10, 10, 3), np.uint8)

    cache, spec = ClipCache(3000, decode), FrameSpec(10, 10)
    for name in ("5", "4", "5", "2", "4", "5", "11", "5"):
        assert len(cache.get(Path(name), 0.1, spec)) == int(name)
        assert cache.bytes <= 3000
    assert decoded == ["5", "4", "2", "4", "5", "11"]
    cache.get(Path("5"), 0.2, spec)
    assert decoded[-1] == "5"
