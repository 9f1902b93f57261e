"""What the benchmarks share: measuring in turns, and telling the result."""
