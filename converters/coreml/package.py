"""A converted Core ML model as the bytes of a package, the same for the same conversion."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from edgeshift.artifact import mlpackage_file
from edgeshift.artifact.spec import FRAME, LOGITS, NEXT
from edgeshift.converters.job import Job

#: What coremltools notes by itself and would make two equal conversions differ.
DATE = "com.github.apple.coremltools.conversion_date"
#: Of the manifest, which coremltools fills with random ones.
IDENTIFIERS = {
    "model.mlmodel": "00000000-0000-4000-8000-000000000001",
    "weights": "00000000-0000-4000-8000-000000000002",
}


def packaged(model: Any, job: Job) -> bytes:
    """The package as bytes (``edgeshift.artifact.mlpackage_file``), without what coremltools notes about today.

    Args:
        model: what coremltools converted; it is given words for Xcode to show. job: that it was made for.
    """
    config = job.source.network.config
    model.short_description = (
        f"{config.name}, one frame at a time, {job.precision}. Feed every frame of a stream in order, and reset the "
        "state when a new one begins. Made by edgeshift."
    )
    model.license = job.source.description.weights.license or ""
    model.input_description[FRAME] = f"One frame, {config.size} x {config.size}; normalisation is inside."
    model.output_description[LOGITS] = "This frame's logits, in the order of the labels."
    for name in job.step.state_names if job.state == "io" else ():
        model.input_description[name] = "State: zeros at first, then what the last frame's next state was."
        model.output_description[NEXT + name] = f"What {name} is for the next frame."
    model.user_defined_metadata.pop(DATE, None)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / f"model{mlpackage_file.SUFFIX}"
        model.save(str(folder))
        manifest = folder / mlpackage_file.MANIFEST
        manifest.write_text(_identified(manifest.read_text()))
        _order(folder / mlpackage_file.MODEL)
        return mlpackage_file.read(folder, sys.maxsize)


def _order(file: Path) -> None:
    """Write a program anew with its maps sorted: coremltools leaves them in an order of each process's own."""
    from coremltools.proto.Model_pb2 import Model

    program = Model()
    program.ParseFromString(file.read_bytes())
    file.write_bytes(program.SerializeToString(deterministic=True))


def _identified(manifest: str) -> str:
    """A manifest with the same identifiers every time."""
    for found, entry in json.loads(manifest)["itemInfoEntries"].items():
        manifest = manifest.replace(found, IDENTIFIERS[entry["name"]])
    return json.dumps(json.loads(manifest), indent=4, sort_keys=True) + "\n"
