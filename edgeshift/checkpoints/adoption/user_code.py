"""Run the user's file, which makes a network, and load weights into the network strictly."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from edgeshift.artifact.description import WeightsSpec
from edgeshift.artifact.spec import StreamSpec
from edgeshift.checkpoints import weights_file
from edgeshift.checkpoints.adoption import AdoptOptions, adopt
from edgeshift.checkpoints.adoption.adopted import NoShiftError, digest
from edgeshift.checkpoints.adoption.failure import users_code
from edgeshift.checkpoints.checkpoint import Checkpoint
from edgeshift.checkpoints.loader import require_streamable
from edgeshift.errors import EdgeshiftError, ModelError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

#: The parts of a name that ``torch.nn.DataParallel`` and Lightning put before every tensor.
PREFIXES = ("module.", "model.", "net.", "network.")
#: End of the names of tensors that count the batches of training. They may be missing, as in old files.
COUNTER = "num_batches_tracked"


def make_network(text: str) -> nn.Module | Checkpoint:
    """Run a Python file, call a function in it, and return the network that it makes, adopted or not.

    Args:
        text: the file and the function, such as "nets/gestures.py:make".

    Raises:
        ModelError: there is no such file or function, or the code raises an exception.
    """
    file, _, name = text.rpartition(":")
    path = Path(file)
    if not file or not name.isidentifier():
        raise ModelError(f"--network {text}: give a file and a function in it, such as nets/gestures.py:make")
    if not path.is_file() or path.suffix != ".py":
        raise ModelError(f"--network {text}: {'not a Python file' if path.exists() else 'no such file'}: {file}")
    spec = importlib.util.spec_from_file_location(f"edgeshift_network_{path.stem}", path.resolve())
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(path.resolve().parent))  # the file may import files beside it
    with users_code(f"--network {text} fails"):
        spec.loader.exec_module(module)
    make = getattr(module, name, None)
    if not callable(make):
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise ModelError(f"--network {text}: {unknown('function', name, functions)}")
    with users_code(f"--network {text} fails"):
        net = make()
    if not isinstance(net, (nn.Module, Checkpoint)):
        kind = type(net).__name__
        raise ModelError(
            f"--network {text}: {name}() returns a {kind}, not a torch.nn.Module or edgeshift's Checkpoint"
        )
    return net


def load_weights(net: nn.Module, path: Path) -> str:
    """Load a weights file into a network, and return the SHA-256 of the file. Every tensor must fit.

    Raises:
        CheckpointError: the file cannot be read, or its tensors differ from those of the network in name or shape.
    """
    file = weights_file.read(path)
    tensors = _without_prefix(file.tensors, net)
    own = net.state_dict()
    missing = [name for name in own if name not in tensors and not name.endswith(COUNTER)]
    unexpected = [name for name in tensors if name not in own]
    shapes = [
        f"{name} has shape {list(tensors[name].shape)}, the network's has {list(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    problems = [
        f"{_listed(names)} {verb}"
        for names, verb in ((missing, "of the network is not in the file"), (unexpected, "is in the file only"))
        if names
    ]
    problems += [_listed(shapes)] if shapes else []
    if problems:
        raise file.error(f"does not fit the network: {'; '.join(problems)}")
    net.load_state_dict({name: tensors.get(name, value) for name, value in own.items()})
    return file.sha256


def load_own_network(text: str, weights: Path | None) -> tuple[nn.Module | Checkpoint, WeightsSpec]:
    """Return the network of ``--network`` with the weights of ``--weights``, and where they come from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # for equal random weights in each run, if none are loaded
        net = make_network(text)
    if isinstance(net, Checkpoint):
        if weights is not None:
            raise EdgeshiftError(
                f"--weights has no effect, because {text} returns a network that is adopted already: load the weights "
                "in this function"
            )
        return net, net.description.weights
    net.eval()
    name = f"{Path(text.rpartition(':')[0]).name}:{text.rpartition(':')[2]}"
    if weights is None:
        return net, WeightsSpec(source=f"own network {name}", sha256=digest(net.cpu()))
    return net, WeightsSpec(source=f"own network {name}, weights {weights.name}", sha256=load_weights(net, weights))


def adopt_from_file(
    text: str,
    weights: Path | None,
    options: AdoptOptions | None = None,
    *,
    mean: str | None = None,
    std: str | None = None,
    streams: bool = True,
) -> Checkpoint:
    """Return the checkpoint of ``--network``: run the file, load the weights, and adopt the network.

    Args:
        text: the file and the function, such as "nets/gestures.py:make".
        weights: the weights file; None: the weights that the function makes.
        options: how to adopt the network.
        mean: three numbers with commas between them; see ``AdoptOptions``.
        std: like ``mean``.
        streams: whether the network must run frame by frame. False, as for clip mode: it may need later frames.

    Raises:
        EdgeshiftError: the code fails, the weights do not fit, or the network cannot be adopted or streamed.
    """
    net, origin = load_own_network(text, weights)
    if isinstance(net, Checkpoint):
        given = {**(options or {}), "mean": mean, "std": std}
        useless = [name for name, value in given.items() if value]
        if useless:
            raise EdgeshiftError(
                f"--{useless[0].replace('_', '-')} has no effect, because {text} returns a network that is adopted "
                "already: leave it out, and set it in the call of edgeshift.adopt"
            )
        return require_streamable(net, Path(text)) if streams else net
    complete: AdoptOptions = {**(options or {}), "weights": origin}
    complete["mean"] = None if mean is None else _numbers(mean, "--mean")
    complete["std"] = None if std is None else _numbers(std, "--std")
    source = adopt(net, **complete)
    return require_streamable(source, Path(text)) if streams else source


def adopt_like(spec: StreamSpec, text: str, weights: Path | None) -> Checkpoint:
    """Return the checkpoint of ``--network`` with the options with which an artifact was made from it.

    Args:
        spec: the description of the artifact.
        text: the file and the function.
        weights: the weights file; None: the weights that the function makes.

    Raises:
        EdgeshiftError: the code fails, the weights do not fit, or the network cannot be adopted.
    """
    net, origin = load_own_network(text, weights)
    if isinstance(net, Checkpoint):
        return net
    config = spec.model
    options = AdoptOptions(
        size=config.size,
        labels=spec.labels,
        mean=config.mean,
        std=config.std,
        fit=spec.frame.fit,
        order=spec.frame.order,
        name=config.backbone,
        stream_bidirectional=config.streamed_bidirectional,
        weights=origin,
    )
    try:
        return adopt(net, **options)
    except NoShiftError:
        options["place"] = {place.place: place.table() for place in spec.shifts}
        return adopt(net, **options)


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 3:
        raise EdgeshiftError(f"{option} {text}: give three numbers with commas between them, such as 0.485,0.456,0.406")
    return values


def _without_prefix(tensors: Mapping[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """Return the tensors without a prefix that all their names share, unless the network's names share it too."""
    own = net.state_dict()
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in tensors) and not all(name.startswith(prefix) for name in own):
            return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return dict(tensors)


def _listed(names: list[str]) -> str:
    more = f" (and {len(names) - 2} more)" if len(names) > 2 else ""
    return ", ".join(weights_file.quote(name) if " " not in name else name for name in names[:2]) + more
