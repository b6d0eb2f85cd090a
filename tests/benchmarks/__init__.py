"""Comparisons in one run, reported as ratios: ``python -m tests.benchmarks``."""
