"""Grids, GeoTIFF, COG, Zarr stores and the alignment of labels. No torch."""
