"""Start-up: unknown keys are named with the nearest one, errors for the user come without a traceback."""

import json
import sys

import pytest
import torch
from helpers.bundle_run import BUNDLE, run_bundle
from monai.bundle import ConfigParser
from scripts.conventions import ConfigError, DataError
from scripts.runtime import command_line
from scripts.runtime.startup import Startup, show_message

TRAIN = str(BUNDLE / "configs/train.json")
EVALUATE = str(BUNDLE / "configs/evaluate.json")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "training", "--config_file", TRAIN, "--epochs", "3", "--train#trainer#max_epochs", "4"],
        ["run", "--config_file", f"['{TRAIN}','{EVALUATE}']", "--section", "validation"],
        ["run", f"--config_file={TRAIN}", "--tracking", "mlflow", "--is_not_rank0", "False"],
    ],
)
def test_known_keys_and_the_options_of_monai_pass(arguments):
    command_line.check_overrides(command_line.options(arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--config_file", TRAIN, "--learningrate", "1"],
            "--learningrate: no such key in train.json.\nDid you mean --learning_rate",
        ),
        (["--config_file", TRAIN, "--section", "x"], "--section: no such key in train.json"),
        (["--config_file", TRAIN, "--zzz=1"], "--zzz: no such key in train.json.\nKnown there: "),
        (["--config_file", TRAIN, "--is_not_rank0", "1"], "--is_not_rank0: no such key"),
    ],
)
def test_an_unknown_key_is_refused_and_the_nearest_named(arguments, message):
    with pytest.raises(ConfigError) as caught:
        command_line.check_overrides(command_line.options(["run", *arguments]))
    assert message in str(caught.value)


INFERENCE = str(BUNDLE / "configs/inference.json")


def bundle_command(*arguments):
    return ["monai/bundle/__main__.py", "run", *arguments]


@pytest.mark.parametrize(
    ("named", "files", "job"),
    [
        (["train"], TRAIN, "training"),
        (["validate"], TRAIN, "training"),
        (["--run_id", "validate"], f"['{TRAIN}','{EVALUATE}']", "evaluating"),
        (["evaluator"], INFERENCE, "evaluating"),
        (["report"], INFERENCE, "evaluating"),
    ],
)
def test_a_section_run_by_name_stops_and_names_the_job(named, files, job, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(ConfigError, match=f"run {job} --config_file"):
        Startup(arguments=bundle_command(*named, "--config_file", files))


@pytest.mark.parametrize(
    ("file", "section"),
    [
        ("make_phantom", "study"),
        ("check_dataset", "check"),
        ("check_phantom", "check"),
        ("quantify", "quantification"),
        ("convert", "conversion"),
        ("compare", "comparison"),
        ("import_study", "studies"),
    ],
)
def test_the_job_of_a_config_waits_for_start_up(file, section):
    config = ConfigParser.load_config_file(str(BUNDLE / "configs" / f"{file}.json"))
    assert config[section]["_requires_"] == "@startup"


@pytest.mark.parametrize("named", [["training"], ["run"], []])
def test_a_job_run_by_name_passes(named, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    assert Startup(arguments=bundle_command(*named, "--config_file", TRAIN)).options["config_file"] == TRAIN


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"dataset_dri": "x"}, "--dataset_dri: no such key in train.json.\nDid you mean --dataset_dir?"),
        ({"epochs": "many"}, "epochs: found 'many', expected a whole number"),
    ],
)
def test_keys_of_an_args_file_are_checked_like_those_of_the_command_line(content, message, tmp_path):
    file = tmp_path / "args.json"
    file.write_text(json.dumps({"config_file": [TRAIN], "run_id": "training", "epochs": 3} | content))
    arguments = ["run", "--args_file", str(file)]
    with pytest.raises(ConfigError) as caught:
        command_line.check_overrides(command_line.options(arguments))
    assert message in str(caught.value)
    assert command_line.run_id(arguments) == "training"


def test_the_command_line_goes_before_the_args_file_and_both_reach_the_record(tmp_path):
    file = tmp_path / "args.json"
    file.write_text(json.dumps({"config_file": [TRAIN], "epochs": 3, "seed": 5, "hidden": ["cine"]}))
    given = command_line.options(["run", "training", "--args_file", str(file), "--epochs", "4"])
    command_line.check_overrides(given)
    config = command_line.resolved_config(given)
    assert (config["epochs"], config["seed"], config["hidden"]) == (4, 5, ["cine"])


