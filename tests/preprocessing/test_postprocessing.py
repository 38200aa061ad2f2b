"""From the network's samples to arrays on the cine grid: averages, spread, references, and failed subjects."""

import numpy as np
import pytest
import torch
from scripts.clinical.volumes import infarct_percent_lv
from scripts.conventions import NETWORK_CLASSES, ConfigError, DataError, NotMeasurable
from scripts.datasets.datasets import failure_item
from scripts.preprocessing.postprocessing import (
    MeasuringRules,
    PairWithReference,
    SplitPrediction,
    ToCineGrid,
    infarct_percent_per_sample,
)
from torch.utils.data import default_collate

CLASSES, SHAPE, OFFSET = len(NETWORK_CLASSES), (14, 11, 2), (2, 1)


def one_sample(label, lge):
    """Channels of one sample (K + 1, H, W, S) that are sure of ``label`` (H, W, S)."""
    one_hot = torch.stack([(label == code).float() for code in range(CLASSES)])
    return torch.cat([one_hot, lge[None]])


def label_crop(code):
    """A block of myocardium with one row of ``code``, in a crop of (8, 8, 2)."""
    label = torch.zeros(8, 8, 2, dtype=torch.uint8)
    label[2:6, 2:6] = 2
    label[2, 2:6] = code
    return label


def item_of(*samples, **more):
    crop_to_cine = torch.eye(3, dtype=torch.float64).repeat(2, 1, 1)
    crop_to_cine[:, :2, 2] = torch.tensor(OFFSET, dtype=torch.float64)
    return {"pred": torch.cat(samples), "crop_to_cine": crop_to_cine, "cine_shape": torch.tensor(SHAPE), **more}


def on_cine(crop):
    """The crop laid into the cine grid by hand."""
    whole = np.zeros(SHAPE, np.float32)
    whole[OFFSET[0] : OFFSET[0] + 8, OFFSET[1] : OFFSET[1] + 8] = crop
    return whole


def postprocess(item):
    return ToCineGrid()(SplitPrediction()(item))


def test_one_sample_gives_lge_and_label_on_the_cine_grid_and_no_spread():
    label, lge = label_crop(3), torch.rand(8, 8, 2)
    item = postprocess(item_of(one_sample(label, lge)))
    assert item["virtual_lge"].dtype == np.float32 and item["label_map"].dtype == np.uint8
    np.testing.assert_allclose(item["virtual_lge"], on_cine(lge), atol=1e-6)
    np.testing.assert_array_equal(item["label_map"], on_cine(label))
    assert not {"uncertainty", "infarct_probability", "sample_infarct_percent", "label_on_cine"} & set(item)


def test_the_label_of_a_subject_without_one_is_none_as_monai_gives_it():
    item = postprocess(item_of(one_sample(label_crop(3), torch.rand(8, 8, 2)), label=None))
    assert "label_map" in item and "label_on_cine" not in item


def test_several_samples_give_their_mean_their_spread_and_the_votes_for_an_infarct():
    lges = torch.rand(3, 8, 8, 2)
    labels = [label_crop(3), label_crop(3), label_crop(2)]
    item = postprocess(item_of(*(one_sample(*pair) for pair in zip(labels, lges, strict=True))))
    np.testing.assert_allclose(item["virtual_lge"], on_cine(lges.mean(0)), atol=1e-6)
    np.testing.assert_allclose(item["uncertainty"], on_cine(lges.std(0)), atol=1e-6)
    np.testing.assert_allclose(item["infarct_probability"], on_cine((label_crop(3) == 3) * 2 / 3), atol=1e-6)
    np.testing.assert_array_equal(item["label_map"], on_cine(label_crop(3)))
    assert item["sample_infarct_percent"].tolist() == [25, 25, 0]


def test_references_are_brought_to_the_cine_grid_with_the_result():
    label, lge = label_crop(3), torch.rand(1, 8, 8, 2)
    native = torch.as_tensor(on_cine(label))
    item = postprocess(item_of(one_sample(label_crop(2), lge[0]), lge=lge, label=label[None], label_native=native))
    np.testing.assert_array_equal(item["label_on_cine"], on_cine(label))
    np.testing.assert_allclose(item["lge_on_cine"], on_cine(lge[0]), atol=1e-6)
    assert (torch.as_tensor(item["label_map"]) != item["label_on_cine"]).sum() == 8


def test_pairs_for_metrics_hold_only_slices_that_lge_and_label_cover():
    lge, label = torch.rand(1, 8, 8, 2), label_crop(3)[None]
    item = SplitPrediction()(item_of(one_sample(label_crop(2), lge[0]), lge=lge, label=label))
    paired = PairWithReference()(item | {"reference_slices": torch.tensor([0, 1])})
    for name, source in (("lge_ref", lge), ("label_ref", label), ("lge_pred", item["virtual_lge"])):
        assert torch.equal(paired[name], source[..., 1:])
    assert torch.equal(paired["label_pred"], item["label_crop"][..., 1:])
    with pytest.raises(DataError, match="LGE and label"):
        PairWithReference()(item | {"subject": "p1", "reference_slices": torch.tensor([0, 0])})


