"""How files become a batch, and how results go back to the cine grid."""
