"""Tryton module of Andon, GPL-3.0-or-later. Tryton loads it; nothing of Andon imports it."""
