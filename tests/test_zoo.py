"""The release zip keeps the Model Zoo's rules (ci/verify_bundle.py, CONTRIBUTING) and opens by name in monai.bundle."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from monai.bundle import verify_metadata

ROOT = Path(__file__).resolve().parents[1]
BUNDLE = ROOT / "bundle"
TOOL = runpy.run_path(str(ROOT / "tools" / "make_bundle.py"))
make_bundle, packed_files, release_name = TOOL["make_bundle"], TOOL["packed_files"], TOOL["release_name"]
PackingError = TOOL["PackingError"]
NAME = "ssdiff_virtual_lge"
# In the order of the Zoo's bundles; further ones may stand between.
HEADINGS = [
    "# Model Overview",
    "## Data",
    "## Training configuration",
    "### Memory Consumption",
    "### Input",
    "### Output",
    "## Performance",
    "## MONAI Bundle Commands",
    "# References",
    "# License",
]
# Model Zoo, CONTRIBUTING.md, "Preferred Files and Keys".
KEYS = {
    "inference.json": ["bundle_root", "device", "network_def", "inferer", "output_dir"],
    "train.json": ["bundle_root", "device", "dataset_dir", "output_dir", "val_interval"]
    + [f"train::{key}" for key in ("trainer", "trainer::max_epochs", "dataset", "dataset::data", "handlers", "inferer")]
    + [f"validate::{key}" for key in ("evaluator", "handlers", "dataset", "dataset::data", "key_metric")],
}
OPENED = """
import json
from monai.bundle import create_workflow, load, verify_net_in_out
import scripts
network = load("ssdiff_virtual_lge", bundle_dir=".", workflow_type="inference")
root = "ssdiff_virtual_lge"
files = {"meta_file": f"{root}/configs/metadata.json", "config_file": f"{root}/configs/inference.json"}
verify_net_in_out(net_id="network_def", device="cpu", bundle_root=root, **files)
workflow = create_workflow(workflow_type="inference", bundle_root=root, logging_file=False, **files)
print(json.dumps({
    "scripts": scripts.__file__, "network": type(network).__name__, "version": workflow.version,
    "same": all((a == b).all().item() for a, b in zip(network.state_dict().values(), weights.values(), strict=True)),
    "network_def": type(workflow.network_def).__name__,
}))
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return make_bundle(BUNDLE, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def unpacked(archive, tmp_path_factory):
    """The folder a user has after unpacking; its name is the bundle's."""
    parent = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(archive) as stored:
        stored.extractall(parent)
    return parent / NAME


@pytest.fixture(scope="module")
def metadata(unpacked):
    return json.loads((unpacked / "configs" / "metadata.json").read_text())


@pytest.fixture
def small_bundle(tmp_path):
    """A folder with every needed file, small enough to spoil; no real weights."""
    for name in TOOL["NEEDED"]:
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / name).write_bytes(b"x")
    for name in ("scripts/conventions.py", "configs/metadata.json"):
        shutil.copy(BUNDLE / name, tmp_path / "b" / name)
    return tmp_path / "b"


@pytest.mark.slow
def test_the_zip_holds_one_folder_named_like_the_zip(archive, metadata):
    assert archive.name == f"{NAME}_v{metadata['version']}.zip"
    # how the Zoo splits name and version
    assert re.fullmatch(r"(.+)_v(\d.*)", archive.stem).groups() == (NAME, metadata["version"])
    names = zipfile.ZipFile(archive).namelist()
    assert {name.split("/")[0] for name in names} == {NAME}
    assert names == sorted(names) and len(names) == len(set(names))


@pytest.mark.slow
def test_the_zip_holds_what_the_zoo_asks_for(unpacked):
    necessary, preferred = ("LICENSE", "configs/metadata.json"), ("models/model.pt", "configs/inference.json")
    others = ("configs/train.json", "configs/logging.conf", "docs/README.md", "docs/data_license.txt")
    for name in (*necessary, *preferred, *others, "docs/RESULTS.md", "models/training_record.json"):
        assert (unpacked / name).stat().st_size > 0, name


def test_the_zip_holds_no_caches_data_outputs_or_tests(unpacked):
    files = [path.relative_to(unpacked) for path in unpacked.rglob("*") if path.is_file()]
    assert {file.parts[0] for file in files} == {"LICENSE", "configs", "docs", "models", "scripts"}
    kinds = {"", ".json", ".conf", ".md", ".png", ".txt", ".csv", ".pt", ".py", ".sha256"}
    assert {file.suffix for file in files} <= kinds
    assert [file for file in files if "__pycache__" in file.parts or file.name.startswith((".", "test_"))] == []


def test_every_module_and_config_of_the_bundle_is_in_the_zip(unpacked):
    for pattern in ("scripts/**/*.py", "configs/**/*.json", "models/*.pt*", "models/reader/*.pt*"):
        wanted = {path.relative_to(BUNDLE) for path in BUNDLE.glob(pattern)}
        assert wanted == {path.relative_to(unpacked) for path in unpacked.glob(pattern)}


def test_no_file_is_above_the_zoo_s_limit_so_that_no_large_files_list_is_needed(unpacked):
    assert max(path.stat().st_size for path in unpacked.rglob("*") if path.is_file()) < 25_000_000


