"""Snapshots of consent state as files."""
