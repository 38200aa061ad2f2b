"""How the model learns and samples: process, loss, samplers, inferers. The network is passed in."""
