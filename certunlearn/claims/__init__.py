"""What may be said about released weights: bounds, trade-off, noise, certificate; plain float64."""
