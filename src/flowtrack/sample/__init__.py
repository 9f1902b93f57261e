"""A believable day of a platform, made from a seed: what the demo shows, benchmarks measure and tests judge by."""
