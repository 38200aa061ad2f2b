"""Phantoms as DICOM, as four vendors write it."""
