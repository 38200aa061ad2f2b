"""What every command shares: start-up checks, command line, weights, provenance, processes."""
