"""Values that the shell completes and that help texts list. They come from the registries."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edgeshift.targets import RUNTIMES, TARGETS, Target

#: The target of `convert` that stands for every target.
ALL = "all"
#: Kinds of devices, and what they are.
DEVICES = (
    ("local", "this machine"),
    ("ssh://", "a board: ssh://user@host"),
    ("adb", "a phone on a cable: adb, or adb:SERIAL"),
    ("browser", "a phone's browser"),
)
Values = Callable[[], Iterable[tuple[str, str]]]


def of_targets(values_of: Callable[[Target], Iterable[str]]) -> dict[str, str]:
    """Return {value: names of the targets that have it} of a property such as their state forms."""
    owners: dict[str, list[str]] = {}
    for target in TARGETS.values():
        for value in values_of(target):
            owners.setdefault(value, []).append(target.name)
    return {value: "all targets" if len(names) == len(TARGETS) else ", ".join(names) for value, names in owners.items()}


def models() -> Iterable[tuple[str, str]]:
    """Return the names of the models. They have no description."""
    from edgeshift.models import MODELS

    return ((name, "") for name in MODELS)


#: {kind of value: function that returns (value, description)}. typer keeps the values that begin with the typed text.
VALUES: dict[str, Values] = {
    "targets": lambda: [*((target.name, target.title) for target in TARGETS.values()), (ALL, "every target")],
    "precisions": lambda: of_targets(lambda target: target.precisions).items(),
    "states": lambda: of_targets(lambda target: target.states).items(),
    "backends": lambda: of_targets(lambda target: target.backends).items(),
    # Other runtimes are chosen by the suffix of a file.
    "runtimes": lambda: ((one.name, one.title) for one in RUNTIMES.values() if not one.by_suffix),
    "models": models,
    "devices": lambda: DEVICES,
}


def fill(text: str) -> str:
    """Replace placeholders such as ``{states}`` in a help text by the values of that kind."""
    for kind in ("targets", "states", "backends", "runtimes"):
        values = [value if kind == "targets" else f"{value} ({about})" for value, about in VALUES[kind]()]
        text = text.replace(f"{{{kind}}}", ", ".join(value for value in values if value != ALL))
    return text
