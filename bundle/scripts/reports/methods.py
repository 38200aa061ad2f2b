"""methods.md of a run: what was done, with which versions, weights, settings and references, ready to paste.

After the citation boilerplate of fMRIPrep (Esteban et al., Nat Methods 2019;16:111).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..conventions import DISCLAIMER, LGE, MASK, MYOCARDIAL_DENSITY_G_PER_ML, counted, flag

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
_DDPM = "Ho et al. Denoising diffusion probabilistic models. Adv Neural Inf Process Syst 2020;33:6840"
_DDIM = "Song et al. Denoising diffusion implicit models. ICLR 2021. arXiv:2010.02502"
_N4 = "Tustison et al. N4ITK: Improved N3 bias correction. IEEE Trans Med Imaging 2010;29:1310"
_ADAMW = "Loshchilov and Hutter. Decoupled weight decay regularization. ICLR 2019. arXiv:1711.05101"
_UNIDIFFUSER = (
    "Bao et al. One transformer fits all distributions in multi-modal diffusion at scale. ICML 2023. arXiv:2303.06555"
)
_RANDOMISATION = (
    "Tobin et al. Domain randomization for transferring deep neural networks from simulation to the real world. "
    "IROS 2017. arXiv:1703.06907"
)
_AHA = "Cerqueira et al. Standardized myocardial segmentation. Circulation 2002;105:539"
_DICE = "Dice. Measures of the amount of ecologic association between species. Ecology 1945;26:297"
_SSIM = (
    "Wang et al. Image quality assessment: from error visibility to structural similarity. IEEE Trans Image Process "
    "2004;13:600"
)
_BOOTSTRAP = "Efron and Tibshirani. An introduction to the bootstrap. Chapman and Hall, 1993"
_SAMPLERS = {"dpmpp_2m": ("DPM-Solver++ (2M)", _DPM), "ddim": ("DDIM", _DDIM), "ddpm": ("DDPM", _DDPM)}
_SPACINGS = {"logsnr": ", spaced evenly in log-SNR"}
# Classes of networks of this bundle -> what they are.
_NETWORKS = {
    "SSDiffUNet": ("a conditional diffusion model for image and label map after SSDiff", _SSDIFF),
    "TrunkUNet": ("a conditional diffusion model after SSDiff whose trunk looks at the conditions once", _SSDIFF),
    "DirectNetwork": ("a U-Net that gives its output in one pass, without diffusion", ""),
    "TwoStageNetwork": ("two U-Nets in turn, without diffusion", ""),
}  # fmt: skip
_LABEL_MAPS = (
    "Label maps were compared by the Dice coefficient and the 95th percentile of the Hausdorff distance, infarct size "
    "in % of the LV myocardium by correlation, bias and limits of agreement, presence of an infarct by sensitivity, "
    "specificity and the area under the ROC curve, AHA segments by their infarct, and the probability of infarct by "
    "its calibration."
)
_TITLES = {"t2_stir": "T2-STIR"}
_ONE_PASS = ("DirectNetwork", "TwoStageNetwork")


def methods_text(paragraphs: Iterable[str], references: Iterable[str]) -> str:
    """The file: title, paragraphs, references each once in the order they are given."""
    listed = [f"{n}. {one}" for n, one in enumerate(dict.fromkeys(one for one in references if one), start=1)]
    note = f"{DISCLAIMER} Written by the software from the settings of this very run; check it before you publish it."
    return "\n\n".join(["# Methods", note, *paragraphs, "## References", "\n".join(listed)]) + "\n"


def inference_methods(run: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> str:
    """methods.md of an inference run.

    Args:
        run: content of run.json. results: of each result.json that this run wrote.
    """
    config = run["config"]
    network, references = network_sentences(config)
    paragraphs = [
        _subjects(run, results),
        f"{preprocessing_sentences(config, _t2_stir_used(results))} {_phases(config, results)}",
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
    config, draws_lge, draws_mask = evaluated["settings"], LGE in tasks, MASK in tasks
    network, references = network_sentences(config)
    hidden = [str(one) for one in config.get("hidden") or []]
    left_out = ", ".join(_TITLES.get(one, one) for one in hidden)
    exchanged = str(config.get("exchange") or "")
    measured = _LABEL_MAPS if draws_mask else ""
    image = " Virtual LGE and LGE were compared by SSIM, PSNR and mean absolute error." if draws_lge else ""
    if draws_lge and _on(config, "lge_reader", False):
        image += " A network that was trained to segment LGE read both."
    paragraphs = [
        f'Evaluated: {counted(subjects, "subject")} of the section "{evaluated["section"]}" of the data set, with LGE '
        "and label map as the reference, on the slices that both cover."
        + (f" Left out on purpose: {left_out}." if left_out else "")
        + (f" As a test the {_TITLES.get(exchanged, exchanged)} was that of another subject." if exchanged else ""),
        preprocessing_sentences(config, "t2_stir" not in hidden)
        + ("" if "cine" in hidden else f" The cine entered at the phase of the reference{_beside(config)}."),
        network,
        weights_sentence(evaluated["weights"]),
        f"{measured}{image} 95 % intervals are percentiles of a bootstrap over subjects.".strip(),
        versions_sentence(evaluated["software"]),
    ]
    return methods_text(
        paragraphs,
        [*references, *_tools(config), *([_DICE, _AHA] if draws_mask else []), _SSIM if image else "", _BOOTSTRAP],
    )


def transfer_methods(evaluated: Mapping[str, Any], label_maps: int) -> str:
    """methods.md of an evaluation on cines without LGE; ``label_maps``: how many were compared."""
    config = evaluated["settings"]
    network, references = network_sentences(config)
    left_out = "t2_stir" in (config.get("hidden") or [])
    paragraphs = [
        f"{counted(label_maps, 'label map')} of LV blood pool and LV wall on cines were the reference.",
        f"{preprocessing_sentences(config, not left_out)} The cine entered at the phase of the label map"
        f"{_beside(config)}.",
        network,
        weights_sentence(evaluated["weights"]),
        "The network's label map was brought back to the grid of the cine; LV blood pool and LV wall were compared by "
        "the Dice coefficient over the stack, by volume, by slices missed and invented, and by the distance of the "
        "centres in plane. 95 % intervals are percentiles of a bootstrap over subjects.",
        versions_sentence(evaluated["software"]),
    ]
    return methods_text(paragraphs, [*references, *_tools(config), _DICE, _BOOTSTRAP])


def training_methods(record: Mapping[str, Any], preprocessing: Mapping[str, Any]) -> str:
    """methods.md of a training.

    Args:
        record: content of training_record.json. preprocessing: SubjectPreprocessing.settings.
    """
    config = record["config"]
    kind = str(_part(config, "network_def").get("_target_", "not recorded")).rpartition(".")[2]
    what, reference = _NETWORKS.get(kind, (f"a network of the class {kind}", ""))
    paragraphs = [
        f"Trained: {what}, {_learnt(config)}. {_training_data(record)}",
        preprocessing_sentences({"preprocessing": preprocessing}),
        _optimisation(config, record),
        _randomised(config),
        weights_sentence({"file": "model.pt", "sha256": record["weights_sha256"] or "not written"}),
        versions_sentence(record["software"]),
    ]
    given = any(_part(config, "process", "given_shares").values())
    more = [_UNIDIFFUSER if given else "", _ADAMW, _RANDOMISATION if _strength(config) else ""]
    return methods_text(filter(None, paragraphs), [reference, *_tools({"preprocessing": preprocessing}), *more])


def _part(config: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """A section of a config; {} where it has none."""
    found: Any = config
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _learnt(config: Mapping[str, Any]) -> str:
    named = {LGE: "LGE", MASK: "label map"}
    tasks = [named.get(str(one), str(one)) for one in config.get("tasks") or [MASK, LGE]]
    return f"which learnt {' and '.join(tasks)} of {config.get('num_classes', 'a number of')} classes"


def _training_data(record: Mapping[str, Any]) -> str:
    text = (
        f"It saw {counted(record['subjects'], 'subject')} of the training section, "
        f"{record['slices_per_epoch']} slices in each epoch, {record['slices_seen']} in all, data SHA-256 "
        f"{record['data_sha256']}."
    )
    if count := record.get("synthetic_samples"):
        text += f" {count} of these were synthetic samples, whose LGE or label map a network drew."
    if record["phantoms_only"]:
        text += " All of them were digital phantoms."
    if unmarked := record.get("unmarked_classes"):
        text += f" No label map marked {' or '.join(map(str, unmarked))}."
    return text


def _optimisation(config: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Optimiser, rate and length of a training of train.json; what its config changed beyond that is in the record."""
    text = (
        f"AdamW at a rate of {config.get('learning_rate')} with a warm-up and a cosine schedule, batches of "
        f"{config.get('batch_size')} slices in each of {counted(record['processes'], 'process')}, "
        f"{counted(len(record['curve']), 'epoch')} of {config.get('epochs')}, seed {config.get('seed')}; weights were "
        "averaged over the steps. The epoch was chosen on the validation section by "
        f"{config.get('key_metric_name')}."
    )
    start = config.get("start_from")
    return text + (" The training began with weights of an earlier one." if start else "")


