"""scikit-learn classes: validate, encode labels, call the unlearner."""
