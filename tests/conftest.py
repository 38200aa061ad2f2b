"""Puts bundle/ on sys.path and keeps tests single-threaded and off the network."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("MONAI_FAIL_ON_DUPLICATE_CONFIG", "1")

BUNDLE = Path(__file__).resolve().parents[1] / "bundle"
sys.path.insert(0, str(BUNDLE))
