"""T2-STIR and LGE brought onto the slices of the cine."""
