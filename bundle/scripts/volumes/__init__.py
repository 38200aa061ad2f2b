"""Image files, grids and resampling: what a voxel is and where it lies."""
