"""The checks of a finished int8 graph."""

from __future__ import annotations

import pytest

from edgeshift.artifact.spec import GridSpec, TensorSpec
from edgeshift.converters.quantization.finished import End, describe_boundary, require_int8
from edgeshift.errors import ConversionError

GRID, OTHER = GridSpec(scale=0.5, zero_point=-3), GridSpec(scale=0.25, zero_point=-3)
EXPECTED = {
    name: TensorSpec(name=name, shape=shape, dtype="float32")
    for name, shape in {"frame": (1, 64, 64, 3), "logits": (1, 4), "state_a": (1, 8, 8, 2)}.items()
}


def ends(**changes):
    described = {name: End(tensor.shape, "int8", GRID) for name, tensor in EXPECTED.items()} | changes
    return [{name: described[name] for name in side} for side in (("frame", "state_a"), ("logits", "state_a"))]


def test_the_description_has_the_grids_of_the_graph():
    found = describe_boundary(EXPECTED, *ends(logits=End((1, 4), "float32")))
    state = found["state_a"]
    assert (state.shape, state.dtype, state.scale, state.zero_point) == ((1, 8, 8, 2), "int8", 0.5, -3)
    assert (found["logits"].dtype, found["logits"].scale, found["logits"].zero_point) == ("float32", 1.0, 0)


@pytest.mark.parametrize("other", [End((1, 8, 8, 2), "int8", OTHER), End((1, 8, 8, 2), "float32")])
def test_a_state_whose_two_ends_differ_is_refused(other):
    inputs, outputs = ends()
    with pytest.raises(ConversionError, match=r"state_a is int8 .*scale 0\.5.* where it is read and .* is written"):
        describe_boundary(EXPECTED, inputs, {**outputs, "state_a": other})


def test_another_shape_is_refused():
    with pytest.raises(ConversionError, match=r"logits is float32 \[1, 5\]; the step has \[1, 4\]"):
        describe_boundary(EXPECTED, *ends(logits=End((1, 5), "float32")))


def test_int8_that_is_float_is_refused():
    require_int8()
    require_int8(conversions=4, allowed=4)
    with pytest.raises(
        ConversionError, match="has 5 conversions between float and int8, and 4 are expected; it was not"
    ):
        require_int8(conversions=5, allowed=4)
    with pytest.raises(ConversionError, match="still computes Conv, Gemm in float; it was not written"):
        require_int8(floats=["Conv", "Gemm"])
