"""From files to the network's crops, and from its output back to the cine grid."""
