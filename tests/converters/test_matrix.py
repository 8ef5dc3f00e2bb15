"""Every model, to every target, in every precision: one function compares each artifact with the original.

Programs for Core ML run in edgeshift's reference executor, and files for TensorRT in ONNX Runtime. Neither Core ML nor
TensorRT itself is tested here.
"""

from __future__ import annotations

import pytest

from edgeshift.errors import CheckFailedError
from edgeshift.gestures.fitted_clips import drawn_clips
from edgeshift.runtimes import load
from edgeshift.runtimes.pytorch import references
from edgeshift.stream.parity import compare, failures
from edgeshift.stream.selfcheck import self_check
from edgeshift.targets import TARGETS, find_target

pytestmark = pytest.mark.slow

MODELS = ("tsm", "stsm", "tsam", "tsm_resnet50")
PRECISIONS = ("fp32", "fp16", "int8")
#: Targets that only a slow simulator runs here. Their own tests convert one model.
SIMULATED = ("qnn",)
RUN_HERE = [target for target in TARGETS if target not in SIMULATED]
CELLS = [(model, target, precision, "io") for model in MODELS for target in RUN_HERE for precision in PRECISIONS]
#: A model without states, and the forms with states inside the graph.
CELLS += [("tsn", target, "int8", "io") for target in RUN_HERE]
CELLS += [("tsm", "executorch", "int8", "buffer"), ("tsam", "executorch", "fp32", "buffer")]
CELLS += [
    (model, "coreml", precision, "native") for model, precision in (("tsm", "fp16"), ("tsm", "int8"), ("tsam", "int8"))
]
#: On processors with AVX512-FP16, XNNPACK computes and accumulates in float16 itself, and ResNet-50 exceeds the limits.
NATIVE_FP16 = ("tsm_resnet50", "executorch", "fp16", "io")


def _marked(cell):
    marks = []
    if cell == NATIVE_FP16:
        marks = [
            pytest.mark.xfail(strict=False, reason="float16 arithmetic of this processor", raises=CheckFailedError)
        ]
    return pytest.param(*cell, marks=marks, id="-".join(cell))


@pytest.mark.parametrize(("model", "target", "precision", "state"), [_marked(cell) for cell in CELLS])
def test_artifact_matches_the_original(made, model, target, precision, state):
    """The frames have a seed that the conversion does not use. They are streamed, and streamed again after a reset."""
    artifact = made(model, precision, target, **({} if state == "io" else {"state": state}))
    loaded = load(artifact.path)
    frames = [f for clip in drawn_clips(artifact.source.description.frame, 4, seed=77).frames for f in clip]
    wanted, original = references(artifact.source, precision, find_target(target))
    parity = compare(loaded, wanted, frames, original=original)
    assert failures(parity, precision) == [], parity
    assert parity.repeatable and parity.frames == 32
    assert self_check(loaded).ok
    assert loaded.spec.parity is not None and loaded.spec.parity.frames >= 32
    assert loaded.spec.state_form == state and loaded.spec.precision == precision


def test_the_matrix_is_complete():
    """A new precision or target must be in the matrix."""
    assert {precision for target in TARGETS for precision in find_target(target).precisions} == set(PRECISIONS)
    assert {cell[:2] for cell in CELLS} >= {(model, target) for model in MODELS for target in RUN_HERE}
