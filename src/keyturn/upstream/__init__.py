"""What every client of a foreign service shares: one HTTP client, one table of errors, one circuit."""
