"""The configs as a user and MONAI see them: keys to override, targets, properties, equal sections, README commands."""

import inspect
import json
import re
import shlex
from dataclasses import fields
from pathlib import Path
from pydoc import locate

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow
from scripts import conventions
from scripts.diffusion.inferers import SubjectSampler
from scripts.phantom.parameters import PhantomParameters
from scripts.runtime import command_line

ROOT = Path(__file__).resolve().parents[1]
BUNDLE = ROOT / "bundle"
CONFIGS = BUNDLE / "configs"
FILES = sorted(path for path in CONFIGS.rglob("*.json") if not path.name.startswith("metadata"))
SHARED = ("preprocessing", "network_def", "process")
# Keys that a site sets, named alike wherever they apply.
SAMPLING = ("steps", "sampler", "samples", "test_time_scales")
JOBS = {
    "train": (
        ("train.json",),
        ("dataset_dir", "output_dir", "ckpt_dir", "epochs", "val_interval", "batch_size", "num_workers")
        + ("learning_rate", "seed", "amp", "device", "resume", *SAMPLING),
    ),
    "evaluate": (
        ("train.json", "evaluate.json"),
        ("dataset_dir", "output_dir", "ckpt_dir", "num_workers", "seed", "device", *SAMPLING),
    ),
    "transfer": (
        ("train.json", "transfer.json"),
        ("dataset_dir", "output_dir", "ckpt_dir", "section", "phases", "num_workers", "seed", "device", *SAMPLING),
    ),
    "inference": (
        ("inference.json",),
        ("dataset_dir", "output_dir", "ckpt_dir", "num_workers", "seed", "device", "overwrite", *SAMPLING),
    ),
    "phantom": (
        ("make_phantom.json",),
        (
            "output_dir",
            "cohort",
            "cohort_sizes",
            "subjects",
            "seed",
            "held_out",
            "format",
            "num_workers",
            "overwrite",
            "dicom_style",
        )
        + tuple(field.name for field in fields(PhantomParameters)),
    ),
    "import": (
        ("import_study.json",),
        ("dicom_dir", "output_dir", "cine_series", "t2_stir_series", "lge_series", "subject", "key_file", "overwrite")
        + ("picks",),
    ),
    "study": (
        ("inference.json", "study.json"),
        (
            "dicom_dir",
            "output_dir",
            "cine_series",
            "picks",
            "deidentify",
            "export_dicom",
            "ckpt_dir",
            "overwrite",
            *SAMPLING,
        ),
    ),
    "check": (("check_dataset.json",), ("dataset_dir", "output_dir")),
    "quantify": (("quantify.json",), ("dataset_dir", "output_dir")),
    "convert": (("convert.json",), ("dataset_dir", "output_dir", "to", "label_table", "sequences", "overwrite")),
    "compare": (("compare.json",), ("output_dir", "runs")),
    "calibrate": (("calibrate.json",), ("output_dir", "evaluations", "check_evaluations")),
    "check_phantom": (("check_phantom.json",), ("dataset_dir", "output_dir", "reader_dir")),
}
COMMAND = "-m monai.bundle run"
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(BUNDLE.glob("docs/**/*.md")))
    if COMMAND in page.read_text(encoding="utf-8")
]


def load(*names):
    return ConfigParser.load_config_files([str(CONFIGS / name) for name in names])


def values_of(part, key):
    """Every value stored under ``key``, at any depth."""
    if isinstance(part, dict):
        return [v for k, value in part.items() for v in ([value] if k == key else values_of(value, key))]
    return [v for value in part for v in values_of(value, key)] if isinstance(part, list) else []


def is_referenced(key, config):
    return re.search(rf"[@%]{key}(?![\w:#])", json.dumps(config)) is not None


@pytest.fixture(scope="module")
def dataset_dir(tmp_path_factory):
    """Three small subjects of layout 1 with one in each section."""
    root, rng = tmp_path_factory.mktemp("dataset"), np.random.default_rng(0)
    lists = {}
    for section in ("training", "validation", "testing"):
        (root / section).mkdir()
        entry = {"subject": section}
        for key in ("cine", "t2_stir", "lge", "label"):
            array = rng.integers(0, 4, (24, 24, 2), dtype=np.uint8)
            image = nib.Nifti1Image(array if key == "label" else array * 50, np.diag([3.0, 3.0, 8.0, 1.0]))
            nib.save(image, root / section / f"{key}.nii.gz")
            entry[key] = f"{section}/{key}.nii.gz"
        lists[section] = [entry]
    (root / "dataset.json").write_text(json.dumps(lists))
    return root


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_a_config_parses_without_duplicate_keys_and_imports_no_scripts(file, monkeypatch):
    monkeypatch.setenv("MONAI_FAIL_ON_DUPLICATE_CONFIG", "1")
    assert ConfigParser.load_config_file(str(file))
    # An import of scripts fails outside the bundle folder; a _target_ does not.
    assert "import scripts" not in file.read_text()


