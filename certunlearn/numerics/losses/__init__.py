"""Losses of a margin, with the constants of their self-concordance."""
