"""scikit-learn's own tests of linear models, run against the certified classes without noise."""
