"""Owns the record of a series beside the short-axis stacks; made by views.py, written by dicom_writer.py."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..dicom.geometry import StackGeometry


@dataclass(frozen=True)
class View:
    """A series beside the short-axis stacks, as a hospital sends it.

    ``kind``: localiser, cine_long_axis or lge_magnitude. ``name``: such as "2ch", "axial". ``pixels``: (x, y, slice,
    phase), int16, >= 0. ``stack``: geometry in the patient frame (LPS, mm).
    """

    kind: str
    name: str
    pixels: np.ndarray
    stack: StackGeometry
    slice_thickness_mm: float
