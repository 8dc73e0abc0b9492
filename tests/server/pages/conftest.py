"""Pages are looked at with a browser."""

from browsing import browser, visiting

__all__ = ["browser", "visiting"]
