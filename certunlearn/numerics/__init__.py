"""What the weights become: losses, rows, objective, solvers."""
