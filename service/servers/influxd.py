"""InfluxDB 2: one influxd with a user, an organisation, a bucket and a token that we choose."""

from __future__ import annotations

import secrets
from pathlib import Path

import httpx

from service.servers.base import Server, ServerError
from service.servers.where import where


class Influxd(Server):
    """`token` may do everything; on a folder that is set up already it must be the token of then."""

    name = "influxd"

    def __init__(
        self, folder: Path, port: int | None = None, log: Path | None = None, *, token: str, org: str = "andon",
        bucket: str = "andon",
    ) -> None:  # fmt: skip
        super().__init__(folder, port, log)
        self.token = token
        self.org = org
        self.bucket = bucket

    @property
    def url(self) -> str:
        """Base address."""
        return f"http://{self.address}"

    def argv(self) -> list[str]:
        return [
            str(where(self.name) / "influxd"), "run", "--reporting-disabled", "--http-bind-address", self.address,
            "--bolt-path", str(self.folder / "influxd.bolt"), "--sqlite-path", str(self.folder / "influxd.sqlite"),
            "--engine-path", str(self.folder / "engine"), "--log-level", "warn",
        ]  # fmt: skip

    def prepare(self) -> None:
        where(self.name)
        self.folder.mkdir(parents=True, exist_ok=True)

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2.0).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def set_up(self) -> None:
        """Make user, organisation, bucket and token in a new folder; ServerError when another token was made then."""
        with self.client() as client:
            if client.get("/api/v2/setup").json().get("allowed"):
                asked = {
                    "username": "andon", "password": secrets.token_urlsafe(24), "org": self.org,
                    "bucket": self.bucket, "token": self.token,
                }  # fmt: skip
                client.post("/api/v2/setup", json=asked).raise_for_status()
            elif client.get("/api/v2/orgs", params={"org": self.org}).status_code != httpx.codes.OK:
                raise ServerError("servers.other_token", folder=self.folder, org=self.org)

    def new_bucket(self, name: str, retention_s: int = 0) -> str:
        """Make an empty bucket in the organisation; 0 keeps for ever. Returns its name."""
        with self.client() as client:
            orgs = client.get("/api/v2/orgs", params={"org": self.org}).raise_for_status().json()["orgs"]
            rules = [{"type": "expire", "everySeconds": retention_s}] if retention_s else []
            asked = {"orgID": orgs[0]["id"], "name": name, "retentionRules": rules}
            client.post("/api/v2/buckets", json=asked).raise_for_status()
        return name

    def client(self) -> httpx.Client:
        """For a request or two with the token; to be used in a `with`."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Token {self.token}"}, timeout=10.0)
