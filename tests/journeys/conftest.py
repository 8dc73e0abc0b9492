"""Journeys end in a browser, too."""

from browsing import browser

__all__ = ["browser"]
