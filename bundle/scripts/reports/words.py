"""Names of keys and columns as a reader writes them: units apart, abbreviations in capitals."""

from __future__ import annotations

# Ending of a key -> unit. The longest one that fits counts.
_UNITS = {
    "percent_lv": "%LV", "percent": "%", "ml": "ml", "mm": "mm", "g": "g", "db": "dB", "ms": "ms", "t": "T",
}  # fmt: skip
_WORDS = {
    "lv": "LV", "rv": "RV", "hd95": "HD95", "auc": "AUC", "icc": "ICC", "r": "R", "psnr": "PSNR", "ssim": "SSIM",
    "mae": "MAE", "mse": "MSE", "sd": "SD", "lge": "LGE", "mi": "MI", "dice": "Dice", "takotsubo": "Takotsubo",
    "ge": "GE", "uih": "UIH", "siemens": "Siemens", "philips": "Philips", "lad": "LAD", "rca": "RCA", "lcx": "LCX",
}  # fmt: skip
# Words that belong together.
_TOGETHER = {"ICC 2 1": "ICC(2,1)", "t2 stir": "T2-STIR", "no reflow": "no-reflow", "ms SSIM": "MS-SSIM"}


def in_words(name: str) -> str:
    """``infarct_size_bias_percent_lv`` as "infarct size bias, %LV", ``field_strength_t`` as "field strength, T"."""
    parts, unit = name.split("_"), ""
    for ending in sorted(_UNITS, key=len, reverse=True):
        words = ending.split("_")
        if len(parts) > len(words) and parts[-len(words) :] == words:
            parts, unit = parts[: -len(words)], f", {_UNITS[ending]}"
            break
    text = " ".join(_WORDS.get(part, part) for part in parts)
    for apart, together in _TOGETHER.items():
        text = text.replace(apart, together)
    return text + unit