def _strength(config: Mapping[str, Any]) -> Any:
    return _part(config, "train", "augmentation").get("strength")


def _randomised(config: Mapping[str, Any]) -> str:
    strength = _strength(config)
    if strength is None:
        return ""
    text = (
        "In training slices were changed at random: turned, shifted, in gamma and noise; in a share of "
        f"{strength} of them also in size, shape, tissue levels, surroundings and acquisition (domain randomisation)."
    )
    looks = flag(_part(config, "train", "augmentation").get("lge_appearance", False), "lge_appearance")
    return text + (" The look of the LGE was changed, too." if looks else "")


def preprocessing_sentences(config: Mapping[str, Any], t2_stir: bool = True) -> str:
    """What was done to the images.

    Args:
        config: has SubjectPreprocessing.settings under "preprocessing"; "register" where a study was registered.
        t2_stir: whether there is one.
    """
    found = config.get("preprocessing")
    if not isinstance(found, Mapping):
        return "The settings of the preprocessing were not recorded."
    rows, columns = found["crop_size"]
    low, high = found["percentiles"]
    text = (
        f"Each short-axis slice was resampled once, in plane, to a crop of {rows} x {columns} pixels of "
        f"{found['spacing_mm']:g} mm around the heart."
    )
    if t2_stir and _on(config, "register", False):
        text += " Other sequences were registered to the cine, slice by slice."
    elif t2_stir:
        text += " T2-STIR, where there was one, was laid on the slices of the cine by its position."
    text += " Intensities were scaled for each subject and sequence "
    text += f"from the {low:g}th and {high:g}th percentile to 0 and 1"
    if t2_stir and found["t2_stir_percentiles"] != found["percentiles"]:
        text += ", those of the T2-STIR from the {:g}th and {:g}th".format(*found["t2_stir_percentiles"])
    text += "."
    if found["bias_correction"]:
        text += " N4 took the shading of the coils out of the acquired images."
    return text


