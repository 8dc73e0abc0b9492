"""What texts say, in several languages, read by rules on this machine."""
