"""Conversations ─► some of them: the one filter language, which the command line and the pages share."""
