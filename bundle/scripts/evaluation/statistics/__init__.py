"""Bootstrap intervals, calibration and comparison of methods (numpy only)."""
