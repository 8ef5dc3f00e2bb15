"""What the command line asks for, made into the demo's parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edgeshift.apps.camera.actions import Action, parse_action
from edgeshift.apps.camera.engine.session import Runner, Session
from edgeshift.apps.camera.engine.smoothing import SMOOTHINGS
from edgeshift.errors import EdgeshiftError, unknown
from edgeshift.runtimes import load


def open_session(
    files: Sequence[Path],
    *,
    runtime: str | None = None,
    threads: int = 1,
    smoothing: str | None = None,
    mask: Sequence[str] = (),
) -> Session:
    """Load artifacts, each with a stream that is ready.

    Args:
        smoothing: of ``SMOOTHINGS``; None: each artifact's own rule. mask: labels that are never shown.

    Raises:
        EdgeshiftError: an artifact that cannot be loaded, an unknown smoothing, a label that no artifact has.
    """
    if smoothing is not None and smoothing not in SMOOTHINGS:
        raise EdgeshiftError(unknown("smoothing", smoothing, SMOOTHINGS))
    models = [(path, load(path, runtime=runtime, threads=threads)) for path in files]
    known = {label for _, model in models for label in model.spec.labels}
    for label in mask:
        if label not in known:
            raise EdgeshiftError(f"--mask: {unknown('label', label, known)}")
    runners = [Runner(path, model, smoothing, mask) for path, model in models]
    for runner in runners:
        runner.warm_up()
    return Session(runners)


def parse_actions(texts: Sequence[str], session: Session) -> list[Action]:
    """The actions of ``--on``, of labels that one of the artifacts has."""
    labels = dict.fromkeys(label for runner in session.runners for label in runner.model.spec.labels)
    return [parse_action(text, list(labels)) for text in texts]


def parse_labels(text: str) -> list[str]:
    """Labels with commas between them."""
    return [part.strip() for part in text.split(",") if part.strip()]


def parse_size(text: str) -> tuple[int, int]:
    """Read "800x480".

    Raises:
        EdgeshiftError: something else.
    """
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text.strip())
    if not found:
        raise EdgeshiftError(f"--size {text!r} is not a picture size: write it as in 800x480")
    return int(found[1]), int(found[2])
