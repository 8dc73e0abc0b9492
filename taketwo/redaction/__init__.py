"""Finds secrets and personal data, and makes what stands in their place."""
