"""What the benchmarks of localization share: one module a benchmark, and their tables."""
