"""Measurements against peers in the same sitting: `python -m benchmarks.<name>`, all of them with `make bench`."""