def network_sentences(config: Mapping[str, Any]) -> tuple[str, list[str]]:
    """What the network is and how it was sampled; and its references."""
    kind = str(config.get("network", "not recorded"))
    what, reference = _NETWORKS.get(kind, (f"a network of the class {kind}", ""))
    text = f"The results came from {what}."
    steps, source = str(config.get("steps")), ""
    if kind in _ONE_PASS:
        pass
    elif steps == "0":
        text += " Its first answer was taken, without diffusion."
    else:
        solver, source = _SAMPLERS.get(str(config.get("sampler")), (f"the sampler {config.get('sampler')}", ""))
        spacing = _SPACINGS.get(str(config.get("spacing")), f", spacing {config.get('spacing')}")
        text += f" Each slice was denoised from seeded noise (seed {config.get('seed')}) by {solver} in "
        text += f"{counted(int(steps), 'step') if steps.isdecimal() else f'{steps} steps'}{spacing}"
        samples = str(config.get("samples", 1))
        text += f"; {samples} samples were averaged." if samples != "1" else "."
    scales = [float(one) for one in config.get("test_time_scales") or [1.0]]
    if scales != [1.0]:
        named = ", ".join(f"{one:g}" for one in scales)
        text += f" Class probabilities of the magnifications {named} of the input were averaged."
    text += _label_map_sentences(config)
    return text, [reference, source]


