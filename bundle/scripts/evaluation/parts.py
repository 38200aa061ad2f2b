"""The standard list of parts of an evaluation; a further measure of the cohort is one more part here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from ..clinical.independent_reader import IndependentReader
from ..conventions import TASKS
from .calibration import Calibration
from .evaluation_report import EvaluationPart
from .frechet import Features, FrechetDistance, NetworkFeatures, ScriptedFeatures
from .ranked_panels import RankedPanels
from .readings import LgeReading, SliceSegmenter
from .segment_table import SegmentTable
from .slice_table import SliceTable
from .subject_table import SubjectTable


def standard_parts(
    subjects: Sequence[Mapping],
    tasks: Sequence[str] = TASKS,
    lge_segmenter: nn.Module | None = None,
    reader_dir: str = "",
    frechet_network: str = "",
) -> list[EvaluationPart]:
    """The parts, in the order of evaluation.json.

    Args:
        subjects: entries of the datalist; they say how subjects are grouped.
        tasks: what the network under evaluation gives, "mask", "lge" or both.
        lge_segmenter: network of ours that was trained on acquired LGE: columns ``segmenter_...``, and the features of
            the Fréchet distance; None leaves them out.
        reader_dir: folder of the independent reader: columns ``reader_...``; "" leaves it out.
        frechet_network: TorchScript file that gives the features of the Fréchet distance in place of ours.
    """
    readings = []
    if lge_segmenter is not None:
        readings.append(LgeReading(SliceSegmenter(lge_segmenter), "segmenter", consistency=True, tasks=tasks))
    if reader_dir:
        readings.append(LgeReading(IndependentReader(reader_dir).read_lge, "reader", tasks=tasks))
    parts: list[EvaluationPart] = [
        SubjectTable(subjects, readings, tasks),
        SegmentTable(subjects),
        SliceTable(tasks),
        Calibration(),
    ]
    features: Features | None = None
    if frechet_network:
        features = ScriptedFeatures(frechet_network)
    elif lge_segmenter is not None:
        features = NetworkFeatures(lge_segmenter)
    if features is not None:
        parts.append(FrechetDistance(features))
    return [*parts, RankedPanels(tasks=tasks)]
