"""Where alerts go: the terminal, Alertmanager, a webhook; and the courier that keeps them until they are delivered."""
