"""The core that every room shares."""

__version__ = "0.1.0"
