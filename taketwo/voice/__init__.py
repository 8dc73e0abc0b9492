"""A call is a conversation with times and audio: hearing recordings, calling again, measuring what came of it."""
