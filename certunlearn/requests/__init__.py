"""What a request names, and what it changes: row names, labels, metadata, confirmation."""
