"""Grafana dashboards as code: plain functions that give the JSON under json/, the provisioning files, and their push.

`python -m dashboards.grafana` writes what is generated; a test fails when it differs from what is committed.
"""

from __future__ import annotations

from typing import Any, Final

Json = dict[str, Any]

DATASOURCE_UID: Final = "andon-influxdb"
FOLDER_UID: Final = "andon"
# What Grafana 12 writes; 11 reads it too, 13 migrates it when it loads it.
SCHEMA_VERSION: Final = 41
