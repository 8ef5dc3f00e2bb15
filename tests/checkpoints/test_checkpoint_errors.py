"""Files that cannot be loaded. The error is one line that names the file, the fault and the remedy."""

from __future__ import annotations

import io
import os
import pickle
import re
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import foreign
import foreign_resnets
import pytest
import torch
from marker import Marker
from torch import Tensor

from edgeshift import checkpoints
from edgeshift.checkpoints import weights_file
from edgeshift.errors import CheckpointError

State = dict[str, Tensor]
CONV = "module.base_model.features.5.conv.3.weight"
LAYOUTS = "edgeshift, mit-training, tonylins, mit-online, imagenet-21k, torchvision, mmaction2, tsam"
AGAIN = "download or export it again"
READ_AS = f"read as mit-training (tsm_mobilenet_v2), the most similar of {LAYOUTS}; {AGAIN}"
NOT_FINITE = f"tensor '{CONV}' holds NaN or infinity; its training failed, use an earlier checkpoint"


def refused(path: Path, reason: str) -> None:
    """Check that the error is one line with the file and this reason. After "re:" it is a regular expression."""
    with pytest.raises(CheckpointError) as caught:
        checkpoints.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and message.isprintable(), message
    actual = message.removeprefix(f"{path}: ")
    if reason.startswith("re:"):
        assert re.fullmatch(reason[3:], actual), actual
    else:
        assert actual == reason


@pytest.fixture(scope="module")
def good() -> State:
    return foreign.mit().state_dict()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def packed(value: object, *, legacy: bool = False) -> bytes:
    """Return the bytes of a ``torch.save`` file."""
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


class NotATensor:
    """An object that is not a tensor."""


