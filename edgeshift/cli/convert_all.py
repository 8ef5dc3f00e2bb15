"""``edgeshift convert --target all``: one table over all targets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgeshift.cli.output import print_json, print_next, print_table, size_text

if TYPE_CHECKING:
    from edgeshift.converters import Converted, Outcome

COLUMNS = ("target", "file", "size", "delegated", "max error", "cosine", "top-1", "run here by", "seconds")


def show_all(outcomes: list[Outcome], *, as_json: bool) -> int:
    """Print what became of every target.

    Returns:
        The exit status: 0 if all were converted, else the lowest of the errors', so that a failed check is told.
    """
    if as_json:
        print_json([_document(outcome) for outcome in outcomes])
    else:
        print_table("", COLUMNS, [_row(outcome) for outcome in outcomes])
    for outcome in outcomes:
        if outcome.error is not None:
            print(f"edgeshift: {outcome.target}: {outcome.error}", file=sys.stderr)
    if not as_json and (made := [outcome.converted.path for outcome in outcomes if outcome.converted is not None]):
        print_next("edgeshift", "verify", made[0])
    return min((outcome.error.status for outcome in outcomes if outcome.error is not None), default=0)


def require_folder(out: Path | None) -> Path:
    """Where artifacts go: a folder, the current one if nobody says."""
    from edgeshift.errors import EdgeshiftError

    if out is not None and (out.is_file() or out.suffix):
        raise EdgeshiftError(f"{out}: --target all writes into a folder: name one")
    return out or Path()


def _row(outcome: Outcome) -> tuple[object, ...]:
    made = outcome.converted
    if made is None:
        return (outcome.target, "not converted", *["-"] * 6, f"{outcome.seconds:.1f}")
    graph, parity = made.spec.graph, made.spec.parity
    share = "-" if graph is None or graph.delegated is None else f"{graph.delegated:.0%}"
    found = ("-",) * 3 if parity is None else (f"{parity.max_error:.2g}", f"{parity.cosine:.6f}", f"{parity.top1:.0%}")
    return (outcome.target, made.path.name, size_text(made.size), share, *found, _by(made), f"{outcome.seconds:.1f}")


def _by(made: Converted) -> str:
    """What ran it for the proof of parity."""
    if made.spec.parity is None:
        return "nothing: not verified here"
    return made.spec.parity.runtime or "-"


def _document(outcome: Outcome) -> dict[str, object]:
    made = outcome.converted
    document: dict[str, object] = {"target": outcome.target, "seconds": round(outcome.seconds, 3)}
    if made is None:
        return {**document, "error": str(outcome.error)}
    return {**document, "path": str(made.path), "bytes": made.size, "spec": msgspec.to_builtins(made.spec)}
