"""Stores of training rows, dense and sparse, and the weights of rows."""
