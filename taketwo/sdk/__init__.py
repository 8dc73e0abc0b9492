"""What a user's process calls: `taketwo.tool` around the functions that an agent uses."""
