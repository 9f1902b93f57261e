"""Plain SQL, applied once each, in the order of the file names."""
