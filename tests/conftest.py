"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

# Timings are measured in benchmarks/: a test that fails because the machine is busy says nothing.
hypothesis.settings.register_profile("house", deadline=None)
# CI decides over a change, so it must say the same each time; everywhere else each run looks for something new.
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "house")

collect_ignore = ["data"]
"""Scenario files lie there that tests read; pytest would replay them."""

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Conversations and captures that lie beside the checkout and are not part of it."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the data folder ../shared/data is not beside this checkout")
    return folder
