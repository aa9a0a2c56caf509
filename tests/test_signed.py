"""Webhooks that come in: what is signed is taken, and nothing else, however it is made up."""

from __future__ import annotations

import base64
import json
import os
import random
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from andon.readings import NS_PER_S
from service.web.signed import MOST_SIGNATURES, TOLERANCE_S, Forged, verify
from sinks.erp.webhook import check_secret, new_secret

NOW_S = 1_767_225_600
SECRET, OTHER = new_secret(), new_secret()
KEYS = [check_secret(SECRET)]
BODY = json.dumps({"type": "andon.record.state", "key": "ym74oiixtjfwe4x7jr6y", "status": "Closed"}).encode()
FORGERIES = int(os.environ.get("ANDON_FORGERIES", "20000"))


def signed(secret: str, raw: bytes = BODY, *, one: str = "state.1", at_s: int = NOW_S) -> dict[str, str]:
    """Headers as the library of Standard Webhooks makes them: ours is not its own judge."""
    stamp = datetime.fromtimestamp(at_s, tz=UTC)
    told = Webhook(secret).sign(one, stamp, raw.decode())
    return {"webhook-id": one, "webhook-timestamp": str(at_s), "webhook-signature": told}


def reason_of(headers: dict[str, str], raw: bytes, now_s: int = NOW_S) -> str:
    with pytest.raises(Forged) as refused:
        verify(headers, raw, KEYS, now_s * NS_PER_S)
    return refused.value.reason


def test_what_is_signed_is_taken():
    taken = verify(signed(SECRET), BODY, KEYS, NOW_S * NS_PER_S)
    assert (taken.id, taken.content["status"], len(taken.digest)) == ("state.1", "Closed", 64)


@pytest.mark.parametrize("off_s", [-TOLERANCE_S, TOLERANCE_S])
def test_clocks_may_differ_so_much(off_s):
    assert verify(signed(SECRET), BODY, KEYS, (NOW_S + off_s) * NS_PER_S).id == "state.1"
    assert reason_of(signed(SECRET), BODY, NOW_S + off_s + (1 if off_s > 0 else -1)) == "stale"


def test_while_a_secret_is_changed_both_are_good():
    old_and_new = signed(SECRET)["webhook-signature"] + " " + signed(OTHER)["webhook-signature"]
    headers = {**signed(SECRET), "webhook-signature": old_and_new}
    for keys in ([check_secret(SECRET)], [check_secret(OTHER)], [check_secret(OTHER), check_secret(SECRET)]):
        assert verify(headers, BODY, keys, NOW_S * NS_PER_S).id == "state.1"


