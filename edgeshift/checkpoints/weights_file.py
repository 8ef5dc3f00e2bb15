"""Read a weights file, in the zip, legacy or safetensors format, as named tensors.

The file is untrusted: its size is limited, its contents are checked, and nothing in it is executed.
"""

from __future__ import annotations

import io
import os
import pickle
import re
import stat
import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import safetensors.torch
import torch
from torch import Tensor

from edgeshift._system.files import sha256
from edgeshift._system.text import is_printable
from edgeshift.checkpoints import inert_pickle
from edgeshift.checkpoints.inert_pickle import Placeholder
from edgeshift.errors import CheckpointError

#: Largest size of a file, and of its contents when unpacked, bytes. A checkpoint of ResNet-50 with its optimizer has
#: 0.2 GiB.
MAX_BYTES = 2 << 30
#: Largest header of a safetensors file (names, shapes and metadata), bytes.
MAX_HEADER = 8 << 20

#: Keys under which training scripts store the weights next to the optimizer; MIT and mmaction2 use the first one. If
#: none is present, the only dictionary of tensors is taken.
WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module")

#: The key of the backbone in files of the public TSAM, which store each part of the network as a dictionary.
TSAM_BACKBONE = "nn_backbone"

#: Number of dictionaries that may be around the weights, as in {"model": {"state_dict": ...}}.
MAX_DEPTH = 2

#: The name of a class or function in an error of torch.load.
_OBJECT = re.compile(r"GLOBAL (\S+)")
_LEGACY = b"\x80"
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True, eq=False)
class WeightsFile:
    """A weights file that was read.

    Attributes:
        path: the file.
        sha256: hash of the file, 64 hexadecimal digits.
        tensors: {name in the file: tensor of any dtype}; at least one.
        metadata: the metadata entries of a safetensors file; empty for other files.
        left_out: names of other sets of weights in the file, such as ``ema``, which are not used.
        meta: the dictionary ``meta`` that mmaction2 stores beside the weights, with any contents; empty: there is none.
    """

    path: Path
    sha256: str
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    left_out: tuple[str, ...] = ()
    meta: Mapping[Any, Any] = field(default_factory=dict)

    def error(self, reason: str) -> CheckpointError:
        """Return a CheckpointError about this file, in one line."""
        return refusal(self.path, reason)


def read(path: str | os.PathLike[str]) -> WeightsFile:
    """Read a ``torch.save`` file (zip or legacy) or a safetensors file.

    Raises:
        CheckpointError: the file does not exist, is larger than ``MAX_BYTES``, is damaged, has another format, or holds
            anything but named tensors.
    """
    path = Path(path)
    data = _bytes(path)
    metadata: Mapping[str, str] = {}
    left_out: tuple[str, ...] = ()
    meta: Mapping[Any, Any] = {}
    if (path.suffix == ".safetensors" and not data.startswith(_ZIP)) or _is_safetensors(data):
        tensors, metadata = _safetensors(path, data)
    elif data.startswith((_ZIP, _LEGACY)):
        if data.startswith(_ZIP):
            _check_zip(path, data)
        content, objects = _torch(path, data)
        tensors, left_out = _state_dict(path, content, objects)
        if isinstance(content, Mapping) and isinstance(beside := content.get("meta"), Mapping):
            meta = beside
    else:
        raise refusal(
            path,
            f"is neither a PyTorch nor a safetensors file: it starts with {data[:24]!r}; download or export it again",
        )
    if not tensors:
        raise refusal(path, "holds no tensors; export the network's state_dict()")
    return WeightsFile(path, sha256(data), tensors, metadata, left_out, meta)


def refusal(path: Path, reason: str) -> CheckpointError:
    """Return a CheckpointError in one line. A path with unprintable characters is escaped."""
    name = str(path)
    return CheckpointError(f"{name if is_printable(name) else repr(name)}: {reason}")


