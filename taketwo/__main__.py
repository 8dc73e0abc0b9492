"""`python -m taketwo`: the same as the `taketwo` command."""

from taketwo.cli.main import main

main()