def test_a_duplicate_key_would_be_found(monkeypatch, tmp_path):
    monkeypatch.setenv("MONAI_FAIL_ON_DUPLICATE_CONFIG", "1")
    (tmp_path / "twice.json").write_text('{"steps": 8, "steps": 9}')
    with pytest.raises(ValueError, match="steps"):
        ConfigParser.load_config_file(str(tmp_path / "twice.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_every_target_exists(file):
    targets = values_of(json.loads(file.read_text()), "_target_")
    assert [target for target in targets if locate(target) is None] == []


@pytest.mark.parametrize("section", SHARED)
def test_training_and_inference_share_a_section(section):
    trained = load("train.json")[section]
    if section == "process":
        assert trained.pop("tasks") == "@tasks"  # a single task is an ablation; inference gives both
    inferred = load("inference.json")[section]
    if section == "preprocessing":
        assert inferred.pop("at_label_phase") is False  # a label map changes no result
    assert trained == inferred


@pytest.mark.parametrize("name", ["train.json", "inference.json"])
def test_the_sampling_values_of_a_config_are_the_defaults_of_the_code(name):
    config, defaults = load(name), inspect.signature(SubjectSampler).parameters
    inferer = config["validate"]["inferer"] if name == "train.json" else config["inferer"]
    for argument, reference in inferer.items():
        if argument not in ("_target_", "process", "network"):
            value, default = config[reference.removeprefix("@")], defaults[argument].default
            assert (tuple(value) if isinstance(value, list) else value) == default, argument


def test_a_study_is_imported_by_the_same_settings_alone_and_before_an_inference():
    alone, before = load("import_study.json"), load("study.json")
    for key in (
        "reader",
        "aligner",
        "cine_series",
        "t2_stir_series",
        "lge_series",
        "picks",
        "subject",
        "key_file",
        "register",
    ):
        assert alone[key] == before[key], key
    for key in alone["aligner"]:
        assert key.startswith("_") or alone[key] == before[key], key


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted((CONFIGS / "variants").glob("*.json")), ids=lambda path: path.stem)
def test_the_network_of_a_variant_can_be_made(file):
    parser = ConfigParser(load("train.json", f"variants/{file.name}"))
    with torch.device("meta"):
        network = parser.get_parsed_content("network_def")
    assert sum(parameter.numel() for parameter in network.parameters()) > 1e6


def test_inference_has_the_network_of_training():
    with torch.device("meta"):
        network = ConfigParser(load("inference.json")).get_parsed_content("network_def")
    assert network.gives_first_answer


@pytest.mark.parametrize("job", JOBS)
def test_the_keys_a_site_may_change_exist_and_have_an_effect(job):
    files, keys = JOBS[job]
    config = load(*files)
    assert [key for key in keys if key not in config] == []
    assert [key for key in keys if not is_referenced(key, config)] == []


@pytest.mark.parametrize("job", JOBS)
def test_no_plain_value_at_the_top_is_without_effect(job):
    config = load(*JOBS[job][0])
    plain = [key for key, value in config.items() if not isinstance(value, (dict, list)) and not key.startswith("_")]
    read_by_monai = {"run", "save_execute_config"}
    assert [key for key in plain if key not in read_by_monai and not is_referenced(key, config)] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "workflow_type"),
    [(("train.json",), "train"), (("inference.json",), "infer"), (("train.json", "evaluate.json"), "train")],
    ids=["train", "inference", "evaluate"],
)
def test_monai_finds_every_property_it_asks_for(files, workflow_type, dataset_dir, tmp_path):
    workflow = ConfigWorkflow(
        config_file=[str(CONFIGS / name) for name in files],
        meta_file=str(CONFIGS / "metadata.json"),
        logging_file=False,
        workflow_type=workflow_type,
        bundle_root=str(BUNDLE),
        dataset_dir=str(dataset_dir),
        output_dir=str(tmp_path),
        device="cpu",
    )
    workflow.initialize()
    assert workflow.check_properties() == []
    assert workflow.version == conventions.BUNDLE_VERSION
    assert workflow.channel_def["6"] == "virtual_lge"


def documented_commands(page):
    """Arguments of every ``-m monai.bundle run`` in a page, continued lines joined."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"-m monai\.bundle (run [^`\n]*)", text)
    return [shlex.split(command, comments=True) for command in commands]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_documented_commands_name_existing_configs_and_keys(page, monkeypatch):
    commands = documented_commands(page)
    assert commands
    for arguments in commands:
        monkeypatch.chdir(ROOT if "bundle/configs" in str(arguments) else BUNDLE)
        given = command_line.options(arguments)
        assert command_line.config_files(given), arguments
        command_line.check_overrides(given)


@pytest.mark.parametrize("file", sorted((BUNDLE / "configs" / "variants").glob("*.json")), ids=lambda path: path.stem)
def test_a_variant_weighs_no_loss_of_a_task_that_it_does_not_learn_and_its_process_hides_it(file):
    parser = ConfigParser()
    parser.read_config([BUNDLE / "configs" / "train.json", file])
    tasks = parser["tasks"]
    assert parser["process"]["tasks"] == "@tasks"
    weights = (parser.get("loss") or {}).get("weights", {})
    other = {"mask", "lge"} - set(tasks)
    assert [name for name, weight in weights.items() if weight and name.split("_")[0] in other] == []
