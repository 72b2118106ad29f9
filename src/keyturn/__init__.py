"""Keyturn keeps door access in step with self-storage rentals."""
