"""Where Flowtrack meets other systems; the subpackages do not know each other."""
