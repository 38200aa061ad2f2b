"""Every format passes the checks of every network, answers as PyTorch does and is refused when it is not whole."""

import json
import shutil

import pytest
import torch
from helpers.bundle_run import message
from helpers.network_contract import EncodeDenoiseContract, answer, batch_of
from helpers.tiny_export import TINY_EXPORT, tiny_folders, tiny_network
from helpers.tiny_inference import images_of, run_here, write_subject
from scripts.conventions import DataError
from scripts.export.exported_network import FORMATS, ExportedNetwork

pytestmark = pytest.mark.slow

PARTS = ("encoder", "denoiser")


def record_of(folder):
    return json.loads((folder / "export.json").read_text())


def files_of(folder, file_format):
    """{part: path}, as the record of the export names them."""
    return {part: folder / one["file"] for part, one in record_of(folder)["files"][file_format].items()}


def opened(folder, file_format):
    record = record_of(folder)
    return ExportedNetwork(files_of(folder, file_format), file_format, record["signature"], record["size_divisor"])


@pytest.fixture(params=FORMATS)
def file_format(request):
    return request.param


@pytest.fixture
def copy(tmp_path):
    """An export that may be damaged."""
    return shutil.copytree(tiny_folders()[1], tmp_path / "export")


class TestEveryFormatAsNetwork(EncodeDenoiseContract):
    """The checks are those of tests/helpers/network_contract.py."""

    @pytest.fixture(scope="class", params=FORMATS)
    def network(self, request):
        return opened(tiny_folders()[1], request.param)

    @pytest.mark.parametrize(("count", "height", "width"), [(1, 32, 32), (3, 32, 32), (5, 48, 20)])
    def test_answers_as_pytorch_whatever_is_missing_and_whoever_made_the_scanner(self, network, count, height, width):
        available = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0]])[:count]
        given = (*batch_of(count, height, width), available, torch.arange(count) % 5)
        wanted, found = answer(tiny_network(), *given), answer(network, *given)
        something = available.any(dim=1)
        assert wanted.std() > 0.01 and torch.allclose(found[something], wanted[something], atol=1e-4)
        # Without any sequence normalisation divides by next to nothing, and rounding shows; every subject has a cine.
        assert torch.allclose(found[~something], wanted[~something], atol=5e-4)

    def test_what_is_told_matters(self, network):
        image, state, timesteps = batch_of(2)
        plain = answer(network, image, state, timesteps)
        later = answer(network, image, state, (timesteps + 400) % 1000)
        vendor = answer(network, image, state, timesteps, vendor=torch.tensor([3, 4]))
        for other in (later, vendor):
            assert not torch.allclose(plain, other, atol=1e-4)


class TestEveryFormatOnDisk:
    """Files as they come: cut off, of another part, missing, or for another network."""

    @pytest.mark.parametrize("part", PARTS)
    def test_a_damaged_file_is_named_without_its_folder(self, file_format, part, copy):
        damaged = files_of(copy, file_format)[part]
        damaged.write_bytes(damaged.read_bytes()[:200])
        with pytest.raises(DataError, match=damaged.name) as caught:
            opened(copy, file_format)
        assert "Fix:" in str(caught.value) and str(copy) not in str(caught.value)

    @pytest.fixture(scope="class")
    def dataset(self, phantom_folder, tmp_path_factory):
        folder = tmp_path_factory.mktemp("in")
        write_subject(folder / "a", images_of(phantom_folder / "phantom_0001", slice(2, 4)))
        return folder

    def refused(self, file_format, export, dataset, tmp_path, capsys, **settings):
        """What the user reads of an inference run that must leave nothing behind."""
        given = {"dataset_dir": dataset, "output_dir": tmp_path / "out", "ckpt_dir": tiny_folders()[0]}
        given |= {"export_dir": export, "backend": file_format, "preview": False}
        assert run_here("inference.json", "backend.json", **(TINY_EXPORT | given | settings)) == 1
        assert not (tmp_path / "out").exists()
        return message(capsys.readouterr().err)

    @pytest.mark.parametrize("part", PARTS)
    def test_a_missing_file_is_named(self, file_format, part, copy, dataset, tmp_path, capsys):
        missing = files_of(copy, file_format)[part]
        missing.unlink()
        assert missing.name in self.refused(file_format, copy, dataset, tmp_path, capsys)

    def test_files_that_are_not_those_of_the_record_are_refused(self, file_format, copy, dataset, tmp_path, capsys):
        files = files_of(copy, file_format)
        shutil.copy(files["encoder"], files["denoiser"])
        assert files["denoiser"].name in self.refused(file_format, copy, dataset, tmp_path, capsys)

    def test_a_format_that_was_not_exported_is_refused(self, file_format, copy, dataset, tmp_path, capsys):
        record = record_of(copy)
        del record["files"][file_format]
        (copy / "export.json").write_text(json.dumps(record))
        assert file_format in self.refused(file_format, copy, dataset, tmp_path, capsys)

    def test_an_export_of_weights_of_another_structure_is_refused(self, file_format, dataset, tmp_path, capsys):
        other = {"network_def#channels": [32]}
        text = self.refused(file_format, tiny_folders()[1], dataset, tmp_path, capsys, **other)
        assert "weights" in text
