"""The objective on the training rows: value, gradient, HVP, Hessian, Gram matrix."""
