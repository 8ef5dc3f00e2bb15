"""Paths of layers, as users write them in ``--float-layers`` and read them in ``verify --layers``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from edgeshift.errors import ConversionError, unknown

#: The parts of a path that edgeshift adds to the paths of the user's modules.
_BACKBONE, _OWN = "network.backbone.", "net."
#: Start of the name of an operator that computes a shift.
SHIFT = "shift at "


def shown(path: str) -> str:
    """Return the path of a module of a step without the parts that edgeshift adds; empty: it is not a layer."""
    if not path.startswith(_BACKBONE) or path == f"{_BACKBONE}net":
        return ""
    return ".".join(part for part in path.removeprefix(_BACKBONE).removeprefix(_OWN).split(".") if part != "inner")


def matches(layer: str, patterns: Sequence[str]) -> bool:
    """Return True if a layer matches one of the patterns, or is inside of a module that matches one.

    ``*`` stands for a part of a path between two dots. Shifts match no pattern, because their states stay int8.
    """
    names = layer.split(".")
    return (
        bool(layer) and not layer.startswith(SHIFT) and any(_matches(names, pattern.split(".")) for pattern in patterns)
    )


def require_matches(layers: Iterable[str], patterns: Sequence[str]) -> None:
    """Raise a ConversionError for a pattern that matches none of the layers."""
    known = sorted({layer for layer in layers if layer and not layer.startswith(SHIFT)})
    for pattern in patterns:
        if not any(matches(layer, [pattern]) for layer in known):
            raise ConversionError(f"--float-layers: {unknown('layer', pattern, known)}")


def _matches(names: Sequence[str], patterns: Sequence[str]) -> bool:
    return len(names) >= len(patterns) and all(map(fnmatchcase, names, patterns))
