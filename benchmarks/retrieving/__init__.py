"""Benchmarks of retrieval: what they share, and one module a benchmark."""
