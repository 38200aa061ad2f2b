"""What several tests need: small phantoms, tiny networks, servers on loopback, runs of whole jobs."""
