"""SSDiffUNet, TrunkUNet, their parts, and networks without diffusion. They know no data and no noise schedule."""
