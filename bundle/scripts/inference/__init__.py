"""Batch inference over a folder: one subject's results, and the report of the run."""
