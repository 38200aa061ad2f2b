"""What the model is: SSDiffUNet and its parts. Knows no data and no noise schedule."""
