"""What a rule is, and the devices that rules are about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from edgeshift.runtimes.lint.graph import Graph

#: "wrong": the device returns wrong values without an error. "refused": it does not run a part of the graph, which
#: then runs on the CPU, or the graph cannot be loaded. "slow": it runs everything, but wastes time or memory.
Effect = Literal["wrong", "refused", "slow"]


@dataclass(frozen=True)
class Device:
    """A kind of GPU or NPU.

    Attributes:
        name: name for ``edgeshift lint --for``.
        title: its name for people, with the program that runs graphs on it.
        reads: suffixes of the artifacts that this program reads.
        fresh_states: True if graphs for it must compute every next state anew (``edgeshift convert --for``).
    """

    name: str
    title: str
    reads: tuple[str, ...]
    fresh_states: bool = False


#: {name: device}.
DEVICES = {
    device.name: device
    for device in (
        Device("mali", "Arm Mali GPU, LiteRT's GPU accelerator", (".tflite",), fresh_states=True),
        Device("adreno", "Qualcomm Adreno GPU, LiteRT's GPU accelerator", (".tflite",)),
        Device("htp", "Qualcomm Hexagon NPU, QNN's HTP back end", (".onnx", ".tflite")),
        Device("ethos-u", "Arm Ethos-U NPU, the compiler Vela", (".tflite",)),
        Device("coreml-ane", "Apple Neural Engine, Core ML", (".mlpackage",)),
    )
}


@dataclass(frozen=True)
class Rule:
    """A rule about the graph of an artifact.

    Attributes:
        name: its name.
        devices: names of the devices that it is about.
        effect: what the device does with a graph that breaks it.
        finds: what it finds in a graph.
        why: why that matters on the device.
        source: the public issue or the vendor's page that says so.
        remedy: what to do.
        find: returns the places in a graph that break it, in words; nothing if the graph keeps it.
    """

    name: str
    devices: tuple[str, ...]
    effect: Effect
    finds: str
    why: str
    source: str
    remedy: str
    find: Callable[[Graph], Iterable[str]]
