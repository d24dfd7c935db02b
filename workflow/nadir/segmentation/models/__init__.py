"""Segmentation networks, by name."""
