"""What the cardiologist reads: numpy in, numbers with units out. No torch."""
