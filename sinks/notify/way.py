"""The way out to people: one message to one address through Apprise, in bounded time, with proof or a reason.

Delivery class: what Apprise calls success is that the service took the message (mail: its server; a chat: 2xx), not
that somebody read it. That is what acknowledging and escalation are for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from andon.config.people import Address
from andon.errors import DeliveryError
from andon.secrets import Secret, read_secret, redact

RULE = "andon-not-reached"  # the alarm that somebody could not be told
NOBODY_RULE = "andon-nobody-on-duty"  # the alarm that a route has nobody to call for an alarm that waits
MOST_DETAIL = 300  # characters of a reason that are kept
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)


class NotifyError(DeliveryError):
    """A message was not taken. detail: the reason, without addresses."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail=_told(detail))
        self.detail = _told(detail)


class Way(Protocol):
    """Sends one message. Raises NotifyError for everything that goes wrong; bounded time."""

    def send(self, url: Secret, title: str, body: str) -> str:
        """The proof: what took it, as canonical text without the address."""
        ...


@dataclass(frozen=True)
class AppriseWay:
    """Through Apprise, which knows mail, WeCom, DingTalk, Feishu, Teams, Slack, SMS gateways and more.

    timeout_s: for one message. Redirects are not followed: an address is where the secret goes.
    """

    timeout_s: float = 20.0

    def send(self, url: Secret, title: str, body: str) -> str:
        """One attempt; the proof names the service and the time it took."""
        import apprise  # half a second to import: only who sends pays for it

        asset = apprise.AppriseAsset(app_id="Andon", async_mode=False)
        asset.http_redirects = False
        service = apprise.Apprise.instantiate(url.reveal(), asset=asset, suppress_exceptions=True)
        if not isinstance(service, apprise.NotifyBase):
            raise NotifyError("people.address_unusable", "Apprise knows no such address")
        sender = apprise.Apprise(asset=asset)
        sender.add(service)
        with sender.notify(body=body, title=title, body_format="text", timeout=self.timeout_s) as result:
            said = [entry for one in result.results for attempt in one for entry in map(str, attempt.logs)]
            if not result:
                raise NotifyError("people.not_taken", "; ".join(said) or result.status.name.lower())
            proof = {"service": str(service.service_name), "status": result.status.name, "at": str(result.end_time)}
        return json.dumps(proof, sort_keys=True, ensure_ascii=False)


def variable(person: str, address: str) -> str:
    """Name of the environment variable that may hold an address.

    >>> variable("li.wei", "mail")
    'ANDON_ADDRESS_LI_WEI_MAIL'
    """
    return "ANDON_ADDRESS_" + re.sub(r"[^A-Z0-9]", "_", f"{person}_{address}".upper())


def address_url(person: str, address: Address, read: Mapping[str, Secret] | None = None) -> Secret:
    """The address itself. read: addresses that are known already, by variable.

    Raises ConfigError when its file cannot be read, NotifyError when there is neither file nor variable.
    """
    name = variable(person, address.name)
    if read is not None and name in read:
        return read[name]
    found = read_secret(name, address.url_file, f"person {person}, address {address.name}")
    if found is None:
        raise NotifyError("people.no_address", name)
    return found


def _told(detail: str) -> str:
    """A reason that may be stored: no secret, no address, one line."""
    return " ".join(_ADDRESS.sub("[address]", redact(detail)).split())[:MOST_DETAIL]
