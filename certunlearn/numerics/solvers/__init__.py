"""Solvers: one file per method; failure is a value here and an exception at the edge."""
