"""Predictions against ground truth over a cohort: tables, intervals, plots, pages, comparison of methods."""
