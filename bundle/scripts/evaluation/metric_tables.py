"""Tables of the validation metrics of an evaluation, and their means on the screen."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ignite.engine import Engine, Events
from monai.handlers import MetricsSaver

from ..conventions import DISCLAIMER, SUBJECT, counted
from ..reports.tables import as_text

logger = logging.getLogger(__name__)

# Metrics of train.json that have one number per subject.
PER_SUBJECT = (
    "val_dice_infarct",
    "val_dice_lv_myocardium",
    "val_dice_lv_blood_pool",
    "val_infarct_size_error_percent_lv",
)


class MetricTables:
    """metrics.csv with the means; and ``<metric>_raw.csv`` and ``<metric>_summary.csv`` of those in PER_SUBJECT.

    Args:
        output_dir: folder of the tables.
    """

    def __init__(self, output_dir: str) -> None:
        self.output_dir = output_dir
        self.saver = MetricsSaver(
            save_dir=output_dir,
            metrics="*",
            metric_details=PER_SUBJECT,
            batch_transform=_file_names,
            summary_ops=("mean", "median", "std", "notnans"),
        )

    def attach(self, engine: Engine) -> None:
        """Registers on the evaluator."""
        self.saver.attach(engine)
        engine.add_event_handler(Events.COMPLETED, self.log)

    def log(self, engine: Engine) -> None:
        """One line per metric."""
        lines = [f"  {name:36s} {float(value):.4g}" for name, value in engine.state.metrics.items()]
        subjects = counted(engine.state.epoch_length or 0, "subject")
        logger.info("means over %s:\n%s\nper subject: %s/*_raw.csv. %s",
                    subjects, "\n".join(lines), self.output_dir, DISCLAIMER)  # fmt: skip


def _file_names(batch: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The subject's name where MONAI looks for a file name."""
    return [{"filename_or_obj": as_text(str(item[SUBJECT]))} for item in batch]
