"""Start the command line."""

from __future__ import annotations

from reirrad.cli import main

if __name__ == "__main__":
    main()