def test_an_infarct_is_compared_with_an_empty_map_where_the_labels_know_none():
    label = label_crop(2)[None]
    item = SplitPrediction()(
        item_of(one_sample(label_crop(3), torch.rand(8, 8, 2)), lge=torch.rand(1, 8, 8, 2), label=label)
    )
    item |= {"reference_slices": torch.ones(2)}
    known, unknown = (PairWithReference()(item | {"label_marks_infarct": torch.tensor(one)}) for one in (True, False))
    assert torch.equal(known["infarct_ref"], label) and torch.equal(PairWithReference()(item)["infarct_ref"], label)
    assert not unknown["infarct_ref"].any() and torch.equal(unknown["label_ref"], label)


def test_a_batched_failure_passes_unchanged():
    batch = default_collate([failure_item("p1", OSError("gone"), (8, 8))])
    before = batch | {"pred": torch.zeros(CLASSES + 1, 8, 8, 0)}
    after = postprocess(before)
    assert set(after) == set(before) and all(after[key] is before[key] for key in before)


@pytest.mark.parametrize(
    "counts",
    [(0, 0, 40, 10), (50, 0, 0, 0), (0, 10, 0, 5), (0, 10, 30, 0), (20, 0, 1, 29)],
    ids=["wall and infarct", "nothing", "infarct without viable wall", "no infarct", "hardly any wall"],
)
def test_infarct_size_of_a_sample_is_the_reports_measure(counts):
    label = torch.repeat_interleave(torch.arange(CLASSES, dtype=torch.uint8), torch.tensor(counts)).reshape(1, 1, 1, -1)
    try:
        expected = infarct_percent_lv(label[0].numpy())
    except NotMeasurable:
        expected = float("nan")
    (found,) = infarct_percent_per_sample(label).tolist()
    assert found == pytest.approx(expected, nan_ok=True)


def test_what_may_be_measured_goes_with_the_item_and_is_true_or_false():
    assert MeasuringRules("true")({"subject": "a"}) == {"subject": "a", "static_cine_allowed": "True"}
    assert MeasuringRules()({})["static_cine_allowed"] == "False"
    with pytest.raises(ConfigError, match="allow_static_cine: found 'maybe'"):
        MeasuringRules("maybe")


def six_probabilities(*rows):
    """Probabilities (6, 1, rows, 1) of one pixel each, then an LGE."""
    return torch.cat([torch.tensor(rows).T[:, None, :, None], torch.full((1, 1, len(rows), 1), 0.5)])


def test_six_classes_are_the_papers_four_when_written_and_every_one_when_asked():
    pixels = [
        [0.05, 0.0, 0.35, 0.30, 0.28, 0.02],  # most is infarct or no-reflow together, though myocardium leads alone
        [0.0, 0.0, 0.2, 0.1, 0.5, 0.2],
        [0.1, 0.0, 0.2, 0.3, 0.0, 0.4],
        [0.9, 0.0, 0.0, 0.0, 0.0, 0.1],
    ]
    maps, shape = torch.eye(3, dtype=torch.float64)[None], torch.tensor([1, 4, 1])
    item = {"pred": six_probabilities(*pixels), "crop_to_cine": maps, "cine_shape": shape}
    split = SplitPrediction(6)(item)
    assert split["probabilities"].shape == (4, 1, 4, 1) and torch.allclose(split["probabilities"].sum(0), torch.ones(1))
    assert ToCineGrid()(split)["label_map"].ravel().tolist() == [3, 3, 2, 0]
    every = ToCineGrid("all", 6)(split)
    assert every["label_map"].ravel().tolist() == [3, 4, 5, 0] and every["label_classes"] == "all"
    without_t2 = ToCineGrid("all", 6)(split | {"available_slices": torch.tensor([[1.0], [0.0]])})
    assert without_t2["label_map"].ravel().tolist() == [3, 4, 2, 0]


def test_a_reference_of_six_classes_is_compared_in_the_papers_four():
    label = torch.tensor([0, 1, 2, 3, 4, 5], dtype=torch.uint8).reshape(1, 1, 6, 1)
    item = {
        "pred": torch.cat([six_probabilities(*torch.eye(6).tolist())]),
        "label": label,
        "lge": torch.rand(1, 1, 6, 1),
    }
    paired = PairWithReference()(SplitPrediction(6)(item) | {"reference_slices": torch.ones(1)})
    assert paired["label_ref"].ravel().tolist() == [0, 1, 2, 3, 3, 2]
    assert torch.equal(paired["label_pred"], paired["label_ref"])


def test_classes_that_the_network_does_not_tell_are_refused():
    with pytest.raises(ConfigError, match="classes: found all with a network of 4 classes"):
        ToCineGrid("all")
    with pytest.raises(ConfigError, match="classes: found 'both'"):
        ToCineGrid("both")
    with pytest.raises(ConfigError, match="num_classes: found 5"):
        SplitPrediction(5)
    with pytest.raises(ConfigError, match="num_classes: found 6.*5 channels"):
        SplitPrediction(6)(item_of(one_sample(label_crop(3), torch.rand(8, 8, 2))))
