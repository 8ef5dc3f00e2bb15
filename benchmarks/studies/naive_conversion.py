"""The naive route from torch to int8 TFLite: LiteRT's tools with their defaults, as their documentation shows.

The overhead study compares edgeshift's graphs with graphs that are converted here. Torch and the tools are imported
when they are used.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeshift._system.quiet import quiet
from edgeshift.errors import missing

if TYPE_CHECKING:
    from torch import nn

    from edgeshift.checkpoints import Checkpoint

#: {input name: float32 array}.
Inputs = dict[str, npt.NDArray[Any]]
SIGNATURE = "serving_default"


def to_tflite(module: nn.Module, inputs: Inputs) -> bytes:
    """Convert a torch module to float32 TFLite.

    Args:
        module: a module with a ``forward`` that takes the inputs by name.
        inputs: example inputs.

    Raises:
        RuntimeMissingError: the converter is not installed.
    """
    import torch

    with quiet(stdout=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter warns about its own internals
        try:
            import litert_torch
        except ImportError as error:
            raise missing("litert-torch", "convert", "converting a graph to time") from error
        arguments = {name: torch.from_numpy(array) for name, array in inputs.items()}
        edge = litert_torch.convert(module.eval(), (), sample_kwargs=arguments)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "plain.tflite"
            edge.export(str(path))
            return path.read_bytes()


def to_int8(body: bytes, samples: Sequence[Inputs]) -> bytes:
    """Quantize a float graph to int8 with static ranges, the default calibration, and no tied ranges.

    Raises:
        RuntimeMissingError: the quantizer is not installed.
    """
    with quiet(stdout=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from ai_edge_quantizer import quantizer, recipe
        except ImportError as error:
            raise missing("ai-edge-quantizer", "convert", "quantizing a graph to time") from error
        tool = quantizer.Quantizer(body)
        tool.load_quantization_recipe(recipe.static_wi8_ai8())
        return bytes(tool.quantize(tool.calibrate({SIGNATURE: list(samples)})).quantized_model)


def naive_step(source: Checkpoint) -> tuple[nn.Module, Inputs]:
    """Return the step as a torch module with named inputs and outputs, and example inputs.

    The module keeps torch's channels-first order, the batch norms and the normalisation of frames.
    """
    import torch
    from torch import Tensor, nn

    from edgeshift.models.network import Step

    class Named(nn.Module):
        def __init__(self, step: Step) -> None:
            super().__init__()
            self.step = step

        def forward(self, frame: Tensor, **states: Tensor) -> dict[str, Tensor]:
            logits, *following = self.step(frame, *states.values())
            return {"logits": logits, **dict(zip(states, following, strict=True))}

    step = Step(source.network).eval()
    size = source.network.config.size
    start = dict(zip(step.state_names, step.start(), strict=True))
    inputs = {"frame": torch.zeros(1, 3, size, size), **start}
    return Named(step), {name: tensor.numpy() for name, tensor in inputs.items()}


def channels_first(sample: Inputs) -> Inputs:
    """Return a calibration sample of ``edgeshift.converters.calibration.roll`` in channels-first order."""
    return {
        name: np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if array.ndim == 4 else array
        for name, array in sample.items()
    }
