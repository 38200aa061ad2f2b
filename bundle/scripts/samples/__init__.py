"""Paired samples of LGE and label map for sites that have few of their own."""
