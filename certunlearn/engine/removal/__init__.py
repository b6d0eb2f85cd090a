"""Removal, one file per tier: each returns the new iterate and the bound that was shown for it."""
