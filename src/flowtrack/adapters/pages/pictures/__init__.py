"""Pictures as SVG, each a pure function of its values, each with the same as a table."""
