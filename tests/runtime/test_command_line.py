"""Commands that go on from a training: which of its options they repeat."""

import shlex

import pytest
from helpers.bundle_run import BUNDLE
from scripts.runtime.command_line import evaluation_command, inference_command, options

TRAIN, VARIANT = "configs/train.json", "configs/variants/unet_two_heads.json"


@pytest.fixture(autouse=True)
def in_the_bundle(monkeypatch):
    monkeypatch.chdir(BUNDLE)


def read_back(command):
    words = shlex.split(command)
    assert words[:4] == ["python", "-m", "monai.bundle", "run"]
    return options(words[4:])


def test_an_evaluation_repeats_the_files_and_what_shapes_the_network_and_nothing_of_the_training():
    given = {
        "config_file": f"['{TRAIN}','{VARIANT}']",
        "dataset_dir": "my hearts",
        "output_dir": "out",
        "epochs": "5",
        "seed": "8",
        "train::dataset::slices": "all",
        "preprocessing::crop_size": "[72,72]",
        "hidden": "['t2_stir']",
    }
    command = read_back(evaluation_command(given, "out/checkpoints", "out/evaluation"))
    assert command == {
        "config_file": f"['{TRAIN}','{VARIANT}','configs/evaluate.json']",
        "dataset_dir": "my hearts",
        "preprocessing::crop_size": "[72,72]",
        "hidden": "['t2_stir']",
        "ckpt_dir": "out/checkpoints",
        "output_dir": "out/evaluation",
    }


def test_a_training_of_several_processes_is_evaluated_by_one():
    given = {"config_file": f"['{TRAIN}','configs/multi_gpu_train.json']"}
    assert "multi_gpu" not in evaluation_command(given, "c", "o")


def test_inference_gets_the_options_that_it_knows():
    given = {"config_file": TRAIN, "dataset_dir": "d", "learning_rate": "0.1", "network_def::channels": "[16,16]"}
    command = read_back(inference_command(given, "it's here"))
    assert command["config_file"] == "configs/inference.json" and command["ckpt_dir"] == "it's here"
    assert command["network_def::channels"] == "[16,16]" and "learning_rate" not in command


@pytest.mark.parametrize("option", ["hidden", "tasks"])
def test_what_inference_cannot_be_told_gives_no_inference_command(option):
    assert inference_command({"config_file": TRAIN, option: "['mask']"}, "c") == ""


def test_options_without_a_value_and_those_of_tracking_are_not_made_up():
    given = {"config_file": TRAIN, "one_heart": "", "tracking": "mlflow", "is_not_rank0": "true"}
    words = shlex.split(evaluation_command(given, "c", "o"))
    assert "--one_heart" in words and "" not in words and "--is_not_rank0" not in words


def test_a_variant_that_inference_may_not_take_gives_no_inference_command():
    assert inference_command({"config_file": f"['{TRAIN}','{VARIANT}']"}, "c") == ""


@pytest.mark.parametrize("folder", ["plain", "two words", "$HOME", 'a"b', "it's", "back\\slash"])
def test_a_folder_of_any_name_is_read_back_as_it_was(folder):
    assert read_back(evaluation_command({"config_file": TRAIN}, folder, folder))["ckpt_dir"] == folder
