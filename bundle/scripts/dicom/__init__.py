"""DICOM in and out: headers, series, geometry, de-identification, export. Only geometry.py flips axes."""