def test_the_record_of_a_config_shows_the_defaults_of_the_code():
    config = command_line.resolved_config({"config_file": TRAIN, "network_def::token_channels": "8"})
    assert config["network_def"]["channels"] == [16, 32, 64] and config["network_def"]["token_channels"] == 8
    assert config["preprocessing"]["spacing_mm"] == 1.5 and config["process"]["tasks"] == "@tasks"
    assert config["ema"]["model"] == "@network" and "device" not in config["ema"]
    assert config["preprocessing"]["tolerance"]["slice_mm"] == 5.0 and config["loss"]["first_answer"] == 1.0


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("inferer#stepz", "3", "--inferer#stepz: no such key in inference.json.\nDid you mean --inferer::steps?"),
        ("preprocessing::spacing", "3", "Did you mean --preprocessing::spacing_mm?"),
        ("steps", "many", "steps: found 'many', expected a whole number, such as 4."),
        ("dataset_dir", "101", "dataset_dir: found 101, which is taken for a number, expected a folder"),
        ("output_dir", "2024.10", "Fix: --output_dir ./2024.10"),
        ("device", "cuda:99", "device: found 'cuda:99', but torch sees"),
        ("device", "gpu", "device: found 'gpu', expected cpu, cuda or cuda:0"),
        ("output_dir", "OUT/heart #3", "output_dir: found 'OUT/heart #3', which MONAI reads as 'OUT/heart ::3'"),
    ],
)
def test_a_value_or_nested_key_that_cannot_be_is_refused(option, value, message):
    with pytest.raises(ConfigError) as caught:
        command_line.check_overrides({"config_file": INFERENCE, option: value})
    assert message in str(caught.value)


def test_none_takes_back_a_number_that_a_later_file_gives_where_the_first_has_null(tmp_path):
    first, later = tmp_path / "first.json", tmp_path / "later.json"
    first.write_text('{"crop_pixels": null, "steps": 4, "parts": [{"size": null}]}')
    later.write_text('{"crop_pixels": 96, "parts::0::size": 5}')
    given = {"config_file": f"['{first}','{later}']"}
    command_line.check_overrides(given | {"crop_pixels": "None", "parts::0::size": "None"})
    with pytest.raises(ConfigError, match="steps"):
        command_line.check_overrides(given | {"steps": "None"})


UNET = "scripts.networks.direct.unet_two_heads"


@pytest.mark.parametrize(
    "component",
    [
        {"network_def::_target_": UNET},
        {"network_def#_target_": UNET},
        {"network_def": f"{{'_target_': '{UNET}'}}"},
    ],
)
def test_a_component_given_on_the_command_line_has_its_own_arguments(component):
    given = {"config_file": INFERENCE, **component}
    command_line.check_overrides(given | {"network_def::features": "[16, 32, 64, 128, 256, 16]"})
    with pytest.raises(ConfigError, match="features"):
        command_line.check_overrides(given | {"network_def::channels": "[16]"})


def test_arguments_of_a_component_that_monai_works_out_pass():
    given = {"config_file": INFERENCE, "network_def::_target_": "$@some_other", "network_def::features": "[16]"}
    command_line.check_overrides(given)


def test_a_component_in_a_list_has_its_own_arguments(tmp_path):
    config = tmp_path / "config.json"
    config.write_text('{"parts": [{"_target_": "scripts.conventions.flag", "value": true}], "plain": [1, 2]}')
    given = {"config_file": str(config), "parts::0::_target_": UNET, "parts::0::features": "[16]"}
    command_line.check_overrides(given)
    for option in ("_target_", "features"):
        with pytest.raises(ConfigError, match="no such key"):
            command_line.check_overrides({"config_file": str(config), option: UNET})


def test_nested_keys_arguments_of_components_and_expressions_pass():
    given = {"config_file": INFERENCE, "dataloader#pin_memory": "True", "preprocessing::percentiles": "[1, 99]"}
    command_line.check_overrides({**given, "network_def#_disabled_": "True", "steps": "$2*4", "device": "cpu"})


def test_the_resolved_config_holds_files_and_overrides():
    files = f"['{TRAIN}','{EVALUATE}']"
    config = command_line.resolved_config({"config_file": files, "steps": "3", "validate#inferer#seed": "5"})
    assert (config["steps"], config["validate"]["inferer"]["seed"], config["section"]) == (3, 5, "testing")
    assert config["network_def"]["channels"] == [16, 32, 64]


