"""Certified distances: where measured gradients meet the bounds."""
