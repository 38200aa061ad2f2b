"""Blood that stayed bright, shading, ghosts and another heart are flagged, and an ordinary examination is not."""

from dataclasses import replace

import numpy as np
import pytest
from scripts.datasets.datalist import find_subjects
from scripts.preprocessing.image_check import AcquiredImages, blood_over_wall, image_flags
from scripts.preprocessing.preprocessing import SubjectPreprocessing

SPACING_MM = np.array([1.5, 1.5])


@pytest.fixture(scope="module")
def examinations(phantom_folder):
    """Acquired images of some phantoms, with the true label map."""
    found = []
    for entry in find_subjects(phantom_folder, ("cine", "t2_stir"))[1:4]:
        item = SubjectPreprocessing()(entry)
        affine = item["cine_affine"].numpy()
        found.append(
            AcquiredImages(
                cine=item["cine_native"].numpy(),
                t2_stir=item["t2_native"].numpy(),
                label=item["label_codes"].numpy(),
                spacing_mm=np.linalg.norm(affine[:3, :2], axis=0),
                crops=item["image"].numpy()[:2],
                crop_spacing_mm=SubjectPreprocessing().spacing_mm,
            )
        )
    return found


def names(images):
    return [flag.flag for flag in image_flags(images)]


def ring(blood, wall=100.0, slices=6):
    """T2-STIR (64, 64, slices) of a round wall about blood, and its label map; ``blood``: level, one or per slice."""
    x = (np.arange(64) - 32.0) * SPACING_MM[0]
    radius = np.hypot(x[:, None], x[None, :])
    label = np.repeat(np.select([radius < 18, radius < 28], [1, 2], 0).astype(np.uint8)[..., None], slices, axis=2)
    return np.select([label == 1, label == 2], [np.broadcast_to(blood, label.shape), wall], 10.0), label


def test_an_ordinary_examination_has_no_flag(examinations):
    assert [names(images) for images in examinations] == [[], [], []]


def test_blood_over_wall_is_read_without_the_rim_and_only_where_both_are_seen():
    image, label = ring(30.0)
    image[np.isin(label, 1) & ~np.isin(np.roll(label, 3, axis=0), 1)] = 500.0
    label[..., 2] = 0
    image[..., 4] = 7.0
    assert blood_over_wall(image, label, SPACING_MM) == pytest.approx([0.3, 0.3, np.nan, 0.3, np.nan, 0.3], nan_ok=True)


@pytest.mark.parametrize(
    ("failed", "flagged"), [((), False), ((1,), False), ((1, 4), True), ((0, 1, 2, 3, 4, 5), True)]
)
def test_bright_blood_is_flagged_when_three_in_ten_slices_fail(failed, flagged):
    image, label = ring(np.array([95.0 if s in failed else 25.0 for s in range(6)]))
    found = image_flags(AcquiredImages(image, image, label, SPACING_MM))
    assert ("t2_stir_blood_bright" in [flag.flag for flag in found]) is flagged
    if failed == (1, 4):
        assert found[0].review and "slices 2, 5 of 6" in found[0].message


def test_the_t2_stir_of_another_subject_is_flagged_for_review_and_nothing_else_is_said_of_it(examinations):
    one, other = examinations[:2]
    slices = min(one.crops.shape[3], other.crops.shape[3])
    crops = np.stack([one.crops[0][..., :slices], other.crops[1][..., :slices]])
    exchanged = replace(
        one, cine=one.cine[..., :slices], t2_stir=one.t2_stir[..., :slices], label=one.label[..., :slices], crops=crops
    )
    (found,) = image_flags(exchanged)
    assert found.flag == "t2_stir_of_another_heart" and found.review


@pytest.mark.parametrize(("sequence", "other"), [("cine", "t2_stir"), ("t2_stir", "cine")])
def test_strong_shading_is_a_note_about_its_own_sequence(examinations, sequence, other):
    image = getattr(examinations[0], sequence)
    across = np.linspace(-1, 1, image.shape[1])[None, :, None]
    shaded = replace(examinations[0], **{sequence: image * np.exp(1.6 * across)})
    found = {flag.flag: flag for flag in image_flags(shaded)}
    assert f"{other}_shaded" not in found
    assert not found[f"{sequence}_shaded"].review and "times as bright" in found[f"{sequence}_shaded"].message


@pytest.mark.parametrize("sequence", ["cine", "t2_stir"])
def test_a_copy_of_the_heart_is_a_note_about_its_own_sequence(examinations, sequence):
    images = examinations[0]
    image, heart = getattr(images, sequence), np.isin(images.label, range(1, 7))
    ghost = 0.3 * np.roll(np.where(heart, image, 0), image.shape[1] // 3, axis=1)
    assert names(replace(images, **{sequence: image + ghost})) == [f"{sequence}_ghosts"]


def test_a_subject_without_t2_stir_and_one_without_heart_are_judged_by_what_is_there(examinations):
    images = examinations[0]
    assert names(replace(images, t2_stir=None)) == []
    assert names(replace(images, label=np.zeros_like(images.label))) == []
    flat = np.zeros_like(images.cine)
    assert names(replace(images, cine=flat, t2_stir=flat, crops=np.zeros_like(images.crops))) == []
