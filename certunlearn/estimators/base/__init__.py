"""What all estimators share: verbs, foresight, fitting."""
