"""Training with a tiny network on a small phantom, as a user would type it."""

from helpers.bundle_run import run_bundle

TINY = {
    "network_def::trunk_channels": "[16,16]",
    "network_def::trunk_attention_levels": "[False,True]",
    "network_def::channels": "[16,16]",
    "network_def::attention_levels": "[False,True]",
    "network_def::num_head_channels": "8",
    "network_def::token_channels": "16",
    "preprocessing::crop_size": "[32,32]",
    "preprocessing::spacing_mm": "5.6",
    "validate::additional_metrics::leave_out": "['val_ms_ssim']",
    "process::trained_steps": "0",
    "steps": "2",
    "batch_size": "4",
    "val_interval": "1",
    "amp": "False",
    "lr_scheduler::warmup_steps": "4",
}


def train(dataset_dir, output_dir, *arguments: str, config="configs/train.json", **options):
    settings = {**TINY, "dataset_dir": dataset_dir, "output_dir": output_dir}
    flags = [part for key, value in settings.items() for part in (f"--{key}", str(value))]
    return run_bundle("training", "--config_file", config, *flags, *arguments, **options)