class TestFiles:
    """Errors that are found before the file is unpacked."""

    def test_nonexistent(self, path: Path) -> None:
        refused(path, "there is no such file")

    def test_folder(self, tmp_path: Path) -> None:
        refused(tmp_path, "is a folder; name the weights file inside it")

    def test_empty(self, path: Path) -> None:
        path.touch()
        refused(path, "is empty; download or export it again")

    def test_named_pipe_does_not_hang(self, path: Path) -> None:
        os.mkfifo(path)
        refused(path, "is not a file")

    def test_too_large(self, path: Path) -> None:
        with path.open("wb") as file:
            file.truncate((2 << 30) + 1)  # a sparse file, which takes no space
        refused(path, "is 2,147,483,649 bytes; the limit for weights is 2,147,483,648")

    def test_impossible_name(self) -> None:
        with pytest.raises(CheckpointError, match=r"^'a\\x00b': cannot be read: embedded null byte$"):
            checkpoints.load("a\0b")

    @pytest.mark.parametrize(
        "data",
        [b"<!DOCTYPE html><html>404</html>", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", b"hello"],
    )
    def test_text(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)
        refused(
            path,
            f"is neither a PyTorch nor a safetensors file: it starts with {data[:24]!r}; download or export it again",
        )


class TestPickles:
    """Files of ``torch.save`` in its zip format and in its legacy format."""

    @pytest.mark.parametrize("cut", [4, 100, 2000, -2000, -1])
    def test_truncated_zip(self, path: Path, good: State, cut: int) -> None:
        path.write_bytes(packed(good)[:cut])
        refused(path, "is damaged or cut short: File is not a zip file; download or export it again")

    @pytest.mark.parametrize("cut", [2, 15, 20, 300, 5000, -100_000, -1])
    def test_truncated_legacy(self, path: Path, good: State, cut: int) -> None:
        path.write_bytes(packed(good, legacy=True)[:cut])
        refused(path, r"re:is damaged( or cut short)?: .{5,120}; download or export it again")

    @pytest.mark.parametrize("seed", range(8))
    def test_scrambled_legacy(self, path: Path, seed: int) -> None:
        """A damaged pickle raises errors of many types. Each of them must become a CheckpointError."""
        data = bytearray(packed({f"layer.{i}.weight": torch.zeros(1) for i in range(5)}, legacy=True))
        generator = torch.Generator().manual_seed(seed)
        for at in torch.randint(1, len(data), (12,), generator=generator).tolist():
            data[at] ^= 0x55
        path.write_bytes(data)
        with pytest.raises(CheckpointError) as caught:
            checkpoints.load(path)
        assert str(caught.value).isprintable() and str(caught.value).startswith(str(path))

    def test_flipped_bit(self, path: Path, good: State) -> None:
        """torch.load reads such a file without an error."""
        data = bytearray(packed(good))
        data[len(data) // 2] ^= 0x10
        torch.load(io.BytesIO(data), weights_only=True)
        path.write_bytes(data)
        refused(
            path, r"re:is damaged or cut short: Bad CRC-32 for file 'archive/data/\d+'; download or export it again"
        )

    def test_file_written_without_checksums(self, path: Path, good: State) -> None:
        torch.serialization.set_crc32_options(False)
        try:
            path.write_bytes(packed(good))
        finally:
            torch.serialization.set_crc32_options(True)
        assert checkpoints.load(path).layout == "mit-training"

    @pytest.mark.parametrize("legacy", [False, True])
    def test_an_object_that_is_not_a_tensor(self, path: Path, legacy: bool) -> None:
        path.write_bytes(packed({"state_dict": {"a": NotATensor()}}, legacy=legacy))
        refused(
            path,
            f"holds a Python object ('{__name__}.NotATensor'), which edgeshift does not execute; if you trust the "
            "file, save only its weights: torch.save(model.state_dict(), ...)",
        )

    @pytest.mark.parametrize("legacy", [False, True])
    def test_code_is_not_executed(self, path: Path, legacy: bool) -> None:
        mark = path.with_name("executed")
        path.write_bytes(packed({"state_dict": Marker(mark)}, legacy=legacy))
        refused(path, r"re:holds a Python object \('posix.system'\), which edgeshift does not execute; .*")
        assert not mark.exists()

    def test_plain_pickle(self, path: Path) -> None:
        path.write_bytes(pickle.dumps({"a": 1}, protocol=2))
        refused(path, "is damaged or cut short: Invalid magic number; corrupt file?; download or export it again")

    def test_pickle_protocol_4(self, path: Path) -> None:
        torch.save({"state_dict": {"a": torch.zeros(1)}}, path, pickle_protocol=4)
        refused(
            path,
            "is damaged, or not pickled with protocol 2 as torch.save does; download or export it again",
        )

    def test_torchscript(self, path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", b"")
            archive.writestr("archive/constants.pkl", b"")
        refused(path, "is a TorchScript archive, which is a program; export the network's state_dict() instead")

    def test_zip_of_another_kind(self, path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("weights.pth", b"x")
        refused(path, "is a zip file, but not one of PyTorch's; unpack it and name the weights file")

    def test_zip_that_unpacks_to_too_many_bytes(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", bytes(1 << 20))
        assert path.stat().st_size < 2000
        monkeypatch.setattr(weights_file, "MAX_BYTES", 1 << 19)
        refused(path, "unpacks to more than 524,288 bytes, the limit for weights")


class TestContents:
    """Contents that are not a state dict."""

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            ([1, 2], "holds a list, not a state dict; export the network's state_dict()"),
            (torch.zeros(3), "holds a Tensor, not a state dict; export the network's state_dict()"),
            ({}, "holds no tensors; export the network's state_dict()"),
            ({"state_dict": {}}, "holds no tensors; export the network's state_dict()"),
            (
                {"state_dict": {"a": torch.zeros(1), "epoch": 3}},
                "its entry 'epoch' is not a tensor but int; export the network's state_dict()",
            ),
            (
                {"features.0.0.weight": [0.5]},
                "its entry 'features.0.0.weight' is not a tensor but list; export the network's state_dict()",
            ),
            ({7: torch.zeros(1)}, "its entry 7 is not named by a string; export the network's state_dict()"),
            (
                {"encoder.weight": torch.zeros(1), "encoder.bias": torch.zeros(1)},
                f"no known layout has its 2 tensors (the first is 'encoder.weight'): tried {LAYOUTS}; edgeshift reads "
                "MobileNetV2 and ResNet-18, 34, 50 and 101; "
                "convert another network with its own code: --network FILE.py:FUNCTION",
            ),
            (
                {"\x1b[31m\nred" + "x" * 200: torch.zeros(1)},
                f"no known layout has its 1 tensors (the first is '\\x1b[31m\\nred{'x' * 96}...'): tried {LAYOUTS}; "
                "edgeshift reads MobileNetV2 and ResNet-18, 34, 50 and 101; "
                "convert another network with its own code: --network FILE.py:FUNCTION",
            ),
        ],
    )
    def test_not_a_state_dict(self, path: Path, value: object, reason: str) -> None:
        torch.save(value, path)
        refused(path, reason)


def changed(good: State, change: Callable[[State], object]) -> State:
    state = OrderedDict(good)
    change(state)
    return state


def replaced(name: str, make: Callable[[Tensor], Tensor]) -> Callable[[State], object]:
    return lambda state: state.update({name: make(state[name])})


class TestTensors:
    """A known layout with one fault. The error has the name of the tensor in the file."""

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda s: [s.pop(CONV), s.pop("module.new_fc.bias")], f"tensor '{CONV}' is missing; {READ_AS}"),
            (lambda s: s.pop("module.new_fc.bias"), f"tensor 'module.new_fc.bias' is missing; {READ_AS}"),
            (lambda s: s.update({"module.extra": torch.zeros(1)}), f"tensor 'module.extra' is unexpected; {READ_AS}"),
            (
                # This tensor shows a shift in a block that MIT's network does not shift.
                lambda s: s.update({CONV.replace(".5.conv.3.", ".4.conv.0.net."): torch.zeros(1)}),
                f"tensor 'module.base_model.features.4.conv.0.net.weight' is unexpected; {READ_AS}",
            ),
            (
                replaced(CONV, lambda t: t[:-8]),
                f"tensor '{CONV}' has shape [184, 1, 3, 3], not [192, 1, 3, 3] at width 1; {READ_AS}",
            ),
            (
                replaced(CONV, lambda t: t.reshape(-1)),
                f"tensor '{CONV}' has shape [1728], not [192, 1, 3, 3] at width 1; {READ_AS}",
            ),
            (
                replaced("module.new_fc.bias", lambda t: t[:4]),
                f"tensor 'module.new_fc.bias' has shape [4], not [5] at width 1; {READ_AS}",
            ),
            (
                replaced("module.new_fc.weight", lambda t: t[:1]),
                "tensor 'module.new_fc.weight' has shape [1, 1280], not [outputs, features] with 2 or more outputs",
            ),
            (replaced(CONV, lambda t: torch.full_like(t, float("nan"))), NOT_FINITE),
            (replaced(CONV, lambda t: torch.where(torch.arange(9).reshape(3, 3) == 4, -torch.inf, t)), NOT_FINITE),
            (replaced(CONV, lambda t: t.double() + 1e300), NOT_FINITE),
            (
                replaced(CONV, lambda t: t.to(torch.int8)),
                f"tensor '{CONV}' holds torch.int8, not plain floating-point numbers; export it unquantized",
            ),
            (
                replaced(CONV, lambda t: t.to(torch.complex64)),
                f"tensor '{CONV}' holds torch.complex64, not plain floating-point numbers; export it unquantized",
            ),
            (
                replaced(CONV, lambda t: t.to_sparse()),
                f"tensor '{CONV}' holds torch.float32, not plain floating-point numbers; export it unquantized",
            ),
        ],
    )
    def test_refused(self, path: Path, good: State, change: Callable[[State], object], reason: str) -> None:
        torch.save({"state_dict": changed(good, change)}, path)
        refused(path, reason)

    def test_huge_view_of_one_number(self, path: Path, good: State) -> None:
        """A file of a few bytes can claim any shape, so shapes are checked before values."""
        torch.save({"state_dict": changed(good, replaced(CONV, lambda t: torch.zeros(1).expand(1 << 40)))}, path)
        refused(
            path, rf"re:tensor '{re.escape(CONV)}' has shape \[1099511627776\], not \[192, 1, 3, 3\] at width 1; .*"
        )

    def test_resnet_152(self, path: Path) -> None:
        state = foreign_resnets.mit(101).state_dict()
        for name in [n for n in state if ".layer3.1." in n]:
            for block in range(23, 36):
                state[name.replace(".layer3.1.", f".layer3.{block}.")] = state[name]
        torch.save({"state_dict": state}, path)
        with pytest.raises(
            CheckpointError, match=r"'module.base_model.layer3.23.conv1.weight' is unexpected; read as "
        ):
            checkpoints.load(path)

    def test_shift_around_blocks_and_convolutions(self, path: Path) -> None:
        """A name with both wrappers belongs to neither of MIT's places."""
        state = foreign.mit(resnet=True).state_dict()
        state = {re.sub(r"(layer\d\.\d)\.", r"\1.net.", name): tensor for name, tensor in state.items()}
        torch.save({"state_dict": state}, path)
        with pytest.raises(
            CheckpointError, match=r"'module.base_model.layer1.0.net.conv1.weight' is missing; read as "
        ):
            checkpoints.load(path)


