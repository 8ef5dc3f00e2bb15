"""Read and write event rules as JSON files, such as ``{"window": 4, "threshold": 0.5, "hold_off": 1}``."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec

from edgeshift._system.files import atomic_write
from edgeshift._system.text import printable
from edgeshift.artifact.description import RuleSpec
from edgeshift.errors import EdgeshiftError, one_line

#: Largest file, bytes.
MAX_BYTES = 1 << 20


def read_rule(path: Path) -> RuleSpec:
    """Read a rule. Whether its labels fit a model is checked where the rule is used.

    Raises:
        EdgeshiftError: the file cannot be read, is too large, or is not a valid rule. The message names the field.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise EdgeshiftError(f"{path}: is not a file; give a JSON file with an event rule")
        if status.st_size > MAX_BYTES:
            raise EdgeshiftError(f"{path}: {status.st_size:,} bytes; the limit for an event rule is {MAX_BYTES:,}")
        rule = msgspec.json.decode(path.read_bytes(), type=RuleSpec)
    except OSError as error:
        raise EdgeshiftError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        reason = printable(one_line(error))
        raise EdgeshiftError(
            f'{path}: not an event rule: {reason}; it looks like {{"window": 4, "threshold": 0.5, "hold_off": 1}}'
        ) from error
    return rule if rule.origin else msgspec.structs.replace(rule, origin=f"the file {printable(path.name)}"[:4096])


def require_rule_fits(rule: RuleSpec, labels: tuple[str, ...], where: object) -> None:
    """Raise EdgeshiftError if a rule names a label that a model does not have."""
    try:
        rule.silent_indices(labels)
    except ValueError as error:
        from difflib import get_close_matches

        wanted = [label for label in (rule.none, *rule.silent) if label is not None and label not in labels]
        similar = get_close_matches(wanted[0], labels, n=3, cutoff=0.5) if wanted else []
        hint = (
            f"did you mean {' or '.join(map(repr, similar))}?" if similar else f"the labels: {', '.join(labels[:12])}"
        )
        raise EdgeshiftError(f"{where}: {error}; {hint}") from error


def write_rule(path: Path, rule: RuleSpec) -> None:
    """Write a rule. The file gets its name only when it is complete.

    Raises:
        EdgeshiftError: the file cannot be written.
    """
    try:
        with atomic_write(path) as temporary:
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode(rule), indent=1) + b"\n")
    except OSError as error:
        raise EdgeshiftError(f"{path}: cannot be written: {error.strerror or error}") from error
