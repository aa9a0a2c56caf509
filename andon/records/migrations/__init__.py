"""Migrations of the operational database, run by `andon.records.migrate`."""
