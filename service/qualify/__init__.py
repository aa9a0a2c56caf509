"""Runs published and derived test vectors against the installed code and reports it to an inspector."""