@pytest.mark.parametrize(
    ("headers", "raw", "reason"),
    {
        "nothing": ({}, BODY, "unsigned"),
        "no-signature": ({**signed(SECRET), "webhook-signature": ""}, BODY, "unsigned"),
        "no-time": ({**signed(SECRET), "webhook-timestamp": "now"}, BODY, "unsigned"),
        "fraction": ({**signed(SECRET), "webhook-timestamp": f"{NOW_S}.5"}, BODY, "unsigned"),
        "other-digits": ({**signed(SECRET), "webhook-timestamp": "١٧٦٧٢٢٥٦٠٠"}, BODY, "unsigned"),
        "odd-id": ({**signed(SECRET), "webhook-id": "a b"}, BODY, "unsigned"),
        "other-secret": (signed(OTHER), BODY, "signature"),
        "other-id": ({**signed(SECRET), "webhook-id": "state.2"}, BODY, "signature"),
        "other-time": ({**signed(SECRET), "webhook-timestamp": str(NOW_S + 1)}, BODY, "signature"),
        "written-anew": (signed(SECRET), json.dumps(json.loads(BODY), indent=1).encode(), "signature"),
        "asymmetric": (
            {**signed(SECRET), "webhook-signature": signed(SECRET)["webhook-signature"].replace("v1,", "v1a,")}, BODY,
            "signature",
        ),
        "not-base64": ({**signed(SECRET), "webhook-signature": "v1,???"}, BODY, "signature"),
        "empty": ({**signed(SECRET), "webhook-signature": "v1,"}, BODY, "signature"),
        "too-many": (
            {**signed(SECRET), "webhook-signature": "v1,AAAA " * MOST_SIGNATURES + signed(SECRET)["webhook-signature"]},
            BODY, "signature",
        ),
        "no-json": (signed(SECRET, b"hello"), b"hello", "body"),
        "a-list": (signed(SECRET, b"[1]"), b"[1]", "body"),
    }.values(),
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_not_taken(headers, raw, reason):
    assert reason_of(headers, raw) == reason


def test_the_same_bytes_cut_elsewhere_are_not_taken():
    """id and time have no length in what is signed, so a dot may be taken for another one."""
    raw = b'1767225601.{"a": 1}'
    headers = signed(SECRET, raw, one="x")
    shifted = {**headers, "webhook-id": f"x.{NOW_S}", "webhook-timestamp": "1767225601"}
    assert verify(shifted, b'{"a": 1}', KEYS, NOW_S * NS_PER_S).id == f"x.{NOW_S}"  # the same signature fits
    assert reason_of(headers, raw) == "body"  # but one of the two is no JSON object, and was never sent


def forge(rng: random.Random) -> tuple[dict[str, str], bytes]:
    """A message that nobody with the secret signed: made up, or a good one with something changed."""
    raw, headers = BODY, signed(SECRET)
    kind = rng.randrange(8)
    if kind == 0:  # signed by somebody else
        headers = signed(OTHER)
    elif kind == 1:  # a bit of the signature
        headers["webhook-signature"] = flipped(rng, headers["webhook-signature"], 3)
    elif kind == 2:  # a byte of the body
        place = rng.randrange(len(raw))
        raw = raw[:place] + bytes([raw[place] ^ (1 + rng.randrange(255))]) + raw[place + 1 :]
    elif kind == 3:  # longer or shorter
        raw = raw + b" " * (1 + rng.randrange(9)) if rng.random() < 0.5 else raw[: rng.randrange(len(raw))]
    elif kind == 4:  # written anew: the same content in other bytes
        content = list(json.loads(raw).items())
        rng.shuffle(content)
        raw = json.dumps(dict(content), separators=rng.choice([(",", ":"), (", ", ":"), (",", ": ")])).encode()
        if raw == BODY:
            raw += b"\n"
    elif kind == 5:  # too old or from the future, properly signed
        off_s = (TOLERANCE_S + 1 + rng.randrange(10**6)) * rng.choice((-1, 1))
        headers = signed(SECRET, at_s=NOW_S + off_s)
    elif kind == 6:  # another id or time under a good signature
        name = rng.choice(("webhook-id", "webhook-timestamp"))
        headers[name] = (
            f"state.{2 + rng.randrange(10**6)}" if name == "webhook-id" else str(NOW_S + rng.randrange(1, 300))
        )
    else:  # random signatures, several at once
        made = " ".join("v1," + base64.b64encode(rng.randbytes(32)).decode() for _ in range(rng.randrange(1, 9)))
        headers["webhook-signature"] = made
    return headers, raw


def flipped(rng: random.Random, text: str, begin: int) -> str:
    """The text with another base64 character that stands for other bits."""
    place = rng.randrange(begin, len(text) - 2)  # the last character before = has bits that nobody reads
    other = rng.choice(
        [one for one in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" if one != text[place]]
    )
    return text[:place] + other + text[place + 1 :]


def test_no_forged_one_is_taken():
    """20,000 here; a million by ANDON_FORGERIES=1000000, 4 min."""
    rng = random.Random(7)
    reasons: dict[str, int] = {}
    for _ in range(FORGERIES):
        headers, raw = forge(rng)
        try:
            verify(headers, raw, KEYS, NOW_S * NS_PER_S)
        except Forged as refused:
            reasons[refused.reason] = reasons.get(refused.reason, 0) + 1
        else:
            pytest.fail(f"taken: {headers} {raw!r}")
    assert sum(reasons.values()) == FORGERIES
    assert {"stale", "signature"} <= reasons.keys()
