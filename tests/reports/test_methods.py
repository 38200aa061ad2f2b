"""methods.md: every setting that was used is said, and nothing that was not."""

import pytest
from scripts.reports.methods import evaluation_methods, inference_methods, training_methods, transfer_methods

PREPROCESSING = {
    "spacing_mm": 1.4,
    "crop_size": [128, 96],
    "percentiles": [0.5, 99.5],
    "t2_stir_percentiles": [0.5, 99.5],
    "motion": True,
    "bias_correction": False,
}
CONFIG = {
    "steps": 4,
    "sampler": "dpmpp_2m",
    "samples": 1,
    "seed": 7,
    "spacing": "logsnr",
    "test_time_scales": [1.0],
    "one_heart": True,
    "classes": "paper",
    "network": "SSDiffUNet",
    "preprocessing": PREPROCESSING,
}
WEIGHTS = {"file": "model.pt", "sha256": "ab" * 32}
SOFTWARE = {"monai": "1.6.1", "torch": "2.13.0"}


def run_text(results=(), **config):
    run = {"config": CONFIG | config, "weights": WEIGHTS, "software": SOFTWARE, "subjects": {"failed": 1}}
    return inference_methods(run, list(results))


def result(*used, review=False, rule="mid-diastole: phase 20 of 25 by the motion"):
    phase = {"index": 20, "rule": rule}
    return {"subject": "anna_b", "sequences": {"used": list(used)}, "review_needed": review, "cine_phase": phase}


def test_a_run_says_subjects_sequences_settings_weights_and_versions_and_no_name():
    text = run_text([result("cine", "t2_stir"), result("cine", review=True), result("cine")])
    for said in ("3 subjects", "cine: 2", "cine and T2-STIR: 1", "Not processed: 1 subject", "review: 1 subject."):
        assert said in text
    for said in (
        "128 x 96 pixels of 1.4 mm",
        "DPM-Solver++ (2M) in 4 steps",
        "seed 7",
        WEIGHTS["sha256"],
        "torch 2.13.0",
    ):
        assert said in text
    assert "anna_b" not in text and "Synthetic image" in text


def test_settings_of_a_command_line_are_read_as_those_of_a_file():
    for off in (False, "false"):
        assert "long axis" not in run_text([result("cine")], one_heart=off)
    for on in (True, "true"):
        assert "no motion" in run_text([result("cine")], allow_static_cine=on)


def test_results_of_earlier_runs_are_not_credited_with_this_run_s_settings():
    run = {"config": CONFIG, "weights": WEIGHTS, "software": SOFTWARE, "subjects": {"failed": 3, "written_earlier": 5}}
    text = inference_methods(run, [])
    assert "0 subjects" in text and "5 further subjects" in text and "earlier runs" in text


def test_a_network_without_a_label_map_has_none_compared():
    facts = {"section": "testing", "weights": WEIGHTS, "software": SOFTWARE, "settings": CONFIG}
    image, both = (evaluation_methods(facts, 5, tasks) for tasks in (("lge",), ("mask", "lge")))
    assert "SSIM" in image and "Dice" not in image and "AHA" not in image and "Dice" in both


def test_a_swap_test_and_a_hidden_cine_are_said():
    facts = {"section": "testing", "weights": WEIGHTS, "software": SOFTWARE}
    swapped = evaluation_methods(facts | {"settings": CONFIG | {"exchange": "t2_stir"}}, 5, ("mask",))
    assert "T2-STIR was that of another subject" in swapped
    hidden = evaluation_methods(facts | {"settings": CONFIG | {"hidden": ["cine"]}}, 5, ("mask",))
    assert "Left out on purpose: cine" in hidden and "The cine entered" not in hidden


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"samples": 8}, "8 samples were averaged"),
        ({"test_time_scales": [0.9, 1.1]}, "magnifications 0.9, 1.1"),
        ({"classes": "all"}, "area at risk"),
        ({"allow_static_cine": True}, "no motion"),
        ({"sampler": "ddim"}, "Denoising diffusion implicit models"),
        ({"preprocessing": PREPROCESSING | {"bias_correction": True}}, "N4ITK"),
        ({"preprocessing": PREPROCESSING | {"t2_stir_percentiles": [0.5, 99.95]}}, "99.95th"),
        ({"network": "MyNetwork"}, "a network of the class MyNetwork"),
    ],
)
def test_a_setting_is_said_where_it_was_used_and_only_there(setting, said):
    assert said in run_text([result("cine", "t2_stir")], **setting)
    assert said not in run_text([result("cine", "t2_stir")])


def test_nothing_is_said_of_a_t2_stir_that_nobody_has():
    assert "laid on the slices" in run_text([result("cine"), result("cine", "t2_stir")])
    text = run_text([result("cine")])
    assert "laid on the slices" not in text and text.count("T2-STIR") == 0


def test_a_registered_study_is_said_to_be_registered():
    text = run_text([result("cine", "t2_stir")], register=True)
    assert "registered to the cine" in text and "by its position" not in text