class TestSafetensors:
    """Damaged containers; ``test_edgeshift_file.py`` tests the metadata."""

    @pytest.fixture
    def data(self) -> bytes:
        from safetensors.torch import save

        return save({"a": torch.ones(3)})

    @pytest.mark.parametrize("length", [10**9, (1 << 64) - 1])
    def test_header_length_too_large(self, tmp_path: Path, data: bytes, length: int) -> None:
        path = tmp_path / "w.safetensors"
        path.write_bytes(struct.pack("<Q", length) + data[8:])
        refused(
            path,
            f"is damaged or cut short: its header claims {length:,} bytes and the file has {len(data):,}; {AGAIN}",
        )

    @pytest.mark.parametrize("size", [1, 8, 9, 40])
    def test_cut_in_the_header(self, tmp_path: Path, data: bytes, size: int) -> None:
        path = tmp_path / "w.safetensors"
        path.write_bytes(data[:size])
        refused(path, r"re:is damaged or cut short: its header claims \d+ bytes and the file has \d+; download .*")

    def test_header_length_too_small(self, tmp_path: Path, data: bytes) -> None:
        path = tmp_path / "w.safetensors"
        path.write_bytes(struct.pack("<Q", 20) + data[8:])
        refused(path, "is damaged: Input data was truncated; download or export it again")

    @pytest.mark.parametrize("change", [lambda d: d[:-2], lambda d: d + b"zz", lambda d: d.replace(b"[3]", b"[9]")])
    def test_body_does_not_fit(self, path: Path, data: bytes, change: Callable[[bytes], bytes]) -> None:
        path.write_bytes(change(data))  # the suffix .pth does not matter
        refused(path, r"re:is damaged: Error while deserializing: .+; download or export it again")

    def test_header_too_large(self, path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        path.write_bytes(data)
        monkeypatch.setattr(weights_file, "MAX_HEADER", 16)
        refused(path, "its header is 56 bytes; the limit is 16")

    def test_web_page(self, tmp_path: Path) -> None:
        path = tmp_path / "w.safetensors"
        path.write_bytes(b"<!DOCTYPE html><html>404</html>")
        refused(path, r"re:is damaged or cut short: its header claims [\d,]+ bytes and the file has 31; .*")
