"""The study of events with sound: dropouts, and what is counted."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from edgeshift.artifact.description import NONE, RuleSpec, WeightsSpec, describe_network
from edgeshift.benchmarks.studies import sound_events
from edgeshift.benchmarks.studies.sound_events import DROPOUT, LOST, Lost, dropouts, measure, play
from edgeshift.checkpoints import Checkpoint, save
from edgeshift.errors import EdgeshiftError
from edgeshift.gestures.heard_stream import draw_heard_stream
from edgeshift.models import ModelConfig, build
from edgeshift.runtimes.pytorch import reference
from edgeshift.sound import SoundSettings

SIZE = 64
SETTINGS = SoundSettings(seconds=1.0, frames=4, weight=4.0, bands=32)
LABELS = ("clap", NONE, "left+clap", "left")
RULE = RuleSpec(window=3, threshold=0.4, hold_off=1.0, none=NONE)


@pytest.fixture(scope="module")
def source() -> Checkpoint:
    config = ModelConfig("tsam", "mobilenet_v2", len(LABELS), size=SIZE, depth=1, sound=SETTINGS)
    weights = WeightsSpec(source="drawn pairs", trained=True)
    description = describe_network(
        config, labels=LABELS, weights=weights, frame_spacing=0.25, quiet=(0.0, 1.0, 2.0, 3.0)
    )
    return Checkpoint(build(config, seed=1).eval(), description, "edgeshift")


@pytest.fixture(scope="module")
def drawn():
    return draw_heard_stream(3, gestures=("left",), sounds=("clap",), seconds=10.0, span=1.0, size=SIZE)


def test_dropouts_take_their_share_of_the_time():
    lost = [each for seed in range(40) for each in dropouts(seed, 60.0)]
    lengths = [each.end - each.begin for each in lost]
    assert DROPOUT[0] <= min(lengths) and max(lengths) <= DROPOUT[1]
    assert sum(lengths) / (40 * 60) == pytest.approx(LOST, abs=0.02)
    assert {each.zeros for each in lost} == {False, True}


@pytest.mark.parametrize("zeros", [False, True])
def test_after_a_dropout_no_answer_contains_a_sound_until_it_is_complete_again(source, drawn, zeros):
    stream = reference(source).stream(paced=False)
    whole = play(stream, RULE, drawn, drawn.samples)
    broken = play(stream, RULE, drawn, drawn.samples, [Lost(4.0, 4.5, zeros)])
    heard = [prediction.heard for prediction in broken.predictions]
    times = drawn.video.times
    assert all(state == "heard" for state, time in zip(heard, times, strict=True) if 1.5 < time < 3.9)
    assert not any(state == "heard" for state, time in zip(heard, times, strict=True) if 4.6 < time < 5.4)
    assert all(state == "heard" for state, time in zip(heard, times, strict=True) if time > 6)
    same = [np.array_equal(a.logits, b.logits) for a, b in zip(whole.predictions, broken.predictions, strict=True)]
    assert all(same[: int(np.searchsorted(times, 3.9))]) and same[-1]


def test_the_report_counts_everything(source, tmp_path, monkeypatch):
    monkeypatch.setattr(
        sound_events, "draw_heard_stream", lambda seed, **options: draw_heard_stream(seed, seconds=8.0, **options)
    )
    path = tmp_path / "sound.safetensors"
    save(path, source.network, source.description, rule=RULE)
    report = measure(path, 3)
    assert report.minutes == 3 and set(report.ignored) == {"knock", "voice", "music"}
    assert report.gestures.total == report.gestures_with_dropouts.total > 0
    assert report.heard.total > 60 and report.heard.count > report.heard_with_dropouts.count
    assert msgspec.json.decode(msgspec.json.encode(report))["rule"]["window"] == 3


def test_labels_that_are_not_pairs_are_refused(source, tmp_path):
    description = msgspec.structs.replace(source.description, labels=("a", "b", "c", "d"))
    save(tmp_path / "other.safetensors", source.network, description)
    with pytest.raises(EdgeshiftError, match="not all pairs of drawn gestures"):
        measure(tmp_path / "other.safetensors", 1)