def test_the_same_files_give_the_same_zip(small_bundle, tmp_path):
    first = make_bundle(small_bundle, tmp_path / "first").read_bytes()
    os.utime(small_bundle / "LICENSE", (1e9, 1e9))
    (small_bundle / "LICENSE").chmod(0o600)
    assert make_bundle(small_bundle, tmp_path / "second").read_bytes() == first


def test_what_is_not_on_the_list_stays_out(small_bundle):
    needed = packed_files(small_bundle)
    for name in (
        "data/p.nii.gz",
        "output/model.pt",
        "models/last.ckpt",
        "scripts/__pycache__/a.pyc",
        "eval/schema.json",
    ):
        (small_bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (small_bundle / name).write_bytes(b"x")
    (small_bundle / "docs" / ".draft.md").write_bytes(b"x")
    assert packed_files(small_bundle) == needed


def test_a_bundle_without_weights_is_not_packed(small_bundle, tmp_path):
    (small_bundle / "models" / "model.pt").unlink()
    with pytest.raises(PackingError, match=r"found no models/model.pt(.|\n)*Fix: train first"):
        make_bundle(small_bundle, tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def test_a_file_above_the_limit_is_refused(small_bundle):
    with (small_bundle / "models" / "model.pt").open("wb") as stream:
        stream.truncate(26_000_000)
    with pytest.raises(PackingError, match="models/model.pt above 25 MB"):
        packed_files(small_bundle)


def test_weights_with_a_shorter_name_are_refused(small_bundle):
    (small_bundle / "models" / "a.pt").write_bytes(b"x")
    with pytest.raises(PackingError, match="MONAI Label would take models/a.pt"):
        packed_files(small_bundle)


@pytest.mark.parametrize("change", [{"version": "9.9.9"}, {"changelog": {"0.0.1": "x"}}])
def test_a_version_without_changelog_or_unlike_the_code_s_is_refused(small_bundle, change):
    file = small_bundle / "configs" / "metadata.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(PackingError, match="Fix:.*version"):
        release_name(small_bundle)


def test_the_tool_says_what_is_wrong_without_a_traceback(tmp_path):
    command = [sys.executable, str(ROOT / "tools" / "make_bundle.py"), "--bundle", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("ERROR: ") and "Traceback" not in done.stderr


def test_the_metadata_is_verified_as_the_zoo_does_it(unpacked, tmp_path):
    schema = shutil.copy(unpacked / "configs" / "metadata_schema.json", tmp_path / "schema.json")
    verify_metadata(meta_file=str(unpacked / "configs" / "metadata.json"), filepath=str(schema))


def test_input_and_output_have_the_names_the_tools_expect_and_the_label_map_comes_first(metadata):
    network = metadata["network_data_format"]
    assert list(network["inputs"]) == ["image"] and list(network["outputs"]) == ["pred"]
    names = list(network["outputs"]["pred"]["channel_def"].values())
    assert names == ["background", "lv_blood_pool", "myocardium", "infarct", "no_reflow", "oedema", "virtual_lge"]
    assert list(metadata["sampler_data_format"]["post_processed_outputs"]) == ["label", "virtual_lge"]


@pytest.mark.parametrize("config", KEYS)
def test_the_configs_have_the_keys_the_zoo_asks_for(unpacked, config):
    content = json.loads((unpacked / "configs" / config).read_text())
    for key in KEYS[config]:
        part = content
        for name in key.split("::"):
            assert name in part, key
            part = part[name]


def test_no_config_holds_an_absolute_path(unpacked):
    for file in (unpacked / "configs").rglob("*.json"):
        assert re.findall(r'"(?:/|[A-Za-z]:\\)[^"]*"', file.read_text()) == [], file.name


def test_the_readme_has_the_zoo_s_headings_in_order(unpacked):
    found = re.findall(r"^#+ .*$", (unpacked / "docs" / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [heading for heading in found if heading in HEADINGS] == HEADINGS
    text = (unpacked / "docs" / "README.md").read_text(encoding="utf-8")
    assert "TorchScript" in text and "TensorRT" in text and "Research use only" in text


def test_every_link_in_the_packed_pages_leads_somewhere(unpacked):
    for page in (unpacked / "docs").rglob("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), (page.name, target)


def test_the_weights_are_a_plain_state_dict_with_the_name_monai_label_takes(unpacked):
    weights = torch.load(unpacked / "models" / "model.pt", weights_only=True, map_location="cpu")
    assert all(isinstance(value, torch.Tensor) for value in weights.values())
    assert min((path.name for path in (unpacked / "models").glob("*.pt")), key=len) == "model.pt"


@pytest.mark.slow
def test_monai_opens_the_unpacked_folder_by_name_and_its_network_has_the_stated_shape(unpacked):
    weights = "import torch\nweights = torch.load('ssdiff_virtual_lge/models/model.pt', weights_only=True)\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", weights + OPENED],
        cwd=unpacked.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(unpacked), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert Path(found.pop("scripts")).parent == unpacked / "scripts"
    version = json.loads((unpacked / "configs" / "metadata.json").read_text())["version"]
    assert found == {"network": "TrunkUNet", "version": version, "same": True, "network_def": "TrunkUNet"}
