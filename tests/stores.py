"""The stores that keep the same promises, as parameters of a test."""

from __future__ import annotations

import pytest

IN_TABLES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
"""Those that outlive a process."""
EVERY_STORE = ["memory", *IN_TABLES]
"""All of them."""
