"""nadir: reproducible maps, positions and models from raw overhead imagery."""

__version__ = "0.1.0"
