"""What is kept: one SQLite file, every change in a transaction."""
