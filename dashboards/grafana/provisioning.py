"""Grafana's provisioning files: data source, dashboards, alert rules, a contact point and the policy that uses it.

Secrets and addresses come from Grafana's environment when it starts.
"""

from __future__ import annotations

from dashboards.grafana import DATASOURCE_UID, FOLDER_UID, Json
from dashboards.grafana.alerting import file_group
from dashboards.grafana.settings import Settings

DATASOURCE_NAME = "Andon InfluxDB"
FOLDER = "Andon"
CONTACT = "andon-it"
DASHBOARDS_PATH = "/etc/andon/dashboards"  # where the committed json/<language> is mounted


def datasource(url: str, org: str, bucket: str) -> Json:
    """What the API and the file have in common. Grafana asks InfluxDB itself: no token reaches a browser."""
    return {
        "name": DATASOURCE_NAME, "uid": DATASOURCE_UID, "type": "influxdb", "access": "proxy", "url": url,
        "isDefault": False,
        "jsonData": {"version": "Flux", "organization": org, "defaultBucket": bucket, "maxSeries": 2000},
    }  # fmt: skip


def files(language: str, settings: Settings) -> dict[str, Json]:
    """Path below the provisioning folder -> document."""
    source = datasource("${ANDON_INFLUX_URL}", "${ANDON_INFLUX_ORG}", "${ANDON_INFLUX_BUCKET}")
    source |= {"orgId": 1, "editable": False, "secureJsonData": {"token": "${ANDON_GRAFANA_INFLUX_TOKEN}"}}
    provider = {
        "name": "andon", "orgId": 1, "folder": FOLDER, "folderUid": FOLDER_UID, "type": "file",
        "disableDeletion": False, "updateIntervalSeconds": 60, "allowUiUpdates": False,
        "options": {"path": f"{DASHBOARDS_PATH}/{language}"},
    }  # fmt: skip
    receiver = {
        "uid": CONTACT, "type": "email", "disableResolveMessage": False,
        "settings": {"addresses": "${ANDON_ALERT_EMAIL}"},
    }  # fmt: skip
    policy = {
        "orgId": 1, "receiver": CONTACT, "group_by": ["grafana_folder", "alertname"], "group_wait": "30s",
        "group_interval": "5m", "repeat_interval": "4h",
    }  # fmt: skip
    return {
        "datasources/andon.yaml": {"apiVersion": 1, "datasources": [source]},
        "dashboards/andon.yaml": {"apiVersion": 1, "providers": [provider]},
        "alerting/andon-rules.yaml": {"apiVersion": 1, "groups": [file_group(language, settings, FOLDER)]},
        "alerting/andon-contact-points.yaml": {
            "apiVersion": 1, "contactPoints": [{"orgId": 1, "name": CONTACT, "receivers": [receiver]}]
        },
        "alerting/andon-policies.yaml": {"apiVersion": 1, "policies": [policy]},
    }  # fmt: skip
