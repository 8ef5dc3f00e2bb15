"""Values of options for shell completion and help texts. They come from the registries of targets and models."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edgeshift.targets import RUNTIMES, TARGETS, Target

#: The target of `convert` that stands for every target.
ALL = "all"
#: (value of --device, its description).
DEVICES = (
    ("local", "this machine"),
    ("ssh://", "a board: ssh://user@host"),
    ("adb", "a phone on a cable: adb, or adb:SERIAL"),
    ("browser", "a phone's browser"),
)
#: (value of --accelerator, its description).
ACCELERATORS = (
    ("cpu", "the processor"),
    ("gpu", "LiteRT's GPU accelerator"),
    ("npu", "Qualcomm's NPU or its simulator, or an estimate by Vela"),
    ("cortex-a72", "the processor of a Raspberry Pi 4, emulated by qemu"),
    ("cortex-a76", "the processor of a Raspberry Pi 5, emulated by qemu"),
    ("all", "all that can be used here"),
)
#: Names of the sounds of ``edgeshift.sound.drawn``, which help must not import, because it imports numpy.
SOUNDS = ("clap", "double-clap", "snap", "knock", "whistle-up", "whistle-down", "beep", "voice", "music")
Values = Callable[[], Iterable[tuple[str, str]]]


def describe_values(values_of: Callable[[Target], Iterable[str]]) -> dict[str, str]:
    """Return {value: names of the targets that have it}, for a property of targets such as their state forms."""
    owners: dict[str, list[str]] = {}
    for target in TARGETS.values():
        for value in values_of(target):
            owners.setdefault(value, []).append(target.name)
    return {value: "all targets" if len(names) == len(TARGETS) else ", ".join(names) for value, names in owners.items()}


def models() -> Iterable[tuple[str, str]]:
    """Return the names of the models. They have no description."""
    from edgeshift.models import MODELS

    return ((name, "") for name in MODELS)


def tables() -> Iterable[tuple[str, str]]:
    """Return the names of the shift tables that shift. They have no description."""
    from edgeshift.shift import TABLES

    return ((name, "") for name in TABLES if name != "tsn")


def lint_devices() -> Iterable[tuple[str, str]]:
    """Return the devices that rules of `lint` are about, and the programs that run graphs on them."""
    from edgeshift.runtimes.lint.rule import DEVICES as LINTED

    return ((device.name, device.title) for device in LINTED.values())


def lint_rules() -> Iterable[tuple[str, str]]:
    """Return the rules of `lint`, and what they find."""
    from edgeshift.runtimes.lint.rules import RULES

    return ((rule.name, rule.finds) for rule in RULES)


def hexagons() -> Iterable[tuple[str, str]]:
    """Return the versions of Qualcomm's NPU. They have no description."""
    from edgeshift._system.hexagon import VERSIONS

    return ((version, "") for version in VERSIONS)


def chips() -> Iterable[tuple[str, str]]:
    """Return Qualcomm's chips, and the version of the NPU in each."""
    from edgeshift._system.hexagon import CHIPS

    return ((chip, f"Hexagon {version}") for chip, version in CHIPS.items())


def npus() -> Iterable[tuple[str, str]]:
    """Return the chips that the installed LiteRT compiles for, and their vendors."""
    from edgeshift._system.npus import chips

    return ((name, chip.vendor.title) for name, chip in chips().items())


#: {kind of value: function that returns all (value, description)}. typer drops values that do not match the typed text.
VALUES: dict[str, Values] = {
    "targets": lambda: [*((target.name, target.title) for target in TARGETS.values()), (ALL, "every target")],
    "precisions": lambda: describe_values(lambda target: target.precisions).items(),
    "states": lambda: describe_values(lambda target: target.states).items(),
    "hexagons": hexagons,
    "chips": chips,
    "npus": npus,
    "backends": lambda: describe_values(lambda target: target.backends).items(),
    # The other runtimes are chosen by the suffix of the file.
    "runtimes": lambda: ((runtime.name, runtime.title) for runtime in RUNTIMES.values() if not runtime.by_suffix),
    "models": models,
    "tables": tables,
    "devices": lambda: DEVICES,
    "accelerators": lambda: ACCELERATORS,
    "lint_devices": lint_devices,
    "lint_rules": lint_rules,
    "sounds": lambda: ((name, "") for name in SOUNDS),
}


def fill(text: str) -> str:
    """Replace placeholders such as ``{states}`` in a help text with the values of that kind."""
    for kind in ("targets", "states", "backends", "runtimes", "sounds", "hexagons"):
        if f"{{{kind}}}" not in text:
            continue
        values = [
            value if kind in ("targets", "sounds", "hexagons") else f"{value} ({about})"
            for value, about in VALUES[kind]()
        ]
        text = text.replace(f"{{{kind}}}", ", ".join(value for value in values if value != ALL))
    return text