def test_only_a_bundle_command_line_is_checked(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    Startup(arguments=["/x/pytest", "run", "--config_file", TRAIN, "--zzz", "1"]).run()
    with pytest.raises(ConfigError):
        Startup(arguments=["/x/monai/bundle/__main__.py", "run", "--config_file", TRAIN, "--zzz", "1"]).run()


def test_the_seed_makes_networks_start_alike(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    draws = []
    for _ in range(2):
        Startup(seed=5, arguments=[]).run()
        draws.append(torch.rand(3))
    assert torch.equal(*draws)


def test_a_message_for_the_user_is_shown_alone_however_deep_it_was_wrapped(capsys):
    try:
        try:
            raise DataError("folder: found nothing.\nFix: give another." + "\nmore" * 20)
        except DataError as inner:
            raise RuntimeError("Failed to instantiate component") from inner
    except RuntimeError as error:
        show_message(type(error), error, error.__traceback__)
    shown = capsys.readouterr().err
    assert "ERROR: folder: found nothing.\nFix: give another." in shown
    assert "Failed to instantiate" not in shown
    assert len(shown.strip().splitlines()) == 10


def wrong_argument() -> Exception:
    """What MONAI raises for a setting of the wrong type."""
    try:
        ConfigParser({"broken": {"_target_": "torch.optim.SGD", "params": [], "lr": "fast"}}).get_parsed_content(
            "broken"
        )
    except RuntimeError as error:
        return error
    raise AssertionError("MONAI accepted a text as learning rate")


def test_an_unexpected_error_says_where_it_arose_in_a_few_lines(capsys, monkeypatch):
    monkeypatch.delenv("SSDIFF_TRACEBACK", raising=False)
    error = wrong_argument()
    show_message(type(error), error, error.__traceback__)
    shown = capsys.readouterr().err
    assert "ERROR: TypeError: " in shown
    assert "in config component torch.optim.SGD" in shown
    assert "optim/sgd.py:" in shown
    assert "SSDIFF_TRACEBACK=1" in shown
    assert len(shown.strip().splitlines()) <= 10


def test_the_whole_traceback_is_there_for_who_asks(capsys, monkeypatch):
    monkeypatch.setenv("SSDIFF_TRACEBACK", "1")
    error = wrong_argument()
    show_message(type(error), error, error.__traceback__)
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["$__import__('pathlib').Path('made').touch()", "@seed", "%train.json"])
@pytest.mark.parametrize(
    "option",
    ["dataset_dir", "train::dataset::cache_dir", "run_name", "mlflow_run::tracking_uri", "bundle_root", "start_from"],
)
def test_a_folder_or_name_that_looks_like_code_is_refused(option, name):
    with pytest.raises(ConfigError, match=f"(?s){option}: found .*Fix: --{option} './") as caught:
        command_line.check_data({option: name})
    assert len(str(caught.value).splitlines()) <= 10
    for hidden in (repr(name), f"[{name!r}]", f"{{'a': [{name!r}]}}"):
        with pytest.raises(ConfigError, match=f"{option}: found"):
            command_line.check_data({option: hidden})
    command_line.check_data({option: f"./{name}", "network_def": "$torch.nn.Identity()", "seed": "@epochs"})


@pytest.mark.slow
@pytest.mark.parametrize(
    "job",
    [("check_dataset.json",), ("train.json", "evaluate.json"), ("inference.json",), ("train.json",), ("convert.json",)],
)
def test_a_folder_whose_name_is_code_is_never_run(job, tmp_path):
    files = [str(BUNDLE / "configs" / file) for file in job]
    name = "$open('made', 'w').close() or 'x'"
    done = run_bundle("--bundle_root", BUNDLE, "--config_file", str(files), "--dataset_dir", name, cwd=tmp_path)
    assert done.returncode == 1 and "dataset_dir: found" in done.stderr and "Fix:" in done.stderr, done.stderr[-2000:]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_folder_whose_name_is_code_is_read_by_its_path(tmp_path, cohort):
    name = "$open('made', 'w').close() or 'x'"
    (tmp_path / "in").mkdir()
    cohort.rename(tmp_path / "in" / name)
    config = BUNDLE / "configs/check_dataset.json"
    done = run_bundle(
        "--bundle_root", BUNDLE, "--config_file", config, "--dataset_dir", f"./{name}", cwd=tmp_path / "in"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert [path.name for path in (tmp_path / "in").iterdir()] == [name]


@pytest.mark.parametrize(
    "arguments", [["--seed", "3", "--dataset_dir"], ["--dataset_dir", "--seed", "3"], ["--validate::x::ckpt_path"]]
)
def test_a_folder_without_its_value_is_named(arguments):
    with pytest.raises(ConfigError, match="_(dir|path): found no value behind it. Fix:"):
        command_line.check_given(arguments)
    command_line.check_given(["--overwrite", "--dataset_dir=", "--output_dir", "", "--overwrite"])
    assert command_line.options(["--overwrite", "--seed", "3"]) == {"overwrite": "", "seed": "3"}
