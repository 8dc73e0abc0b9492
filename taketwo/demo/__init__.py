"""The Tuesday story: a support desk with a bug, its production traffic, and the way from the bug to a kept test."""
