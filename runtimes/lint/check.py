"""The check of an artifact: read its graph, and apply the rules for some devices."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from edgeshift.artifact.file import Artifact
from edgeshift.errors import EdgeshiftError, unknown
from edgeshift.runtimes.lint.graph import Graph
from edgeshift.runtimes.lint.rule import DEVICES, Effect, Rule
from edgeshift.runtimes.lint.rules import RULES
from edgeshift.targets import find_runtime

#: {suffix of an artifact: module that reads its graph}.
READERS = {
    ".tflite": "edgeshift.runtimes.lint.tflite_reader",
    ".onnx": "edgeshift.runtimes.lint.onnx_reader",
    ".mlpackage": "edgeshift.runtimes.lint.coreml_reader",
}


@dataclass(frozen=True)
class Finding:
    """A rule that a graph breaks.

    Attributes:
        rule: name of the rule.
        devices: the devices that were asked for and that the rule is about.
        effect: what these devices do with the graph; see ``edgeshift.runtimes.lint.rule.Effect``.
        places: where the graph breaks it, in words.
        why, source, remedy: of the rule.
    """

    rule: str
    devices: tuple[str, ...]
    effect: Effect
    places: tuple[str, ...]
    why: str
    source: str
    remedy: str


def devices_of(artifact: Artifact) -> tuple[str, ...]:
    """Return the names of the devices whose programs read artifacts of this kind.

    Raises:
        EdgeshiftError: there are none.
    """
    suffix = artifact.path.suffix.lower()
    names = tuple(device.name for device in DEVICES.values() if suffix in device.reads)
    if not names:
        raise EdgeshiftError(
            f"{artifact.path}: there are no rules for {suffix} files, whose operators are inside a delegate's data: "
            f"convert the model to {' or '.join(READERS)} too, and lint that file"
        )
    return names


def read_graph(artifact: Artifact) -> Graph:
    """Return the graph of an artifact.

    Raises:
        ArtifactError: the graph is damaged or hostile.
        RuntimeMissingError: the package that describes its format is not installed.
        EdgeshiftError: graphs of this format cannot be read.
    """
    devices_of(artifact)
    graph: Graph = importlib.import_module(READERS[artifact.path.suffix.lower()]).read(artifact)
    return graph


def lint(artifact: Artifact, devices: Sequence[str] | None = None, ignore: Collection[str] = ()) -> list[Finding]:
    """Return the rules that an artifact breaks.

    Args:
        artifact: the artifact.
        devices: names in ``DEVICES``; None: all that read artifacts of this kind.
        ignore: names of rules to leave out.

    Raises:
        EdgeshiftError: a device or rule is unknown, a device does not read artifacts of this kind, or the graph is
            compiled for an NPU. For other errors, see ``read_graph``.
    """
    known = devices_of(artifact)
    chip = artifact.spec.chip
    if chip is not None:
        raise EdgeshiftError(
            f"{artifact.path}: it is compiled for the NPU of {chip}, which leaves no operators to check: convert "
            "without --aot, and check that artifact"
        )
    if find_runtime(artifact.path).only_npu:
        raise EdgeshiftError(
            f"{artifact.path}: it is compiled for Qualcomm's NPU, which leaves no operators to check: convert the same "
            "weights with --target onnx, and check that artifact with --for htp"
        )
    for name in devices or ():
        if name not in DEVICES:
            raise EdgeshiftError(unknown("device", name, DEVICES))
        if name not in known:
            reads = " or ".join(DEVICES[name].reads)
            raise EdgeshiftError(
                f"{artifact.path}: {name} ({DEVICES[name].title}) reads {reads}: convert the model to that format, or "
                f"choose {' or '.join(known)}"
            )
    names = [rule.name for rule in RULES]
    for rule in ignore:
        if rule not in names:
            raise EdgeshiftError(unknown("rule", rule, names))
    return check(read_graph(artifact), devices or known, [rule for rule in RULES if rule.name not in ignore])


def check(graph: Graph, devices: Collection[str], rules: Sequence[Rule] = RULES) -> list[Finding]:
    """Return the rules about some devices that a graph breaks, the worst effects first."""
    findings = []
    for rule in rules:
        concerned = tuple(name for name in rule.devices if name in devices)
        places = tuple(rule.find(graph)) if concerned else ()
        if places:
            findings.append(Finding(rule.name, concerned, rule.effect, places, rule.why, rule.source, rule.remedy))
    return findings
