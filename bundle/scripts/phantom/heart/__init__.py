"""Anatomy, motion, infarct and tissue of the phantom."""
