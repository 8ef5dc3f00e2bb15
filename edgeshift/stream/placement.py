"""Where a graph ran: on the CPU, on a GPU, on an NPU, or on a simulator of an NPU.

The runtime that ran the graph says it. A measurement stores it beside its figures, because a figure that was measured
on a GPU says nothing about the CPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

#: What a graph can run on. A simulator is a program on the CPU that computes as the NPU does, only slower.
#: "not known": the runtime divides the graph among the processors that it may use, and does not say how.
Accelerator = Literal["cpu", "gpu", "npu", "npu simulator", "not known"]
#: For measurements that do not say where they ran: (pattern in the name of the runtime, what the graph ran on).
OLDER: tuple[tuple[str, Accelerator], ...] = (
    (r"^QNN .*, simulator\)", "npu simulator"),
    (r"^QNN ", "npu"),
    (r"^LiteRT .*\(GPU accelerator", "gpu"),
    (r"^LiteRT .*\(compiled, NPU of ", "npu"),
    (r"\(WebGPU ", "gpu"),
    (r"^TensorRT ", "gpu"),
    (r"^ONNX Runtime .*\((cuda|tensorrt),", "gpu"),
    (r"^ONNX Runtime .*\((coreml|nnapi),", "not known"),
    (r"^Core ML .*\((all|cpu\+gpu|cpu\+ane)\)", "not known"),
    (r"^ExecuTorch .*\(coreml,", "not known"),
)
#: Names of runtimes that run all operators on a GPU or NPU or not at all, with the device in parentheses.
OLDER_DEVICES = (
    re.compile(r"^LiteRT .*\(GPU accelerator, all operators, (.+)\)$"),
    re.compile(r"^QNN .*\((Hexagon v\d+), (?:NPU|simulator)\)$"),
    re.compile(r"^TensorRT \S+ on (.+), \w+(?: with fp16)?$"),
)


class Placement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a graph ran, as its runtime says.

    Attributes:
        accelerator: what it ran on.
        device: name of the GPU, or version of the NPU; None: the runtime does not say it.
        complete: whether all operators ran there; None: the runtime does not say it.
    """

    accelerator: Accelerator
    device: str | None = None
    complete: bool | None = None

    @property
    def title(self) -> str:
        """The accelerator and its name, such as "gpu (Adreno 740, Vulkan)"."""
        return self.accelerator if self.device is None else f"{self.accelerator} ({self.device})"

    @property
    def text(self) -> str:
        """The title, and for other accelerators than the CPU how much of the graph ran there."""
        if self.accelerator in ("cpu", "not known"):
            return self.title
        share = {
            True: "all operators",
            False: "only some operators",
            None: "the runtime does not say which operators",
        }[self.complete]
        return f"{self.title}: {share}"


#: All operators ran on the CPU.
ON_CPU = Placement(accelerator="cpu", complete=True)


def placement_of(ran_on: Placement | None, runtime: str) -> Placement:
    """Return where a measurement ran.

    Args:
        ran_on: what the report says; None: it says nothing, so the name of the runtime decides.
        runtime: name and version of the runtime.
    """
    if ran_on is not None:
        return ran_on
    found: Accelerator = "cpu"
    for pattern, accelerator in OLDER:
        if re.search(pattern, runtime):
            found = accelerator
            break
    for name in OLDER_DEVICES:
        if match := name.search(runtime):
            return Placement(accelerator=found, device=match[1], complete=True)
    return Placement(accelerator=found)


def accelerators(placements: Iterable[Placement]) -> str:
    """Return the accelerators of several placements, each once, such as "gpu"; "-" if there are none."""
    return ", ".join(dict.fromkeys(placement.accelerator for placement in placements)) or "-"


def texts(placements: Iterable[Placement]) -> str:
    """Return the texts of several placements, each once; "-" if there are none."""
    return "; ".join(dict.fromkeys(placement.text for placement in placements)) or "-"
