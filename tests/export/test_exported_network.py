"""An exported network answers as the one it was made from: both formats, any batch and image size, clear messages."""

import json
import sys

import pytest
import torch
from helpers.tiny_export import inferer, tiny_folders, tiny_network
from scripts.conventions import ConfigError, DataError
from scripts.export.exported_network import FORMATS, ExportedNetwork, flatten, unflatten
from scripts.export.formats import serialise, signature

pytestmark = pytest.mark.slow


def opened(file_format):
    _, folder = tiny_folders()
    record = json.loads((folder / "export.json").read_text())
    files = {part: folder / one["file"] for part, one in record["files"][file_format].items()}
    return ExportedNetwork(files, file_format, record["signature"], record["size_divisor"])


@pytest.fixture(scope="module", params=FORMATS)
def exported(request):
    return opened(request.param)


def inputs(batch, height=32, width=32):
    generator = torch.Generator().manual_seed(batch)
    image = torch.rand(batch, 4, height, width, generator=generator) * 2 - 1
    state = torch.randn(batch, 5, height, width, generator=generator)
    available = torch.tensor([[1, 1], [1, 0]]).repeat(batch, 1)[:batch]
    vendor, timesteps = torch.arange(batch) % 5, torch.randint(1000, (batch,), generator=generator)
    return image, state, available, vendor, timesteps


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 32, 32), (3, 32, 32), (4, 32, 32), (5, 48, 20)])
@torch.no_grad()
def test_encoder_and_step_agree_at_every_batch_and_image_size(exported, batch, height, width):
    network, (image, state, available, vendor, timesteps) = tiny_network(), inputs(batch, height, width)
    wanted, found = network.encode(image, available, vendor), exported.encode(image, available, vendor)
    for name, tensor in flatten(wanted).items():
        assert torch.allclose(flatten(found)[name], tensor, atol=1e-4), name
    output = exported.denoise(state, timesteps, found)
    assert output.shape == state.shape
    assert torch.allclose(output, network.denoise(state, timesteps, wanted), atol=1e-4)


@torch.no_grad()
def test_timestep_availability_and_vendor_are_inputs_and_not_frozen_into_the_file(exported):
    image, state, available, vendor, timesteps = inputs(2)
    base = exported.denoise(state, timesteps, exported.encode(image, available, vendor))
    for change in ((image, 1 - available, vendor, timesteps), (image, available, vendor + 2, timesteps)):
        assert not torch.allclose(base, exported.denoise(state, change[3], exported.encode(*change[:3])), atol=1e-4)
    later = exported.denoise(state, (timesteps + 400) % 1000, exported.encode(image, available, vendor))
    assert not torch.allclose(base, later, atol=1e-4)


def test_a_whole_sampled_subject_agrees(exported):
    image = torch.rand(1, 4, 32, 32, 5, generator=torch.Generator().manual_seed(1))
    arguments = {"available": torch.tensor([[1.0, 0.0]]), "vendor": torch.tensor([2]), "subject": ["a"]}
    network = tiny_network().to(memory_format=torch.channels_last)
    samples = [inferer()(image, one, **arguments) for one in (network, exported)]
    assert samples[0].std() > 0.01
    assert torch.allclose(*samples, atol=1e-4)


def test_without_availability_and_vendor_all_is_there_and_the_vendor_unknown(exported):
    image, *_ = inputs(2)
    plain, told = exported.encode(image), exported.encode(image, torch.ones(2, 2), torch.zeros(2))
    assert torch.equal(plain.embedding, told.embedding)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(1, 3, 32, 32), "image has 3 channels, expected 4"),
        (torch.zeros(1, 4, 31, 32), "image is 31x32, expected multiples of 2"),
    ],
)
def test_a_wrong_image_is_refused_as_by_the_network_itself(exported, image, message):
    with pytest.raises(ConfigError, match=message):
        exported.encode(image)


def test_conditions_are_the_same_after_flattening_whatever_their_lists_hold():
    image, *_ = inputs(2)
    conditions = tiny_network().encode(image)
    back = unflatten(flatten(conditions))
    assert [len(one) for one in back] == [len(one) for one in conditions]
    assert all(a is b for a, b in zip(flatten(back).values(), flatten(conditions).values(), strict=True))
    assert unflatten(flatten(conditions._replace(keys=[], values=[]))).keys == []


def test_the_signature_says_which_sizes_follow_the_image():
    shapes = {port["name"]: port["shape"] for port in signature(tiny_network())["denoiser"]["inputs"]}
    assert shapes["state"] == ["batch", 5, "height", "width"]
    assert shapes["condition_features_0"] == ["batch", 16, "height/2", "width/2"]
    assert shapes["condition_keys_0"] == ["batch", 2, 2, "height*width", 8]
    assert shapes["condition_available"] == ["batch", 2]


def test_without_onnxruntime_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match="onnxruntime is not installed here. Fix: pip install onnxruntime"):
        opened("onnx")


def test_without_onnxscript_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ConfigError, match="onnxscript is not installed here. Fix: pip install onnx onnxscript"):
        serialise(tiny_network(), "onnx", {})


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_the_runtime_cannot_read_is_named(file_format, tmp_path):
    record = json.loads((tiny_folders()[1] / "export.json").read_text())
    for part in ("encoder", "denoiser"):
        (tmp_path / part).write_bytes(b"not a network")
    files = {part: tmp_path / part for part in ("encoder", "denoiser")}
    with pytest.raises(DataError, match=r"encoder: .* cannot read it .* Fix: export again") as caught:
        ExportedNetwork(files, file_format, record["signature"], 2)
    assert str(tmp_path) not in str(caught.value)


def test_an_onnx_file_newer_than_the_runtime_is_named_with_the_version_here(tmp_path):
    import onnx

    record, files = json.loads((tiny_folders()[1] / "export.json").read_text()), {}
    for part in ("encoder", "denoiser"):
        model = onnx.load(tiny_folders()[1] / f"{part}.onnx")
        model.ir_version = 99
        files[part] = tmp_path / f"{part}.onnx"
        files[part].write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match=r"encoder.onnx: onnxruntime \d.* cannot read it .*version: 99.* Fix: export"):
        ExportedNetwork(files, "onnx", record["signature"], 2)


def test_an_onnx_file_with_other_inputs_is_refused():
    record = json.loads((tiny_folders()[1] / "export.json").read_text())
    files = {part: tiny_folders()[1] / "encoder.onnx" for part in ("encoder", "denoiser")}
    with pytest.raises(DataError, match="encoder.onnx: takes the inputs image, available, vendor"):
        ExportedNetwork(files, "onnx", record["signature"], 2)


def test_an_unknown_format_is_refused_in_both_directions():
    with pytest.raises(ConfigError, match="found 'tflite', expected one of torchscript, onnx"):
        ExportedNetwork({}, "tflite", {}, 2)
    with pytest.raises(ConfigError, match="found 'tflite', expected some of torchscript, onnx"):
        serialise(tiny_network(), "tflite", {})
