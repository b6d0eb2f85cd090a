"""The only wing that sees numbers and claims: it solves, removes, draws noise and promises."""
