"""Jobs on DICOM studies: import before inference, export after it."""
