"""One training run: augmentation, optimisation, validation, checkpoints, log, record, tracking."""
