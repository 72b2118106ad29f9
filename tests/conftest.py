"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["databases"]

settings.register_profile("keyturn", deadline=None)  # a busy machine is no defect
settings.load_profile("keyturn")
