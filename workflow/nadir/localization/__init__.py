"""Localization: where a nadir photo was taken, to the pixel of a substrate."""
