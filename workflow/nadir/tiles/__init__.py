"""Tile index, filters, split, leakage certificate, statistics, sampling, augmentation."""