def test_the_rules_by_which_a_phase_was_chosen_are_counted_and_no_phase_is_named():
    text = run_text([result("cine"), result("cine"), result("cine", rule="trigger time: phase 3 at 600 ms")])
    assert "mid-diastole: 2; trigger time: 1" in text and "600" not in text and "phase of the LGE" not in text


def test_what_was_done_to_the_label_map_is_said():
    text = run_text([result("cine")], infarct_log_odds=-0.75, mask_temperature=1.5, one_heart=False)
    assert "changed by -0.75" in text and "tempered by 1.5" in text and "long axis" not in text
    plain = run_text([result("cine")], infarct_log_odds=0.0, mask_temperature=1.0)
    assert "log odds" not in plain and "tempered" not in plain and "long axis" in plain


def test_the_first_answer_of_a_trunk_has_no_sampler():
    text = run_text([result("cine")], network="TrunkUNet", steps=0)
    assert "first answer" in text and "DPM-Solver" not in text


def test_a_network_without_diffusion_has_no_sampler():
    text = run_text([result("cine")], network="DirectNetwork")
    assert "one pass" in text and "DPM-Solver" not in text and "SSDiff:" not in text


def test_weights_of_phantoms_are_said_to_be():
    run = {"config": CONFIG, "weights": WEIGHTS, "software": SOFTWARE, "subjects": {"failed": 0}}
    known = run | {"weights": WEIGHTS | {"trained_on": "phantoms only"}}
    assert "phantoms only" in inference_methods(known, []) and "phantoms" not in inference_methods(run, [])


def test_references_are_numbered_and_none_is_listed_twice():
    listed = run_text([result("cine")]).split("## References\n\n")[1].splitlines()
    assert [line.split(".")[0] for line in listed] == [str(n) for n in range(1, len(listed) + 1)]
    assert len({line.split(". ", 1)[1] for line in listed}) == len(listed)


def test_an_evaluation_says_section_measures_and_what_was_left_out():
    facts = {
        "section": "testing",
        "weights": WEIGHTS,
        "software": SOFTWARE,
        "settings": CONFIG | {"hidden": ["t2_stir"]},
    }
    both, mask = (evaluation_methods(facts, 82, tasks) for tasks in (("mask", "lge"), ("mask",)))
    assert '82 subjects of the section "testing"' in both and "Left out on purpose: T2-STIR" in both
    assert "SSIM" in both and "SSIM" not in mask and "bootstrap" in mask


def test_a_transfer_evaluation_speaks_of_cines_alone():
    facts = {"section": "all", "weights": WEIGHTS, "software": SOFTWARE, "settings": CONFIG}
    text = transfer_methods(facts, 20)
    assert (
        "20 label maps" in text
        and "readers" not in text
        and "phase of the label map" in text
        and "acquired LGE" not in text
    )


def test_settings_that_were_not_recorded_are_said_not_to_be():
    assert "not recorded" in run_text([result("cine")], preprocessing=None)


def trained(**changes):
    record = {
        "config": {
            "network_def": {"_target_": "scripts.networks.trunk.TrunkUNet"},
            "process": {"given_shares": {"mask": 0.15, "lge": 0.15}},
            "train": {"augmentation": {"strength": 0.5}},
            "learning_rate": 0.001,
            "batch_size": 8,
            "epochs": 9,
            "seed": 7,
            "num_classes": 6,
            "tasks": ["mask", "lge"],
            "key_metric_name": "val_dice_infarct",
            "start_from": "",
        },
        "subjects": 800,
        "slices_per_epoch": 8304,
        "slices_seen": 74736,
        "data_sha256": "d" * 64,
        "phantoms_only": True,
        "unmarked_classes": [],
        "weights_sha256": "a" * 64,
        "processes": 2,
        "curve": [{}] * 9,
        "software": {"monai": "1.6.1"},
    }
    return " ".join(training_methods(record | changes, CONFIG["preprocessing"]).split())


def test_a_training_says_what_was_learnt_from_and_how():
    text = trained()
    for said in ("800 subjects", "74736 in all", "rate of 0.001", "9 epochs of 9", "digital phantoms", "share of 0.5"):
        assert said in text
    assert "UniDiffuser" not in text and "multi-modal diffusion" in text and "a" * 64 in text


def test_samples_that_a_network_drew_are_counted_apart():
    assert "6 of these were synthetic samples" in trained(synthetic_samples=6)
    assert "synthetic samples" not in trained(synthetic_samples=0) and "synthetic samples" not in trained()


def test_a_training_says_nothing_that_was_not():
    config = {"network_def": {"_target_": "scripts.networks.direct.unet_two_heads"}, "tasks": ["mask"]}
    text = trained(config=config, phantoms_only=False, unmarked_classes=["oedema"], weights_sha256=None)
    assert "phantom" not in text and "multi-modal diffusion" not in text and "at random" not in text
    assert "No label map marked oedema" in text and "not written" in text and "LGE and label map" not in text
