"""A seeded procedural world, and what sensors see of it. No torch."""
