"""Measures of one subject that a cardiologist reads: numpy in, numbers with units out. No torch."""
