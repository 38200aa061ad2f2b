"""Protocols, signal equations, k-space and artefacts of the phantom."""