def quote(name: object) -> str:
    """Return a name from a file so that it is safe to print: escaped and shortened."""
    text = repr(name)
    return text if len(text) <= 120 else f"{text[:110]}...{text[-1]}"


def _bytes(path: Path) -> bytes:
    """Return the contents of a file, read once, so that the bytes that are hashed are the bytes that are loaded."""
    try:
        # Opening a named pipe would otherwise block until some process writes to it.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise refusal(path, "is not a file")
            if status.st_size > MAX_BYTES:
                raise refusal(path, f"is {status.st_size:,} bytes; the limit for weights is {MAX_BYTES:,}")
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise refusal(path, "there is no such file") from error
    except IsADirectoryError as error:
        raise refusal(path, "is a folder; name the weights file inside it") from error
    except (OSError, ValueError) as error:
        raise refusal(path, f"cannot be read: {_line(error)}") from error
    if not data:
        raise refusal(path, "is empty; download or export it again")
    return data


def _torch(path: Path, data: bytes) -> tuple[object, tuple[str, ...]]:
    """Return the content of a file, and the names of the objects in it that are not restored."""
    try:
        with warnings.catch_warnings():
            # torch warns about a newer pickle protocol, but usually loads the file.
            warnings.filterwarnings("ignore", message="Detected pickle protocol", category=UserWarning)
            try:
                return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True), ()
            except pickle.UnpicklingError as error:
                if not data.startswith(_ZIP) or not _OBJECT.search(str(error)):
                    raise
            return inert_pickle.load(data)
    except pickle.UnpicklingError as error:
        if match := _OBJECT.search(str(error)):
            raise _holds_object(path, match[1]) from error
        if "Unsupported operand" in str(error):
            raise refusal(
                path,
                "is damaged, or not pickled with protocol 2 as torch.save does; download or export it again",
            ) from error
        raise refusal(path, f"is damaged: {_line(error)}; download or export it again") from error
    except Exception as error:  # a damaged pickle stream raises errors of any type: KeyError, struct.error, ...
        raise refusal(path, f"is damaged or cut short: {_line(error)}; download or export it again") from error


def _holds_object(path: Path, name: str) -> CheckpointError:
    return refusal(
        path,
        f"holds a Python object ({quote(name)}), which edgeshift does not execute; if you trust the file, save only "
        "its weights: torch.save(model.state_dict(), ...)",
    )


def _check_zip(path: Path, data: bytes) -> None:
    """Check for faults that torch does not notice: a flipped bit, and a small file that unpacks to a huge one."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            names = {Path(entry.filename).name for entry in entries}
            if "constants.pkl" in names:
                raise refusal(
                    path, "is a TorchScript archive, which is a program; export the network's state_dict() instead"
                )
            if "data.pkl" not in names:
                raise refusal(path, "is a zip file, but not one of PyTorch's; unpack it and name the weights file")
            if sum(entry.file_size for entry in entries) > MAX_BYTES:
                raise refusal(path, f"unpacks to more than {MAX_BYTES:,} bytes, the limit for weights")
            for entry in entries:
                # Files written under torch.serialization.set_crc32_options(False) have zeros instead of checksums.
                if entry.CRC:
                    with archive.open(entry) as stream:
                        while stream.read(1 << 20):
                            pass
    except CheckpointError:
        raise
    except Exception as error:  # a damaged zip file raises errors of any type
        raise refusal(path, f"is damaged or cut short: {_line(error)}; download or export it again") from error


def _state_dict(path: Path, value: object, objects: tuple[str, ...]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the tensors in the content of a file, and the names of the sets of weights beside them."""
    left_out: tuple[str, ...] = ()
    for _ in range(MAX_DEPTH):
        if isinstance(value, Mapping) and TSAM_BACKBONE in value:
            break
        name = _wrapper(path, value)
        if name is None:
            break
        assert isinstance(value, Mapping)
        left_out = tuple(str(other)[:40] for other in value if other != name and _has_tensors(value[other]))
        value = value[name]
    if isinstance(value, Mapping) and isinstance(value.get(TSAM_BACKBONE), Mapping):
        value = _join_parts(path, value)
    if isinstance(value, Placeholder):
        raise _holds_object(path, objects[0])
    if not isinstance(value, Mapping):
        raise refusal(path, f"holds a {type(value).__name__}, not a state dict; export the network's state_dict()")
    for name, tensor in value.items():
        if not isinstance(name, str):
            raise refusal(path, f"its entry {quote(name)} is not named by a string; export the network's state_dict()")
        if isinstance(tensor, Placeholder):
            raise _holds_object(path, objects[0])
        if not isinstance(tensor, Tensor):
            kind = type(tensor).__name__
            raise refusal(
                path, f"its entry {quote(name)} is not a tensor but {kind}; export the network's state_dict()"
            )
    return dict(value), left_out


