"""What each subcommand reads, and how it is shown."""
