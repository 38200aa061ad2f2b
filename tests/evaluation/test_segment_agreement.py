"""Agreement per AHA segment, on an analytic heart."""

import numpy as np
import pytest
from helpers.cone_heart import LEVEL_SLICES, Sector, heart
from scripts.conventions import NotMeasurable
from scripts.evaluation.plots import segments_png
from scripts.evaluation.segment_agreement import segment_rows, summarise_segments

pytestmark = pytest.mark.slow

PIXEL = (1.0, 1.0)


def of_network(label):
    """Without RV, as the network's classes are."""
    return np.where(label == 6, 0, label).astype(np.uint8)


def rows_of(found, truth):
    reference, affine = heart([truth] if truth else [], pixel_mm=PIXEL)
    label, _ = heart([found] if found else [], pixel_mm=PIXEL)
    return segment_rows(of_network(label), of_network(reference), affine, reference, affine)


def test_each_segment_gives_share_and_depth_of_both_maps_in_the_frame_of_the_reference():
    mid = LEVEL_SLICES["mid"]
    rows = {int(row["segment"]): row for row in rows_of(Sector(2, 58, 0.5, mid), Sector(2, 58, 1.0, mid))}
    assert sorted(rows) == list(range(1, 18))
    assert rows[8]["reference_transmurality_percent"] > 85 and 40 < rows[8]["transmurality_percent"] < 60
    assert rows[8]["infarct_percent"] < rows[8]["reference_infarct_percent"]
    assert rows[2]["infarct_percent"] == 0 and "transmurality_percent" not in rows[17]


def test_a_ring_that_the_label_map_lacks_moves_no_infarct_into_another_segment():
    reference, affine = heart([Sector(2, 58, 1.0, LEVEL_SLICES["mid"])], pixel_mm=PIXEL)
    label = of_network(reference)
    label[..., [0, 1]] = 0
    rows = {int(r["segment"]): r for r in segment_rows(label, of_network(reference), affine, reference, affine)}
    assert rows[2]["infarct_percent"] == rows[2]["reference_infarct_percent"] == 0.0
    assert rows[8]["infarct_percent"] == pytest.approx(rows[8]["reference_infarct_percent"])


def test_a_reference_without_rv_has_no_frame():
    reference, affine = heart([], pixel_mm=PIXEL, rv=False)
    with pytest.raises(NotMeasurable, match="no RV"):
        segment_rows(reference, reference, affine, reference, affine)


def cohort():
    depths = ((1.0, 1.0), (0.5, 0.5), (0.75, 1.0), (None, 0.5), (0.5, None))
    rows = []
    for subject, (found, truth) in enumerate(depths):
        sectors = [None if depth is None else Sector(2, 118, depth) for depth in (found, truth)]
        rows += [{"subject": f"s{subject}"} | row for row in rows_of(*sectors)]
    return rows


def test_a_cohort_is_summarised_over_subjects_and_per_segment():
    found = summarise_segments(cohort())
    assert found["segments"] == 5 * 17
    assert 0.3 < found["transmurality_r"]["value"] < 1 and found["transmurality_r"]["subjects"] == 5
    assert found["transmurality_lower_limit_percent"]["value"] < found["transmurality_upper_limit_percent"]["value"]
    assert found["segment_sensitivity"]["value"] == pytest.approx(0.75, abs=0.02)
    assert found["segment_specificity"]["value"] > 0.85
    assert found["by_segment"]["2"]["subjects"] == 5 and "value" in found["by_segment"]["2"]["bias_percent"]
    assert segments_png(cohort()).startswith(b"\x89PNG")


def test_no_segments_are_not_measurable_and_not_zero():
    found = summarise_segments([])
    assert found["segments"] == 0
    assert "not_measurable" in found["transmurality_r"] and "not_measurable" in found["segment_sensitivity"]


def test_segments_are_summarised_by_group_of_their_subject():
    rows = [
        {"subject": name, "segment": float(k), "transmurality_percent": value + k, "reference_transmurality_percent": k}
        | {"infarct_percent": 10.0, "reference_infarct_percent": 10.0}
        for name, value in (("a", 0.0), ("b", 5.0), ("c", 5.0))
        for k in (1, 2, 3)
    ]
    found = summarise_segments(rows, {"a": {"vendor": "ge"}, "b": {"vendor": "uih"}})["by"]["vendor"]
    assert {name: group["segments"] for name, group in found.items()} == {"ge": 3, "uih": 3, "unknown": 3}
    assert found["ge"]["transmurality_bias_percent"]["value"] == 0.0
    assert found["uih"]["transmurality_bias_percent"]["value"] == pytest.approx(5.0)
    assert "by" not in summarise_segments(rows)
