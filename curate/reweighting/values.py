"""Ranges of parameters."""

from __future__ import annotations

from curate.errors import ConfigError


def in_unit_interval(**values: float) -> None:
    """Raise ConfigError for a value outside [0, 1], by its name."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ConfigError(f"{name} must be in [0, 1], got {value}")


def at_least_0(**values: float) -> None:
    """Raise ConfigError for a value below 0, by its name."""
    for name, value in values.items():
        if value < 0:
            raise ConfigError(f"{name} must be at least 0, got {value}")