def _join_parts(path: Path, value: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the tensors of TSAM's parts, {part: {name: tensor}}, as {part.name: tensor}."""
    joined: dict[str, Any] = {}
    for part, tensors in value.items():
        if isinstance(tensors, Placeholder):
            joined[f"{part}"] = tensors
        for name, tensor in tensors.items() if isinstance(tensors, Mapping) else ():
            if not isinstance(name, str):
                raise refusal(path, f"its entry {quote(name)} is not named by a string")
            joined[f"{part}.{name.removeprefix('module.')}"] = tensor  # DataParallel may be around each part
    return joined


def _wrapper(path: Path, value: object) -> Any:
    """Return the key under which the weights are stored; None: the value is the weights, or not a dictionary."""
    if not isinstance(value, Mapping):
        return None
    for name in WRAPPERS:
        if isinstance(value.get(name), (Mapping, Placeholder)):
            return name
    if _has_tensors(value):
        return None
    names = [name for name, inner in value.items() if _has_tensors(inner)]
    if len(names) > 1:
        listed = ", ".join(quote(name) for name in names[:5])
        raise refusal(path, f"holds {len(names)} sets of weights ({listed}); save the one to load as a file of its own")
    return names[0] if names else None


def _has_tensors(value: object) -> bool:
    return isinstance(value, Mapping) and any(isinstance(tensor, Tensor) for tensor in value.values())


def _is_safetensors(data: bytes) -> bool:
    return len(data) > 8 and data[8:9] == b"{" and struct.unpack("<Q", data[:8])[0] <= len(data) - 8


def _safetensors(path: Path, data: bytes) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    length = struct.unpack("<Q", data[:8])[0] if len(data) >= 8 else 0
    if len(data) < 10 or length > len(data) - 8:
        raise refusal(
            path,
            f"is damaged or cut short: its header claims {length:,} bytes and the file has {len(data):,}; download or "
            "export it again",
        )
    if length > MAX_HEADER:
        raise refusal(path, f"its header is {length:,} bytes; the limit is {MAX_HEADER:,}")
    try:
        header = msgspec.json.decode(data[8 : 8 + length], type=_Header)
        return safetensors.torch.load(data), header.metadata
    except Exception as error:  # the library's own error type, and torch's errors about unknown dtypes
        raise refusal(path, f"is damaged: {_line(error)}; download or export it again") from error


class _Header(msgspec.Struct):
    metadata: dict[str, str] = msgspec.field(name="__metadata__", default={})


def _line(error: BaseException) -> str:
    """Return the first sentence of a library's error, or its type if it has no text."""
    text = " ".join(str(error).split())
    if "WeightsUnpickler error:" in text:  # the text before it advises to load the file with code execution
        text = text.partition("WeightsUnpickler error:")[2].strip()
    text = text.split(". ")[0].split(" Check the documentation")[0][:120].rstrip(".")
    return f"{type(error).__name__} {text}" if isinstance(error, KeyError) or not text else text
