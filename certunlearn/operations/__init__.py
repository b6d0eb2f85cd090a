"""Several models or requests: queues, ensembles, mixtures."""
