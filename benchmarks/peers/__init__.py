"""What others do with the same input: each a process of its own."""
