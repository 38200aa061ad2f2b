"""methods.md of a run: what was done, with which versions, weights, settings and references, ready to paste.

After the citation boilerplate of fMRIPrep (Esteban et al., Nat Methods 2019;16:111).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..conventions import DISCLAIMER, counted

METHODS = "methods.md"
_SSDIFF = (
    "Qi et al. SSDiff: A Contrast-Free Virtual LGE Generator for Acute Myocardial Infarction with Joint Segmentation "
    "via Diffusion Model. IEEE J Biomed Health Inform 2026. doi 10.1109/JBHI.2026.3689083"
)
_MONAI = "Cardoso et al. MONAI: An open-source framework for deep learning in healthcare. arXiv:2211.02701, 2022"
_TORCH = (
    "Paszke et al. PyTorch: An imperative style, high-performance deep learning library. Adv Neural Inf Process Syst "
    "2019;32"
)
_NIBABEL = "Brett et al. nibabel: Access a cacophony of neuro-imaging file formats. doi 10.5281/zenodo.591597"
_DPM = (
    "Lu et al. DPM-Solver++: Fast solver for guided sampling of diffusion probabilistic models. arXiv:2211.01095, 2022"
)
_DDIM = "Song et al. Denoising diffusion implicit models. ICLR 2021. arXiv:2010.02502"
_N4 = "Tustison et al. N4ITK: Improved N3 bias correction. IEEE Trans Med Imaging 2010;29:1310"
_AHA = "Cerqueira et al. Standardized myocardial segmentation. Circulation 2002;105:539"
_DICE = "Dice. Measures of the amount of ecologic association between species. Ecology 1945;26:297"
_SSIM = (
    "Wang et al. Image quality assessment: from error visibility to structural similarity. IEEE Trans Image Process "
    "2004;13:600"
)
_BOOTSTRAP = "Efron and Tibshirani. An introduction to the bootstrap. Chapman and Hall, 1993"
_SAMPLERS = {"dpmpp_2m": ("DPM-Solver++ (2M)", _DPM), "ddim": ("DDIM", _DDIM)}
_SPACINGS = {"logsnr": ", spaced evenly in log-SNR"}
# Classes of networks of this bundle -> what they are.
_NETWORKS = {
    "SSDiffUNet": ("the SSDiff network, a conditional diffusion model with feature-disentangled attention between the "
                   "sequences and cross-fusion between the decoders of image and label map", _SSDIFF),
    "TrunkUNet": ("a conditional diffusion model after SSDiff whose trunk looks at the conditions once", _SSDIFF),
    "DirectNetwork": ("a U-Net that gives its output in one pass, without diffusion", ""),
    "TwoStageNetwork": ("two U-Nets in turn, without diffusion", ""),
}  # fmt: skip


def methods_text(paragraphs: Iterable[str], references: Iterable[str]) -> str:
    """The file: title, paragraphs, references each once in the order they are given."""
    listed = [f"{n}. {one}" for n, one in enumerate(dict.fromkeys(one for one in references if one), start=1)]
    note = f"{DISCLAIMER} Written by the software from the settings of this very run; check it before you publish it."
    return "\n\n".join(["# Methods", note, *paragraphs, "## References", "\n".join(listed)]) + "\n"


def inference_methods(run: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> str:
    """methods.md of an inference run.

    Args:
        run: content of run.json. results: of each result.json in the folder.
    """
    config = run["config"]
    network, references = network_sentences(config)
    paragraphs = [
        _subjects(run, results),
        preprocessing_sentences(config),
        network,
        weights_sentence(run["weights"]),
        _measures(config),
        versions_sentence(run["software"]),
    ]
    return methods_text(paragraphs, [*references, *_tools(config), _AHA])


def evaluation_methods(evaluated: Mapping[str, Any], subjects: int, tasks: Sequence[str]) -> str:
    """methods.md of an evaluation.

    Args:
        evaluated: weights, section, settings and software, as evaluation.json has them.
        subjects: how many were evaluated. tasks: what the network gives.
    """
    config = evaluated["settings"]
    network, references = network_sentences(config)
    left_out = [str(one) for one in config.get("hidden") or []]
    measured = (
        "Label maps were compared by the Dice coefficient, infarct size in % of the LV myocardium by correlation, bias "
        "and limits of agreement, presence of an infarct by sensitivity, specificity and the area under the ROC curve"
    )
    image = "; virtual and acquired LGE were compared by SSIM, PSNR and mean absolute error" if "lge" in tasks else ""
    paragraphs = [
        f'Evaluated: {counted(subjects, "subject")} of the section "{evaluated["section"]}" of the data set, each '
        "with an acquired LGE and a label map as the reference."
        + (f" Left out on purpose: {', '.join(left_out)}." if left_out else ""),
        preprocessing_sentences(config),
        network,
        weights_sentence(evaluated["weights"]),
        f"{measured}{image}. 95 % intervals are percentiles of a bootstrap over subjects.",
        versions_sentence(evaluated["software"]),
    ]
    return methods_text(paragraphs, [*references, *_tools(config), _DICE, _SSIM if image else "", _BOOTSTRAP])


def transfer_methods(evaluated: Mapping[str, Any], label_maps: int) -> str:
    """methods.md of an evaluation on cines without LGE; ``label_maps``: how many were compared."""
    config = evaluated["settings"]
    network, references = network_sentences(config)
    paragraphs = [
        f"{label_maps} label maps that readers drew on cines, at end-diastole or end-systole, were the reference.",
        preprocessing_sentences(config).replace("at the phase of the LGE", "at the phase of the label map"),
        network,
        weights_sentence(evaluated["weights"]),
        "The network's label map was brought back to the grid of the cine; LV blood pool and LV wall were compared by "
        "the Dice coefficient over the stack, by volume, by slices missed and invented, and by the distance of the "
        "centres in plane. 95 % intervals are percentiles of a bootstrap over subjects.",
        versions_sentence(evaluated["software"]),
    ]
    return methods_text(paragraphs, [*references, *_tools(config), _DICE, _BOOTSTRAP])


def preprocessing_sentences(config: Mapping[str, Any]) -> str:
    """What was done to the images; ``config`` has SubjectPreprocessing.settings under "preprocessing"."""
    found = config.get("preprocessing")
    if not isinstance(found, Mapping):
        return "The settings of the preprocessing were not recorded."
    rows, columns = found["crop_size"]
    low, high = found["percentiles"]
    text = (
        f"Each short-axis slice was resampled once, in plane, to a crop of {rows} x {columns} pixels of "
        f"{found['spacing_mm']:g} mm around the heart; T2-STIR was brought onto the slices of the cine by position. "
        f"Intensities were scaled for each subject and sequence from the {low:g}th and {high:g}th percentile to 0 and 1"
    )
    if found["t2_stir_percentiles"] != found["percentiles"]:
        text += ", those of the T2-STIR from the {:g}th and {:g}th".format(*found["t2_stir_percentiles"])
    text += ". "
    if found["bias_correction"]:
        text += "N4 took the shading of the coils out of cine and T2-STIR. "
    motion = ", with its end-diastolic and end-systolic phase beside it" if found["motion"] else ""
    return text + f"The cine entered at the phase of the LGE{motion}."


def network_sentences(config: Mapping[str, Any]) -> tuple[str, list[str]]:
    """What the network is and how it was sampled; and its references."""
    kind = str(config.get("network", "not recorded"))
    what, reference = _NETWORKS.get(kind, (f"a network of the class {kind}", ""))
    text = f"Virtual LGE and label map came from {what}."
    if kind in ("DirectNetwork", "TwoStageNetwork"):
        return text.replace("Virtual LGE and label map", "The results"), [reference]
    solver, source = _SAMPLERS.get(str(config.get("sampler")), (f"the sampler {config.get('sampler')}", ""))
    samples = config.get("samples", 1)
    text += (
        f" Each slice was denoised from seeded noise (seed {config.get('seed')}) by {solver} in "
        f"{config.get('steps')} steps" + _SPACINGS.get(str(config.get("spacing")), f", spacing {config.get('spacing')}")
    )
    text += f"; {samples} samples were averaged" if samples not in (1, "1") else ""
    scales = [float(one) for one in config.get("test_time_scales") or [1.0]]
    if scales != [1.0]:
        text += f"; results of the magnifications {', '.join(f'{one:g}' for one in scales)} were averaged"
    text += "."
    if str(config.get("one_heart", True)) != "False":
        text += " Pieces of LV far from the heart's long axis were taken back."
    return text, [reference, source]


def weights_sentence(weights: Mapping[str, Any]) -> str:
    """Which weights, and what they were trained on where that is known."""
    text = f"The weights were those of {weights['file']}, SHA-256 {weights['sha256']}"
    return text + (", trained on digital phantoms only." if "trained_on" in weights else ".")


def versions_sentence(software: Mapping[str, Any]) -> str:
    """Software and its versions."""
    return "Software: " + ", ".join(f"{name} {version}" for name, version in software.items()) + "."


def _subjects(run: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> str:
    used = Counter(" and ".join(result.get("sequences", {}).get("used", [])) or "not recorded" for result in results)
    shown = "; ".join(f"{names.replace('t2_stir', 'T2-STIR')}: {count}" for names, count in sorted(used.items()))
    failed, review = run["subjects"]["failed"], sum(bool(result.get("review_needed")) for result in results)
    text = (
        f"Virtual LGE images and label maps were generated for {counted(len(results), 'subject')} from contrast-free "
        f"cardiac MR; sequences used, by the number of subjects: {shown or 'none'}."
    )
    return text + f" {counted(failed, 'subject')} could not be processed, {review} marked for review by the software."


def _measures(config: Mapping[str, Any]) -> str:
    text = (
        "Volumes are voxels times voxel volume, masses volume times 1.05 g/ml. Infarct size is the infarct with its "
        "no-reflow in % of the LV myocardium; segments are those of the AHA model."
    )
    if str(config.get("classes")) == "all":
        text += " No-reflow and oedema were told apart; the area at risk is infarct and oedema together."
    if str(config.get("allow_static_cine", False)) == "True":
        text += " Infarcts were measured also where the cine shows no motion."
    return text


def _tools(config: Mapping[str, Any]) -> list[str]:
    found = config.get("preprocessing")
    corrected = isinstance(found, Mapping) and found["bias_correction"]
    return [_MONAI, _TORCH, _NIBABEL, *([_N4] if corrected else [])]
