"""Access systems: one folder per provider, behind one protocol."""
