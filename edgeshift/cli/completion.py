"""Values that the shell completes, and that help texts list. All come from the registries.

Each function returns every value, some with a description that zsh and fish show; typer keeps those that start with
the text typed so far.
"""

from __future__ import annotations

from edgeshift.targets import ALL_PRECISIONS, RUNTIMES, TARGETS

#: The target of `convert` that stands for every target.
ALL = "all"


def targets() -> list[tuple[str, str]]:
    """Return the targets and ``all``."""
    return [*((target.name, target.title) for target in TARGETS.values()), (ALL, "every target, into one folder")]


def precisions() -> list[str]:
    """Return the precisions of all targets."""
    return [name for name in ALL_PRECISIONS if any(name in target.precisions for target in TARGETS.values())]


def states() -> list[tuple[str, str]]:
    """Return the state forms of all targets, and which targets have them."""
    forms: dict[str, list[str]] = {}
    for target in TARGETS.values():
        for form in target.states:
            forms.setdefault(form, []).append(target.name)
    return [(form, "all targets" if len(names) == len(TARGETS) else ", ".join(names)) for form, names in forms.items()]


def backends() -> list[tuple[str, str]]:
    """Return the back ends of all targets, and which targets have them."""
    return [(name, target.name) for target in TARGETS.values() for name in target.backends]


def runtimes() -> list[tuple[str, str]]:
    """Return the runtimes that must be asked for by name."""
    return [(runtime.name, runtime.title) for runtime in RUNTIMES.values() if not runtime.by_suffix]


def models() -> list[str]:
    """Return the names of the models."""
    from edgeshift.models import MODELS

    return list(MODELS)


def devices() -> list[tuple[str, str]]:
    """Return the kinds of devices."""
    return [
        ("local", "this machine"),
        ("ssh://", "a board: ssh://user@host"),
        ("adb", "a phone on a cable: adb, or adb:SERIAL"),
        ("browser", "a phone's browser"),
    ]


def placeholders() -> dict[str, str]:
    """Return {placeholder in a help text: the text that replaces it}."""
    return {
        "{targets}": ", ".join(name for name, _ in targets() if name != ALL),
        "{states}": ", ".join(f"{form} ({where})" for form, where in states()),
        "{backends}": ", ".join(f"{name} ({where})" for name, where in backends()),
        "{runtimes}": ", ".join(f"{name} ({title})" for name, title in runtimes()),
    }
