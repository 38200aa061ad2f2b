"""Class maps to pixels and labels: partial volume, label vote, nesting of the written labels, motion, contrast."""

import numpy as np
from scipy.ndimage import binary_dilation
from scripts.phantom import tissue
from scripts.phantom.render import downsample, label_from_codes

BLOOD, MYOCARDIUM, INFARCT, NO_REFLOW, OEDEMA, RV = range(1, 7)
WALL = (MYOCARDIUM, INFARCT, NO_REFLOW, OEDEMA)


def test_pixel_is_the_mean_of_its_four_samples():
    samples = np.array([[[0.0, 4.0, 1.0, 1.0], [4.0, 8.0, 1.0, 1.0]]])
    np.testing.assert_array_equal(downsample(samples), [[[4.0, 1.0]]])


def test_label_is_the_most_frequent_sample_and_papillary_muscle_counts_as_blood():
    codes = np.array(
        [
            [
                [tissue.INFARCT, tissue.INFARCT, tissue.PAPILLARY, tissue.PAPILLARY],
                [tissue.INFARCT, tissue.LV_BLOOD, tissue.SLOW_BLOOD, tissue.MYOCARDIUM],
            ]
        ],
        dtype=np.uint8,
    )
    np.testing.assert_array_equal(label_from_codes(codes), [[[INFARCT, BLOOD]]])


def test_all_volumes_share_the_matrix_and_their_types(subjects):
    for subject in subjects:
        slices = subject.volumes["label"].shape[2]
        assert subject.volumes["cine"].shape == (256, 256, slices, 8)
        assert subject.volumes["t2_stir"].shape == subject.volumes["lge"].shape == (256, 256, slices)
        assert {name: volume.dtype.name for name, volume in subject.volumes.items()} == {
            "cine": "int16",
            "t2_stir": "int16",
            "lge": "int16",
            "label": "uint8",
        }
        assert min(volume.min() for volume in subject.volumes.values()) >= 0


def test_no_reflow_touches_only_infarct_and_blood_and_the_wall_separates_both_ventricles(subjects):
    assert any((subject.volumes["label"] == NO_REFLOW).any() for subject in subjects)
    for subject in subjects:
        label = subject.volumes["label"]
        assert set(np.unique(label)) <= set(range(7))
        for index in range(label.shape[2]):
            level = label[:, :, index]
            around = level[binary_dilation(level == NO_REFLOW) & (level != NO_REFLOW)]
            assert np.isin(around, (INFARCT, BLOOD)).all()
            assert not (binary_dilation(level == BLOOD) & (level == RV)).any()


def test_cavity_shrinks_from_end_diastole_to_end_systole(subjects):
    for subject in subjects:
        label, cine = subject.volumes["label"], subject.volumes["cine"].astype(float)
        level = label.shape[2] // 3
        cavity = label[:, :, level] == BLOOD
        rim = binary_dilation(cavity, iterations=1)
        frames = cine[:, :, level]
        threshold = 0.5 * (np.median(frames[cavity]) + np.median(frames[np.isin(label[:, :, level], WALL)]))
        areas = [(frames[rim][:, phase] > threshold).sum() for phase in (0, 3)]
        assert areas[1] < 0.93 * areas[0]


def test_contrast_of_each_sequence_is_that_of_the_tissue(subjects):
    def mean(volume: np.ndarray, label: np.ndarray, *codes: int) -> float:
        return float(volume[np.isin(label, codes)].mean())

    stir_ratios = []
    for subject in subjects:
        label, lge, stir = (subject.volumes[name] for name in ("label", "lge", "t2_stir"))
        cine = subject.volumes["cine"][..., 0]
        assert 1.7 < mean(cine, label, BLOOD) / mean(cine, label, *WALL) < 3.6
        assert mean(stir, label, BLOOD) < 0.6 * mean(stir, label, MYOCARDIUM)
        assert mean(lge, label, MYOCARDIUM) < 0.6 * mean(lge, label, BLOOD)
        if (label == INFARCT).sum() > 200:
            assert mean(lge, label, INFARCT) > 1.8 * mean(lge, label, MYOCARDIUM)
            stir_ratios.append(mean(stir, label, INFARCT) / mean(stir, label, MYOCARDIUM))
    assert 1.15 < np.mean(stir_ratios) < 1.55


def test_no_reflow_is_darker_than_infarct_in_the_stored_psir(subjects):
    for subject in subjects:
        label, lge = subject.volumes["label"], subject.volumes["lge"]
        if (label == NO_REFLOW).sum() > 60:
            assert np.median(lge[label == NO_REFLOW]) < 0.6 * np.median(lge[label == INFARCT])
