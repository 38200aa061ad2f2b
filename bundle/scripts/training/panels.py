"""Image panels of a training run: the first validation subjects at every validation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from ..conventions import AVAILABLE, IMAGE, LABEL, LGE, MASK, SUBJECT, TASKS
from ..files import write_bytes
from ..reports.preview import CROP_AFFINE, Panels, preview_png
from ..runtime.distributed import process_number


class PanelWriter:
    """Draws cine, T2-STIR, virtual and real LGE, predicted and true label of the first subjects of a validation.

    Args:
        output_dir: gets ``panels/<subject>_epoch<n>.png``.
        subjects: how many subjects are drawn.
        tasks: what the network gives; an image or a label map that it never learnt is not drawn.
    """

    def __init__(self, output_dir: str, subjects: int = 3, tasks: Sequence[str] = TASKS) -> None:
        self.folder, self.subjects, self.tasks = Path(output_dir) / "panels", subjects, tuple(tasks)

    def attach(self, engine: Engine) -> None:
        """Registers on the evaluator; in distributed training the first process draws its own subjects."""
        if process_number():
            return
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Draws the subject of this iteration, if it is one of the first."""
        state: Any = engine.state  # ignite's types do not know what an engine works on
        if (state.iteration - 1) % state.epoch_length >= self.subjects:
            return
        batch, output = state.batch[0], state.output[0]
        image = batch[IMAGE].cpu().numpy()
        panels = Panels(
            cine=image[0],
            t2_stir=image[1] if float(batch[AVAILABLE][1]) else None,
            virtual_lge=output["virtual_lge"][0].cpu().numpy() if LGE in self.tasks else None,
            label=output["label_crop"][0].cpu().numpy() if MASK in self.tasks else None,
            real_lge=batch[LGE][0].cpu().numpy(),
            reference_label=batch[LABEL][0].cpu().numpy(),
        )
        name = f"{batch[SUBJECT]}_epoch{engine.state.epoch:04d}.png"
        write_bytes(self.folder / name, preview_png(panels, CROP_AFFINE, str(batch[SUBJECT])))
