"""Flowtrack: where personal data went, whether each step was allowed, and by which clause."""
