"""What the two ways to run a Core ML package share: coremltools, the package on the disk, and its boundary."""

from __future__ import annotations

import importlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeshift._system.quiet import quiet
from edgeshift.artifact import mlpackage_file
from edgeshift.artifact.file import Artifact, Tensors, require_tensors
from edgeshift.artifact.spec import NEXT
from edgeshift.errors import ArtifactError
from edgeshift.targets import missing_runtime

#: Values of Core ML's ArrayFeatureType.ArrayDataType.
ARRAYS = {65552: "float16", 65568: "float32", 65600: "float64", 131104: "int32"}
#: Values of its ImageFeatureType.ColorSpace.
COLOURS = {20: "rgb", 30: "bgr"}


def coremltools(why: str) -> Any:
    """The coremltools module, without what it logs: that this is not a Mac, and which torch it was tested with.

    Args:
        why: what needs it, for the error.

    Raises:
        RuntimeMissingError: it is not installed.
    """
    try:
        with quiet(stdout=True), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = importlib.import_module("coremltools")
    except ImportError as error:
        raise missing_runtime("coreml", why) from error
    logging.getLogger("coremltools").setLevel(logging.CRITICAL)
    return module


@contextmanager
def unpacked(artifact: Artifact) -> Iterator[Path]:
    """The package in a private folder while the block runs: what was checked is what is read."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / f"model{mlpackage_file.SUFFIX}"
        mlpackage_file.write(folder, artifact.body)
        yield folder


def require_description(artifact: Artifact, description: Any) -> None:
    """Names, shapes and types that the model declares must be those of the spec.

    Args:
        description: a ModelDescription of Core ML.

    Raises:
        ArtifactError: they differ.
    """
    spec = artifact.spec
    states = {state.name: _array(state.type.stateType.arrayType) for state in description.state}
    if bool(states) != (spec.state_form == "native"):
        raise ArtifactError(f"{artifact.path}: its states are not carried as its description says ({spec.state_form})")
    inputs: Tensors = dict(states)
    for feature in description.input:
        image = feature.type.imageType
        if feature.type.WhichOneof("Type") != "imageType":
            inputs[feature.name] = _array(feature.type.multiArrayType)
            continue
        inputs[feature.name] = (1, int(image.height), int(image.width), 3), "uint8"
        colour = COLOURS.get(image.colorSpace, str(image.colorSpace))
        if colour != spec.frame.order:
            raise ArtifactError(f"{artifact.path}: its image is {colour}; its description promises {spec.frame.order}")
    classes = (description.predictedFeatureName, description.predictedProbabilitiesName)
    outputs: Tensors = dict(states)
    for feature in description.output:
        if feature.name not in classes:
            outputs[feature.name.removeprefix(NEXT)] = _array(feature.type.multiArrayType)
    require_tensors(artifact, inputs, outputs)


def _array(array: Any) -> tuple[tuple[int, ...], str]:
    return tuple(int(n) for n in array.shape), ARRAYS.get(array.dataType, f"type {array.dataType}")
