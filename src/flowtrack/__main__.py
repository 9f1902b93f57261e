"""`python -m flowtrack`: the command line, for processes that start others with their own interpreter."""

from __future__ import annotations

from flowtrack.apps.cli import main

if __name__ == "__main__":
    main()
