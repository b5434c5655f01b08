"""Watches the zones of a Tactus machine in pictures: docs/guide/vision.md."""

from .picture import Calibration, Seen, Settings, Watcher, Zone

__all__ = ["Calibration", "Seen", "Settings", "Watcher", "Zone"]
