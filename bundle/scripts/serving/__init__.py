"""One subject at a time: the Python API and MONAI Label."""
