"""Learning and sampling: process, loss, samplers, inferers. The network is passed in."""
