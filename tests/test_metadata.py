"""metadata.json keeps the Model Zoo's rules and agrees with the code, the configs and the tested versions."""

import copy
import csv
import importlib
import json
import re
from pathlib import Path

import jsonschema
import pytest
from monai.bundle import ConfigParser, verify_metadata
from scripts import conventions

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "bundle" / "configs"
SCHEMA = json.loads((CONFIGS / "metadata_schema.json").read_text())


@pytest.fixture
def metadata():
    return json.loads((CONFIGS / "metadata.json").read_text())


def versions_in(file):
    lines = (ROOT / file).read_text().splitlines()
    return {re.split(r"[<>=\[]", line)[0].strip(): line for line in lines if line and line[0].isalpha()}


def version_tested(package):
    return versions_in("constraints.txt")[package].split("==")[1].strip()


def test_the_schema_is_itself_a_valid_schema():
    jsonschema.Draft201909Validator.check_schema(SCHEMA)


def test_metadata_is_verified_by_monai_without_a_network(tmp_path):
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(SCHEMA))
    verify_metadata(meta_file=str(CONFIGS / "metadata.json"), filepath=str(schema))


@pytest.mark.parametrize("key", SCHEMA["required"])
def test_the_schema_refuses_metadata_without_a_required_key(metadata, key):
    del metadata[key]
    with pytest.raises(jsonschema.ValidationError, match=key):
        jsonschema.validate(metadata, SCHEMA)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("references",), None),
        (("monai_version",), 1.6),
        (("eval_metrics",), []),
        (("sampler_data_format",), {"inputs": {}}),
        (("network_data_format", "inputs", "image", "num_channels"), "2"),
        (("network_data_format", "inputs", "image", "value_range"), ["0", "1"]),
        (("network_data_format", "outputs", "pred", "spatial_shape"), [1.5]),
        (("network_data_format", "outputs", "pred"), {"type": "image"}),
        (("network_data_format", "outputs", "pred"), None),
    ],
)
def test_the_schema_refuses_a_wrong_value(metadata, place, value):
    wrong = copy.deepcopy(metadata)
    part = wrong
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_version_is_the_code_s_and_has_a_changelog_entry(metadata):
    assert metadata["version"] == conventions.BUNDLE_VERSION
    assert metadata["changelog"][metadata["version"]]


def test_what_moved_in_this_version_is_where_the_changelog_says(metadata):
    newest = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    assert newest.split()[0] == metadata["version"]
    moved = re.findall(r"^\| `[\w.]+` \| `([\w.]+)` \| (.+) \|$", newest, re.MULTILINE)
    for module, names in moved:
        present = dir(importlib.import_module(f"scripts.{module}"))
        assert [name for name in re.findall(r"`(\w+)`", names) if name not in present] == [], module


def test_versions_are_the_tested_ones_for_every_required_package(metadata):
    bases = {"monai": "monai_version", "torch": "pytorch_version", "numpy": "numpy_version"}
    assert {name: metadata[key] for name, key in bases.items()} == {name: version_tested(name) for name in bases}
    others = set(versions_in("requirements.txt")) - set(bases)
    assert metadata["required_packages_version"] == {name: version_tested(name) for name in others}


@pytest.mark.parametrize("network", ["network_data_format", "sampler_data_format"])
def test_channels_are_the_code_s_sequences_classes_and_the_virtual_lge(metadata, network):
    image = metadata[network]["inputs"]["image"]
    pred = metadata[network]["outputs"]["pred"]
    assert list(image["channel_def"].values()) == list(conventions.IMAGE_CHANNELS)
    assert list(pred["channel_def"].values()) == [*conventions.ALL_CLASSES, "virtual_lge"]
    for tensor in (image, pred):
        assert list(tensor["channel_def"]) == [str(i) for i in range(tensor["num_channels"])]


def test_shapes_agree_with_the_inference_config(metadata):
    parser = ConfigParser(json.loads((CONFIGS / "inference.json").read_text()))
    network, preprocessing = parser.get_parsed_content("network_def"), parser.get_parsed_content("preprocessing")
    image = metadata["network_data_format"]["inputs"]["image"]
    pred = metadata["network_data_format"]["outputs"]["pred"]
    assert image["spatial_shape"] == pred["spatial_shape"] == list(preprocessing.crop_size)
    assert image["num_channels"] == network.image_channels
    assert pred["num_channels"] == network.num_classes + 1


def test_metadata_says_research_use_only(metadata):
    assert "Research use only" in metadata["intended_use"]


def test_the_dice_values_are_those_of_the_results(metadata):
    table = csv.DictReader((ROOT / "bundle/docs/results/shipped/internal/comparison.csv").read_text().splitlines())
    ours = next(row for row in table if row["method"] == "ours")
    names = {"dice_infarct": "infarct", "dice_lv_myocardium": "wall", "dice_lv_blood_pool": "blood"}
    for key, structure in names.items():
        assert f"{metadata['eval_metrics'][key]:.3f}" == ours[f"Dice {structure}"].split(" ")[0]
