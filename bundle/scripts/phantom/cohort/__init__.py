"""Phantom cohorts: plans, folders, files."""
