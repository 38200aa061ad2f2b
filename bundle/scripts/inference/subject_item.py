"""One subject, read out of an engine's batch and output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import conventions
from ..conventions import ConfigError, DataError


class SubjectItem:
    """One collated subject (batch, then output), tensors or arrays, with or without the leading batch axis of 1."""

    def __init__(self, batch: Mapping | list, output: Mapping | list | None = None) -> None:
        given, answered = _only(batch), _only(output)
        self._values = {**given, **(answered if isinstance(answered, Mapping) else {})}
        # MONAI repeats the network's input in the output, perhaps reshaped; the crop's size is read from the batch's.
        if conventions.IMAGE in given:
            self._values[conventions.IMAGE] = given[conventions.IMAGE]
        count = np.size(self._values.get(conventions.SUBJECT, ()))
        if count != 1:
            raise ConfigError(
                f"batch_size: found {count} subjects in one inference batch, expected 1 (grids differ). "
                "Fix: set the inference data loader's batch_size to 1; slices are batched inside the inferer."
            )
        self.subject = self.text(conventions.SUBJECT)

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def text(self, key: str, default: str = "") -> str:
        value = self._values.get(key)
        while isinstance(value, (list, tuple)) and len(value) == 1:
            value = value[0]
        return default if value is None else str(value)

    def lines(self, key: str) -> list[str]:
        return [line for line in self.text(key).splitlines() if line.strip()]

    def parsed(self, key: str) -> object:
        """The value of a JSON string; None when it is not there."""
        text = self.text(key)
        return json.loads(text) if text else None

    def array(self, key: str, ndim: int) -> np.ndarray:
        """The value with exactly ``ndim`` axes, leading axes of length 1 dropped.

        Raises:
            ConfigError: nothing in the evaluator's pre- or postprocessing gives this key.
            DataError: another number of axes.
        """
        value = self._values.get(key)
        if value is None:
            raise ConfigError(
                f"'{key}': not found in the evaluator's batch or output. Expected: an array with {ndim} axes. "
                "Fix: keep the postprocessing transform that brings results back to the cine grid."
            )
        found = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        array = found
        while array.ndim > ndim and array.shape[0] == 1:
            array = array[0]
        if array.ndim != ndim:
            raise DataError(f"{self.subject}: '{key}' has shape {found.shape}, expected {ndim} axes for one subject.")
        return array

    def optional_array(self, key: str, ndim: int) -> np.ndarray | None:
        return self.array(key, ndim) if key in self else None

    def optional_number(self, key: str) -> float | None:
        return float(self.array(key, 0)) if key in self else None

    def sequences_used(self) -> tuple[str, ...]:
        available = self.array(conventions.AVAILABLE, 1)
        return tuple(name for name, there in zip(conventions.SEQUENCES, available, strict=True) if there > 0)


def _only(items: Mapping | list | None) -> Any:
    """An engine that decollates hands over a list of one subject."""
    return items[0] if isinstance(items, list) and len(items) == 1 else items
