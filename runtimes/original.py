"""The network that an artifact was made from: found by the artifact's description, and loaded with PyTorch."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from edgeshift.errors import CheckFailedError, EdgeshiftError, missing

if TYPE_CHECKING:
    from edgeshift.artifact.spec import StreamSpec
    from edgeshift.checkpoints import Checkpoint


def find_original(
    spec: StreamSpec, weights: Path | None = None, network: str | None = None
) -> tuple[Checkpoint | None, str | None]:
    """Return the original of an artifact, or None and the reason why it is not loaded.

    Args:
        spec: the description of the artifact.
        weights: its checkpoint; None: weights that ship with edgeshift, if the artifact was made from them.
        network: file and function of a network of the user's own code, ``FILE.py:FUNCTION``, which is run.

    Raises:
        CheckFailedError: the checkpoint or the code is not what the artifact was made from.
        EdgeshiftError: ``network`` is given for a network that edgeshift knows; or the file cannot be read.
        RuntimeMissingError: ``weights`` or ``network`` is given, and torch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        if weights is not None or network is not None:
            raise missing("torch", "convert", "comparing with the checkpoint")
        return None, "not run: torch is not installed"
    from edgeshift._system.files import sha256
    from edgeshift.checkpoints.source import UNTRAINED_WEIGHTS
    from edgeshift.weights import all_shipped

    if network is not None:
        if not spec.model.adopted:
            raise EdgeshiftError(f"--network is for networks of your own code, not for {spec.model.name}: leave it out")
        return _load_own(spec, network, weights), None
    if spec.model.adopted:
        return None, f"not run: give the code of the network ({spec.weights.source}) with --network"
    if weights is None:
        shipped = (path for path in all_shipped().values() if sha256(path.read_bytes()) == spec.weights.sha256)
        weights = next(shipped, None)
    if weights is None and spec.weights.source != UNTRAINED_WEIGHTS:
        return None, f"not run: give the checkpoint ({spec.weights.source}) with --weights"
    source = _load(spec, weights)
    if weights is None and source.description.weights.sha256 != spec.weights.sha256:
        return None, "not run: the untrained weights of this machine differ from those of the artifact"
    return source, None


def _load_own(spec: StreamSpec, network: str, weights: Path | None) -> Checkpoint:
    """Adopt the network of the user's code again, as it was adopted for the artifact."""
    from edgeshift.checkpoints.adoption.user_code import adopt_like

    source = adopt_like(spec, network, weights)
    if source.description.weights.sha256 != spec.weights.sha256:
        raise CheckFailedError(
            f"the weights of {network} are not those this artifact was made from ({spec.weights.source})"
        )
    return source


def _load(spec: StreamSpec, weights: Path | None) -> Checkpoint:
    """Load the checkpoint of an artifact, or the untrained network."""
    from edgeshift.checkpoints import load, load_for_streaming, weights_file
    from edgeshift.checkpoints.source import untrained_source
    from edgeshift.models.config import DIV

    model = spec.model
    if weights is None:
        return untrained_source(model.name, size=model.size, width=model.width, depth=model.depth)
    # The hash is checked first: for another checkpoint, the error would be a misleading one about labels.
    if weights_file.read(weights).sha256 != spec.weights.sha256:
        raise CheckFailedError(f"{weights} is not the checkpoint this artifact was made from ({spec.weights.source})")
    read = load if spec.mode == "clip" else load_for_streaming
    return read(
        weights,
        model=model.name,
        size=model.size,
        fit=spec.frame.fit,
        order=spec.frame.order,
        labels=spec.labels,
        bidirectional=None if model.bidirectional else False,
        stream_bidirectional=model.streamed_bidirectional,
        shift_div=model.div if model.div != DIV else None,
        depth=model.depth if model.table == "tsam" else None,
        non_local=model.non_local,
    )
