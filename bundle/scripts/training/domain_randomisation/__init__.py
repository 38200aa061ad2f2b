"""Domain randomisation of training slices: parameters are drawn, recorded, and applied without further chance."""
