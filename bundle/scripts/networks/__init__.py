"""The networks: SSDiffUNet, its parts, and networks without diffusion. They know no data and no noise schedule."""
