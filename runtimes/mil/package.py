"""Code that both runtimes for Core ML packages share: import of coremltools, unpacking, and the check of tensors."""

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

#: {value of Core ML's ArrayFeatureType.ArrayDataType: name}.
ARRAYS = {65552: "float16", 65568: "float32", 65600: "float64", 131104: "int32"}
#: {value of Core ML's ImageFeatureType.ColorSpace: name}.
COLOURS = {20: "rgb", 30: "bgr"}


def coremltools(why: str) -> Any:
    """Import and return coremltools, without its warnings about systems other than macOS and untested torch versions.

    Args:
        why: the work that needs coremltools, for the error message.

    Raises:
        RuntimeMissingError: coremltools is not installed.
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
    """Unpack the package into a private folder while the block runs, so that nobody can change the checked bytes."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / f"model{mlpackage_file.SUFFIX}"
        mlpackage_file.write(folder, artifact.body)
        yield folder


def require_description(artifact: Artifact, description: Any) -> None:
    """Check that the names, shapes and types of a model's tensors are those of the artifact's description.

    Args:
        artifact: the artifact.
        description: Core ML's ModelDescription of the model.

    Raises:
        ArtifactError: they differ.
    """
    spec = artifact.spec
    states = {state.name: _array(state.type.stateType.arrayType) for state in description.state}
    if bool(states) != (spec.state_form == "native"):
        raise ArtifactError(
            f"{artifact.path}: its program does not have the state form {spec.state_form} of its description"
        )
    inputs: Tensors = dict(states)
    for feature in description.input:
        image = feature.type.imageType
        if feature.type.WhichOneof("Type") != "imageType":
            inputs[feature.name] = _array(feature.type.multiArrayType)
            continue
        inputs[feature.name] = (1, int(image.height), int(image.width), 3), "uint8"
        colour = COLOURS.get(image.colorSpace, str(image.colorSpace))
        if colour != spec.frame.order:
            raise ArtifactError(f"{artifact.path}: its image is {colour}; its description says {spec.frame.order}")
    classes = (description.predictedFeatureName, description.predictedProbabilitiesName)
    outputs: Tensors = dict(states)
    for feature in description.output:
        if feature.name not in classes:
            outputs[feature.name.removeprefix(NEXT)] = _array(feature.type.multiArrayType)
    require_tensors(artifact, inputs, outputs)


def _array(array: Any) -> tuple[tuple[int, ...], str]:
    return tuple(int(n) for n in array.shape), ARRAYS.get(array.dataType, f"type {array.dataType}")
