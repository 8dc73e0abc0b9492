"""Builds the front-end libraries into wheels; an installation without npm goes on without them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Frontend(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is hatchling's own affair
    """Runs before a wheel is packed, and at an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Bring the libraries, unless they are there."""
        program = runpy.run_path(str(Path(self.root) / "frontend" / "build.py"))
        if all((program["VENDORED"] / name).is_file() for name in program["FILES"].values()):
            return
        try:
            program["build"]()
        except program["NotBuilt"] as error:
            self.app.display_warning(f"the pages will do without their script library: {error}")
