"""Command-line jobs for research data-coordinating centres."""

__version__ = "0.1.0"
