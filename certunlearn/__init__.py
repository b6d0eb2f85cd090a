"""Certified unlearning for convex and linear models."""
