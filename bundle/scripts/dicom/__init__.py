"""The hospital boundary. geometry.py is the only file that flips axes."""
