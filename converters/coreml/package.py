"""A converted Core ML model as the bytes of a package. Equal conversions give equal bytes."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from edgeshift.artifact import mlpackage_file
from edgeshift.artifact.spec import LOGITS, NEXT
from edgeshift.converters.job import Job

#: Metadata that coremltools adds, and that would make two equal conversions differ.
DATE = "com.github.apple.coremltools.conversion_date"
#: Identifiers in the manifest. coremltools draws random ones.
IDENTIFIERS = {
    "model.mlmodel": "00000000-0000-4000-8000-000000000001",
    "weights": "00000000-0000-4000-8000-000000000002",
}


def packaged(model: Any, job: Job) -> bytes:
    """Return a converted model as the bytes of a package (``edgeshift.artifact.mlpackage_file``).

    Args:
        model: the model from coremltools. Descriptions for Xcode are added to it.
        job: the conversion.
    """
    describe(model, job)
    model.user_defined_metadata.pop(DATE, None)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / f"model{mlpackage_file.SUFFIX}"
        model.save(str(folder))
        manifest = folder / mlpackage_file.MANIFEST
        manifest.write_text(_with_fixed_identifiers(manifest.read_text()))
        _sort_maps(folder / mlpackage_file.MODEL)
        return mlpackage_file.read(folder, sys.maxsize)


def describe(model: Any, job: Job) -> None:
    """Add the descriptions for Xcode to a model: what it takes and returns, and how it is used."""
    config = job.source.network.config
    model.short_description = _use(job)
    model.license = job.source.description.weights.license or ""
    if job.step.frames == 1:
        frames, answered = f"One frame, {config.size} x {config.size}", "This frame's logits"
    else:
        order = "red, green, blue" if job.source.description.frame.order == "rgb" else "blue, green, red"
        frames = (
            f"{job.step.frames} frames, the oldest one first: [frames, 3, height, width], each {config.size} x "
            f"{config.size}, channels {order}, values 0 to 255"
        )
        answered = "The logits of the whole clip: the mean over its frames"
        if job.step.sounds:
            frames += "; then the picture of the sound, with the same shape"
            answered = "Two rows: the mean of the logits of the frames, and the logits of the sound, each"
    model.input_description[job.input_name] = f"{frames}; normalisation is inside."
    model.output_description[LOGITS] = f"{answered}, in the order of the labels."
    for name in job.step.state_names if job.state == "io" else ():
        start = job.step.starts.get(name, 0.0)
        values = "zeros" if start == 0 else f"{start:g} everywhere"
        model.input_description[name] = f"State: {values} for the first frame, then the previous frame's {NEXT}{name}."
        model.output_description[NEXT + name] = f"Value of {name} for the next frame."


def _use(job: Job) -> str:
    """Return what the model takes, and how it is used."""
    name = job.source.network.config.name
    if job.step.frames > 1:
        use = f"a clip of {job.step.frames} frames at a time, {job.precision}. It has no state"
    elif job.step.state_names:
        use = (
            f"one frame at a time, {job.precision}. Feed every frame of a stream in order, and reset the state when a "
            "new stream begins"
        )
    else:
        use = f"one frame at a time, {job.precision}. It has no state"
    return f"{name}, {use}. Made by edgeshift."


def _sort_maps(file: Path) -> None:
    """Write a program again with sorted maps. coremltools writes them in an order that differs between processes."""
    from coremltools.proto.Model_pb2 import Model

    program = Model()
    program.ParseFromString(file.read_bytes())
    file.write_bytes(program.SerializeToString(deterministic=True))


def _with_fixed_identifiers(manifest: str) -> str:
    """Return a manifest with our identifiers in place of random ones."""
    for identifier, entry in json.loads(manifest)["itemInfoEntries"].items():
        manifest = manifest.replace(identifier, IDENTIFIERS[entry["name"]])
    return json.dumps(json.loads(manifest), indent=4, sort_keys=True) + "\n"