def _label_map_sentences(config: Mapping[str, Any]) -> str:
    """What was done to the class probabilities, and to the label map."""
    text, odds, temperature = "", config.get("infarct_log_odds") or 0, config.get("mask_temperature") or 1
    if float(temperature) != 1:
        text += f" Class probabilities were tempered by {float(temperature):g}."
    if float(odds):
        text += f" The log odds of infarct were changed by {float(odds):g}."
    if _on(config, "one_heart", True):
        text += " Pieces of the LV far from the heart's long axis, where there were any, were made background."
    return text


def weights_sentence(weights: Mapping[str, Any]) -> str:
    """Which weights, and what they were trained on where that is known."""
    text = f"The weights were those of {weights['file']}, SHA-256 {weights['sha256']}"
    return text + (", trained on digital phantoms only." if "trained_on" in weights else ".")


def versions_sentence(software: Mapping[str, Any]) -> str:
    """Software and its versions."""
    return "Software: " + ", ".join(f"{name} {version}" for name, version in software.items()) + "."


def _t2_stir_used(results: Sequence[Mapping[str, Any]]) -> bool:
    return any("t2_stir" in result.get("sequences", {}).get("used", []) for result in results)


def _subjects(run: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> str:
    used = Counter(" and ".join(result.get("sequences", {}).get("used", [])) or "not recorded" for result in results)
    shown = "; ".join(f"{names.replace('t2_stir', 'T2-STIR')}: {count}" for names, count in sorted(used.items()))
    failed, review = run["subjects"]["failed"], sum(bool(result.get("review_needed")) for result in results)
    text = (
        f"Virtual LGE images and label maps were generated for {counted(len(results), 'subject')} from contrast-free "
        f"cardiac MR; sequences used, by the number of subjects: {shown or 'none'}. Not processed: "
        f"{counted(failed, 'subject')}. Marked for review: {counted(review, 'subject')}."
    )
    earlier = run["subjects"].get("written_earlier", 0)
    further = f" Of {counted(earlier, 'further subject')} in the folder earlier runs wrote the results; nothing here is"
    return text + (f"{further} said of them." if earlier else "")


def _phases(config: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> str:
    """How the cine phase was chosen, by the rules that the results name."""
    rules = Counter(
        str((result.get("cine_phase") or {}).get("rule") or "not recorded").partition(":")[0] for result in results
    )
    named = "; ".join(f"{rule}: {count}" for rule, count in sorted(rules.items()))
    return f"The cine entered at one phase{_beside(config)}; how it was chosen, by the number of subjects: {named}."


def _beside(config: Mapping[str, Any]) -> str:
    found = config.get("preprocessing")
    moving = isinstance(found, Mapping) and found["motion"]
    return ", where it has several with end-diastole and end-systole beside it" if moving else ""


def _on(config: Mapping[str, Any], key: str, default: bool) -> bool:
    """A setting that is true or false, whether JSON or a command line gave it."""
    return flag(config.get(key, default), key)


def _measures(config: Mapping[str, Any]) -> str:
    text = (
        f"Volumes are voxels times voxel volume, masses volume times {MYOCARDIAL_DENSITY_G_PER_ML} g/ml. Infarct size "
        "is the infarct with its no-reflow in % of the LV myocardium; segments are those of the AHA model."
    )
    if str(config.get("classes")) == "all":
        text += " No-reflow and oedema were told apart; the area at risk is infarct and oedema together."
    if _on(config, "allow_static_cine", False):
        text += " Infarcts were measured also where the cine shows no motion."
    return text


def _tools(config: Mapping[str, Any]) -> list[str]:
    found = config.get("preprocessing")
    corrected = isinstance(found, Mapping) and found["bias_correction"]
    return [_MONAI, _TORCH, _NIBABEL, *([_N4] if corrected else [])]
