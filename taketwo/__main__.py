"""The `taketwo` command, and `python -m taketwo`: Ctrl-C is one line, too, while all that it needs is being loaded."""

from __future__ import annotations

import atexit
import signal
import sys


def main() -> None:
    """Load the command line and run it."""
    # While Python takes itself apart all is written, and one more Ctrl-C would only replace the exit code.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    try:
        from taketwo.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("taketwo: interrupted\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
