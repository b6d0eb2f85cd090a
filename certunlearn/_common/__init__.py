"""What every room may use: outward rounding, one check per rule, BLAS threads, progress lines."""
