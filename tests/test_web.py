"""The web service over real HTTP: who gets in, what each route answers, what a change leaves in the audit trail."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from andon.clock import ManualClock, ScaledClock
from andon.config.models import Web
from andon.errors import AccessError
from andon.i18n import catalogue
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, SYSTEM_SUPERVISOR, Records
from andon.secrets import Secret
from service.web.actions import MUTATING_ROUTES
from service.web.alarm_view import alarm_json
from service.web.app import routes_of
from service.web.auth import FAILURES_A_MINUTE, LoginLimit, check_binding
from service.web.errors import STATUS, WebError
from service.web.gate import PUBLIC, SAFE, is_loopback, known_hosts
from service.web.main import arguments, clock_of
from tests.page_fixture import CNC, COMPRESSOR, FILLER, NOW_NS, ROOM, TRUCK, PagePlant, Served, page_plant
from tests.records_world import cleared, raised

PASSWORD = "correct horse battery"


class Site:
    """The plant, its server and a client that is logged in."""

    def __init__(self, folder: Path) -> None:
        self.plant: PagePlant = page_plant(folder)
        self.served = Served(self.plant.room, metrics_token=Secret("metrics-token-1"))
        self.records = self.plant.records

    def client(self, role: str | None = None) -> httpx.Client:
        client = httpx.Client(base_url=self.served.address, timeout=20)
        if role is not None:
            assert client.get("/", params={"token": self.plant.token(role)}).status_code == 303
            client.headers["x-csrf-token"] = client.get("/api/v1/me").json()["csrf"]
        return client

    def actions(self) -> list[str]:
        return [row.action for row in reversed(self.records.audit_trail(limit=50, newest=True))]

    def alarm(self, rule_id: str) -> str:
        return next(one.key for one in self.records.alarms() if one.rule_id == rule_id)

    def latched(self) -> str:
        """An alarm whose condition has ended and that waits for a reset."""
        change = raised(7, asset="cold/room1", rule_id="door-seal", raises="none", latching=True)
        self.records.apply_conditions([change, cleared(change)], SYSTEM_FLOW)
        return self.alarm("door-seal")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("web"))
    yield made
    made.served.close()
    made.plant.close()


@pytest.fixture(scope="module")
def engineer(site: Site) -> Iterator[httpx.Client]:
    with closing(site.client("engineer")) as client:
        yield client


@pytest.fixture(scope="module")
def stranger(site: Site) -> Iterator[httpx.Client]:
    with closing(site.client()) as client:
        yield client


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


# ---- who gets in


def test_every_route_but_the_public_ones_refuses_a_stranger(site: Site, stranger: httpx.Client) -> None:
    before = site.records.audit_trail(newest=True, limit=1)[0].seq
    refused = 0
    for method, path in routes_of(site.served.app):
        if (method, path) in PUBLIC or path == "/static/":
            continue
        answer = stranger.request(method, re.sub(r"\{\w+\}", "x", path))
        assert (answer.status_code, code_of(answer)) == (401, "access.anonymous"), (method, path)
        refused += 1
    assert refused >= 20
    assert site.records.audit_trail(newest=True, limit=1)[0].seq == before
    assert stranger.get("/nothing/here").status_code == 401  # not even whether it exists
    assert stranger.get("/healthz").json() == {"status": "ok"}


def test_a_person_is_led_to_the_log_in_page(stranger: httpx.Client) -> None:
    answer = stranger.get("/", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    english = stranger.get("/login", headers={"accept-language": "en"})
    chinese = stranger.get("/login", headers={"accept-language": "zh-CN,zh;q=0.9"})
    assert "Password" in english.text
    assert "密码" in chinese.text
    assert "{{" not in english.text


def test_a_one_time_token_lets_in_once_and_leaves_the_address(site: Site) -> None:
    token = site.plant.token()
    with closing(site.client()) as first, closing(site.client()) as second:
        answer = first.get("/", params={"token": token})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie  # plain http on loopback; with TLS it is there
        assert first.get("/api/v1/me").json()["role"] == "operator"
        again = second.get("/", params={"token": token})
        assert again.status_code == 401
        assert "set-cookie" not in again.headers
        assert second.get("/api/v1/me").status_code == 401
        assert first.get("/", params={"token": token}).status_code == 303  # reloading the address does no harm


def test_log_in_with_a_password_and_out_again(site: Site) -> None:
    site.records.create_user("wang", "Wang Fang", "quality", PASSWORD, SYSTEM_SUPERVISOR, "test")
    with closing(site.client()) as client:
        wrong = client.post("/login", data={"user": "wang", "password": "wrong"})
        assert wrong.status_code == 401
        assert catalogue("en")["access.login_failed"] in wrong.text
        assert client.post("/login", data={"user": "wang", "password": PASSWORD}).status_code == 303
        me = client.get("/api/v1/me").json()
        assert (me["name"], me["role"]) == ("Wang Fang", "quality")
        assert client.post("/logout").status_code == 403
        assert client.post("/logout", headers={"x-csrf-token": me["csrf"]}).status_code == 204
        assert client.get("/api/v1/me").status_code == 401
    assert site.actions()[-3:] == ["login.failed", "login.ok", "logout"]


def test_changes_need_the_csrf_token_and_our_own_origin(site: Site, engineer: httpx.Client) -> None:
    path = f"/api/v1/alarms/{site.alarm('truck-high')}/comment"
    body = {"comment": "driver called"}
    assert code_of(engineer.post(path, json=body, headers={"x-csrf-token": "0" * 64})) == "access.csrf"
    for origin in ("http://evil.example", "null", site.served.address.replace("http:", "https:")):
        assert code_of(engineer.post(path, json=body, headers={"origin": origin})) == "page.other_origin"
    assert code_of(engineer.post(path, json=body, headers={"sec-fetch-site": "cross-site"})) == "page.other_origin"
    assert engineer.post(path, json=body, headers={"origin": site.served.address}).status_code == 200


def test_another_host_name_is_not_answered(stranger: httpx.Client) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", ""):
        answer = stranger.get("/healthz", headers={"host": host})
        assert answer.status_code in {421, 400}
    assert stranger.get("/healthz", headers={"host": "localhost:1"}).status_code == 200


def test_every_answer_carries_the_security_headers(engineer: httpx.Client, stranger: httpx.Client) -> None:
    answers = [
        engineer.get("/"), engineer.get("/api/v1/me"), stranger.get("/login"), stranger.get("/api/v1/me"),
        stranger.get("/static/js/main.js"), engineer.get("/nothing"), stranger.get("/x", headers={"host": "evil"}),
    ]  # fmt: skip
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] in {"no-store", "no-cache"}


def test_a_long_body_is_refused_announced_or_not(site: Site, engineer: httpx.Client) -> None:
    path = f"/api/v1/alarms/{site.alarm('truck-high')}/comment"
    assert code_of(engineer.post(path, content=b" " * 70_000)) == "page.too_large"
    chunks = (b" " * 10_000 for _ in range(9))
    assert engineer.post(path, content=chunks).status_code in {400, 413}


def test_metrics_need_a_session_or_the_monitor_token(engineer: httpx.Client, stranger: httpx.Client) -> None:
    assert stranger.get("/metrics").status_code == 401
    assert stranger.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 401
    monitor = stranger.get("/metrics", headers={"authorization": "Bearer metrics-token-1"})
    assert "andon_history_rows_total" in monitor.text
    assert stranger.get("/api/v1/me", headers={"authorization": "Bearer metrics-token-1"}).status_code == 401
    assert engineer.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    ("web", "users", "code"),
    [
        ({}, False, None),
        ({"host": "::1"}, False, None),
        ({"host": "0.0.0.0"}, True, "page.bind_without_tls"),
        ({"host": "10.0.0.5", "tls_cert": "c.pem", "tls_key": "k.pem"}, False, "page.bind_without_users"),
        ({"host": "10.0.0.5", "tls_cert": "c.pem", "tls_key": "k.pem"}, True, None),
        ({"tls_cert": "c.pem"}, True, "page.tls_half"),
    ],
)
def test_binding_beyond_loopback_needs_users_and_tls(
    tmp_path: Path, web: dict[str, str], users: bool, code: str | None
) -> None:
    with Records(tmp_path / "records.db", "szh1", ManualClock(NS_PER_S)) as records:
        if users:
            records.create_user("wang", "Wang Fang", "quality", PASSWORD, SYSTEM_SUPERVISOR, "test")
        if code is None:
            check_binding(Web(**web), records)
        else:
            with pytest.raises(AccessError) as caught:
                check_binding(Web(**web), records)
            assert caught.value.code == code
            assert code in catalogue("zh-CN")


def test_hosts_and_loopback() -> None:
    assert is_loopback("127.3.0.1")
    assert is_loopback("[::1]")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("localhost.evil.example")
    assert known_hosts("127.0.0.1") == {"127.0.0.1", "localhost", "::1"}
    assert known_hosts("10.0.0.5", ["Andon.plant"]) == {"10.0.0.5", "andon.plant"}


def test_failed_log_ins_are_limited_by_address_and_time() -> None:
    clock = ManualClock(NS_PER_S)
    limit = LoginLimit(clock, addresses=2)
    for _ in range(FAILURES_A_MINUTE):
        limit.check("10.0.0.1")
        limit.failed("10.0.0.1")
    with pytest.raises(WebError, match="address"):
        limit.check("10.0.0.1")
    limit.check("10.0.0.2")
    clock.advance(61)
    limit.check("10.0.0.1")
    limit.failed("10.0.0.2")
    limit.failed("10.0.0.3")
    assert len(limit._failures) == 2


def test_the_page_limits_guesses(tmp_path: Path) -> None:
    plant = page_plant(tmp_path)
    served = Served(plant.room)
    with closing(httpx.Client(base_url=served.address, timeout=20)) as client:
        answers = [client.get("/", params={"token": f"guess{n}"}).status_code for n in range(FAILURES_A_MINUTE + 1)]
        good = client.get("/", params={"token": plant.token()}).status_code
    served.close()
    plant.close()
    assert answers == [401] * FAILURES_A_MINUTE + [429]
    assert good == 429


def test_clock_arguments() -> None:
    base = ["--config", "plant.toml", "--data", "data"]
    scaled = clock_of(arguments([*base, "--origin-ns", "5", "--wall-ns", "7", "--speed", "60"]))
    assert scaled == ScaledClock(5, 7, 60.0)
    assert clock_of(arguments(base)) != scaled


# ---- what can be read


def test_overview_shows_oee_with_its_parts_and_coverage(engineer: httpx.Client) -> None:
    overview = engineer.get("/api/v1/overview").json()
    assert [line["path"] for line in overview["lines"]] == ["filling/line1", "machining/cell1"]
    hour = overview["lines"][0]["hour"]
    assert 0.5 < hour["OEE"] < 1
    assert hour["OEE"] == pytest.approx(hour["A"] * hour["P"] * hour["Q"])
    assert hour["OEE"] == pytest.approx(hour["parts"]["pri_gq_s"] / hour["parts"]["pbt_s"])
    assert hour["coverage"] == 1.0
    assert len(overview["lines"][0]["trend"]) == 48
    assert overview["since_ms"] == overview["as_of_ms"] - 8 * 3600 * 1000
    days = [line["day"]["parts"] for line in overview["lines"]]
    assert [area["path"] for area in overview["areas"]] == ["filling", "machining"]
    assert overview["areas"][0]["day"]["parts"] == days[0]
    site = overview["site"]["day"]
    assert site["OEE"] == pytest.approx(sum(day["pri_gq_s"] for day in days) / sum(day["pbt_s"] for day in days))
    room = next(asset for asset in overview["assets"] if asset["path"] == ROOM)
    assert room["cold"]["parts"]["mkt"] is not None
    assert room["values"]["air"]["stale"] is False
    autoclave = next(asset for asset in overview["assets"] if asset["path"] == "sterile/autoclave1")
    assert autoclave["values"]["plateau_temp"]["stale"] is True
    assert overview["erp"] == {"pending": 1, "leased": 0, "delivered": 3, "parked": 1}
    assert overview["dead_letters"] == {
        "total": 5, "by_reason": {"not_json": 2, "unknown_series": 1, "unit_mismatch": 1, "stamp_in_future": 1}
    }  # fmt: skip
    assert overview["ledger"]["difference"] == 0
    assert overview["behind"] is False
    assert overview["as_of_ms"] == NOW_NS // 1_000_000


def test_asset_and_line_give_timelines_figures_and_alarms(engineer: httpx.Client) -> None:
    room = engineer.get("/api/v1/asset", params={"path": ROOM, "hours": 8}).json()
    parts = room["cold_chain"]["total"]["parts"]
    assert parts["maximum"] > 8
    assert 20 * 60 < parts["above_s"] < 50 * 60
    assert parts["covered_s"] + parts["gap_s"] == pytest.approx(8 * 3600)
    [alarm] = room["alarm_list"]
    assert (alarm["limit"], alarm["active"]) == (8.0, False)
    assert alarm["duration_s"] == pytest.approx(31 * 60, abs=120)
    line = engineer.get("/api/v1/line", params={"path": "filling/line1", "hours": 4}).json()
    [timeline] = line["assets"][0]["timelines"]
    assert timeline["start_ms"][0] == line["assets"][0]["from_ms"]
    assert set(timeline["state"]) >= {"Execute", "Held"}
    assert len(line["assets"][0]["oee"]["windows"]) == 24
    cold = engineer.get("/api/v1/cold-rooms").json()["cold_rooms"]
    assert [one["path"] for one in cold] == [ROOM, TRUCK]
    assert len(engineer.get("/api/v1/lines").json()["lines"]) == 2


def test_history_keeps_extremes_and_weights_means_when_it_merges(engineer: httpx.Client) -> None:
    params = {"asset": ROOM, "tag": "air", "hours": 8}
    fine = engineer.get("/api/v1/history", params={**params, "points": 2000}).json()
    coarse = engineer.get("/api/v1/history", params={**params, "points": 40}).json()
    assert fine["size_s"] == 60.0
    assert len(fine["mean"]) == 479  # the range ends with the newest row, so its first window is cut
    assert len(coarse["mean"]) <= 41
    assert max(coarse["maximum"]) == max(fine["maximum"])
    assert min(coarse["minimum"]) == min(fine["minimum"])
    assert sum(coarse["count"]) == sum(fine["count"])
    total = sum(mean * count for mean, count in zip(fine["mean"], fine["count"], strict=True))
    merged = sum(mean * count for mean, count in zip(coarse["mean"], coarse["count"], strict=True))
    assert merged == pytest.approx(total, rel=1e-5)
    assert fine["score"] == [None] * 479
    scores = engineer.get("/api/v1/history", params={"asset": COMPRESSOR, "tag": "vibration"}).json()["score"]
    assert max(scores) > 10
    exact = engineer.get("/api/v1/history", params={**params, "hours": 1, "size_s": 10}).json()
    assert (exact["size_s"], len(exact["mean"])) == (10.0, 359)
    states = engineer.get("/api/v1/history", params={"asset": CNC, "tag": "state"}).json()
    assert "Execute" in states["state"]
    empty = engineer.get("/api/v1/history", params={**params, "from": 1000, "to": 2000}).json()
    assert empty["mean"] == []


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("history", {"asset": ROOM, "tag": "nothing"}, 404, "page.unknown_series"),
        ("history", {"asset": ROOM, "tag": "air", "from": 5000, "to": 4000}, 422, "page.invalid"),
        ("history", {"asset": ROOM, "tag": "air", "from": 0, "to": 10**14}, 422, "page.invalid"),
        ("history", {"asset": ROOM, "tag": "air", "points": 10**6}, 422, "page.invalid"),
        ("history", {"asset": ROOM}, 422, "page.invalid"),
        ("asset", {"path": "../../etc"}, 404, "page.unknown_asset"),
        ("line", {"path": "x"}, 404, "page.unknown_asset"),
        ("alarms", {"limit": 1001}, 422, "page.invalid"),
        ("alarms/nothing", {}, 404, "records.unknown_alarm"),
        ("dead-letters", {"limit": 0}, 422, "page.invalid"),
        ("texts/de", {}, 422, "page.invalid"),
        ("nothing", {}, 404, "page.not_found"),
    ],
)
def test_errors_have_a_code_and_a_sentence_in_the_readers_language(
    engineer: httpx.Client, path: str, params: dict[str, object], status: int, code: str
) -> None:
    texts = set()
    for language in ("en", "zh-CN"):
        headers = {"cookie": f"{cookie_of(engineer)}; andon_language={language}"}
        answer = engineer.get(f"/api/v1/{path}", params=params, headers=headers)
        assert (answer.status_code, code_of(answer)) == (status, code)
        texts.add(answer.json()["error"]["message"])
    assert len(texts) == 2
    assert not any("Traceback" in text or "{" in text for text in texts)


def cookie_of(client: httpx.Client) -> str:
    return "; ".join(f"{one.name}={one.value}" for one in client.cookies.jar)


def test_an_alarm_says_why_in_both_languages_and_shows_its_history(site: Site, engineer: httpx.Client) -> None:
    key = site.alarm("cold-room-high")
    english = engineer.get(f"/api/v1/alarms/{key}").json()
    chinese = engineer.get(
        f"/api/v1/alarms/{key}", headers={"cookie": f"{cookie_of(engineer)}; andon_language=zh-CN"}
    ).json()
    assert "above the limit of 8 °C" in english["why"]
    assert "10.72 °C" in english["why"]
    assert chinese["why"] != english["why"]
    assert "8 °C" in chinese["why"]
    assert chinese["consequence"].startswith("库存产品")
    assert [step["kind"] for step in english["transitions"]][:2] == ["raised", "cleared"]
    assert english["erp"]["number"] == "QE-2026-00042"
    parked = engineer.get(f"/api/v1/alarms/{site.alarm('erp-parked')}").json()
    assert "unknown equipment" in parked["why"]


def test_alarm_lists_page_and_tell_where_the_stream_goes_on(site: Site, engineer: httpx.Client) -> None:
    every = engineer.get("/api/v1/alarms", params={"show": "all"}).json()
    assert every["change_seq"] == site.records.change_head()
    assert len(every["alarms"]) == 6
    starts = [alarm["start_ms"] for alarm in every["alarms"]]
    assert starts == sorted(starts, reverse=True)
    older = engineer.get("/api/v1/alarms", params={"show": "all", "before": starts[2]}).json()["alarms"]
    assert [alarm["start_ms"] for alarm in older] == starts[3:]
    mine = engineer.get("/api/v1/alarms", params={"show": "all", "asset": FILLER}).json()["alarms"]
    assert [alarm["rule_id"] for alarm in mine] == ["fill-weight"]


def test_dead_letters_show_their_bytes(engineer: httpx.Client) -> None:
    answer = engineer.get("/api/v1/dead-letters").json()
    assert answer["total"] == 5
    strange = answer["rows"][0]
    assert base64.b64decode(strange["raw_base64"]).startswith(b"\xff\xfe\x00garbage")
    assert strange["raw"].startswith("\\xff\\xfe")
    only = engineer.get("/api/v1/dead-letters", params={"reason": "unit_mismatch"}).json()["rows"]
    assert [(row["series"], row["reason"]) for row in only] == [(f"{ROOM}/air", "unit_mismatch")]


def test_ledger_per_series_and_per_hour(engineer: httpx.Client) -> None:
    rows = engineer.get("/api/v1/ledger").json()["series"]
    assert all(row["difference"] == 0 for row in rows)
    assert rows[0]["asset"] == ""
    hours = engineer.get("/api/v1/ledger", params={"asset": ROOM, "tag": "air"}).json()["hours"]
    assert sum(hour["received"] for hour in hours) == next(
        row["received"] for row in rows if (row["asset"], row["tag"]) == (ROOM, "air")
    )
    assert engineer.get("/api/v1/ledger", params={"hours": 1}).json()["series"][0]["received"] >= 0


def test_who_may_not_read_the_audit_trail_is_told(site: Site) -> None:
    with closing(site.client("operator")) as operator:
        answer = operator.get("/api/v1/audit")
        assert (answer.status_code, code_of(answer)) == (403, "access.denied")
    with closing(site.client("quality")) as quality:
        assert quality.get("/api/v1/audit").json()["audit"][0]["action"] == "login.token"


# ---- what can be changed


def test_the_table_of_mutating_routes_is_the_truth(site: Site) -> None:
    real = {route for route in routes_of(site.served.app) if route[0] not in SAFE}
    assert real == {route for route in MUTATING_ROUTES if route[0] not in SAFE}
    assert set(MUTATING_ROUTES) - real == {("GET", "/")}


def test_every_change_leaves_its_audit_row_and_is_refused_to_viewers(site: Site) -> None:
    truck, compressor = site.alarm("truck-high"), site.alarm("compressor-anomaly")
    letter = {"shard": 1, "offset": 501, "line": 0}
    calls = {
        ("POST", "/api/v1/alarms/{key}/acknowledge"): (truck, {"comment": "driver called"}),
        ("POST", "/api/v1/alarms/{key}/comment"): (truck, {"comment": "doors closed"}),
        ("POST", "/api/v1/alarms/{key}/assign"): (truck, {"to": "engineer", "comment": "yours"}),
        ("POST", "/api/v1/alarms/{key}/going"): (truck, {"arrives_in_s": 300, "comment": "five minutes"}),
        ("POST", "/api/v1/alarms/{key}/arrived"): (truck, {"comment": "at the ramp"}),
        ("POST", "/api/v1/alarms/{key}/label"): (truck, {"verdict": "known", "comment": "doors at loading"}),
        ("POST", "/api/v1/alarms/{key}/shelve"): (truck, {"for_s": 3600, "reason": "loading until noon"}),
        ("POST", "/api/v1/alarms/{key}/unshelve"): (truck, {"reason": "loaded"}),
        ("POST", "/api/v1/alarms/{key}/out-of-service"): (truck, {"reason": "probe away for calibration"}),
        ("POST", "/api/v1/alarms/{key}/restore"): (truck, {"reason": "probe back"}),
        ("POST", "/api/v1/alarms/{key}/reset"): (site.latched(), {"comment": "seal replaced"}),
        ("POST", "/api/v1/erp-records/{key}/release"): (compressor, {"reason": "equipment created"}),
        ("POST", "/api/v1/dead-letters/redrive"): ("", {"letters": [letter], "reason": "room 9 added"}),
    }
    covered = {("GET", "/"), ("POST", "/login"), ("POST", "/logout")}  # in the tests of logging in above
    covered |= {("POST", "/ack/{token}")}  # test_ack_link.py
    covered |= {("POST", "/api/v1/holds/{key}/release"), ("POST", "/api/v1/capas/{key}/decide")}  # test_quality_web.py
    covered |= {("POST", "/api/v1/erp/states")}  # test_erp_inbound.py
    covered |= {("POST", f"/api/v1/models/{act}") for act in ("promote", "rollback")}  # test_models_web.py
    assert set(calls) | covered == set(MUTATING_ROUTES)
    for (method, path), (key, body) in calls.items():
        address = path.replace("{key}", key)
        with closing(site.client("viewer")) as viewer:
            before = site.records.audit_trail(newest=True, limit=1)[0].seq
            assert code_of(viewer.request(method, address, json=body)) == "access.denied"
            assert site.records.audit_trail(newest=True, limit=1)[0].seq == before
        with closing(site.client("engineer")) as person:
            answer = person.request(method, address, json=body)
            assert answer.status_code == 200, answer.text
            rows = [row for row in site.records.audit_trail(newest=True, limit=3) if row.seq > before + 1]
            row = next((row for row in rows if row.action == MUTATING_ROUTES[method, path]), rows[0])
            assert row.action == MUTATING_ROUTES[method, path]
            assert (row.actor_name, row.terminal) == ("Demo engineer", "127.0.0.1")
            assert row.reason in body.values()


def test_acknowledging_twice_is_a_conflict_and_critical_wants_a_comment(site: Site, engineer: httpx.Client) -> None:
    path = f"/api/v1/alarms/{site.alarm('cold-room-high')}/acknowledge"
    assert code_of(engineer.post(path, json={"comment": "  "})) == "records.reason_missing"
    done = engineer.post(path, json={"comment": "stock moved to room 2"})
    assert (done.status_code, done.json()["state"]) == (200, "normal")
    assert done.json()["ack"]["by"] == "Demo engineer"
    again = engineer.post(path, json={"comment": "again"})
    assert (again.status_code, code_of(again)) == (409, "records.move_refused")
    assert code_of(engineer.post(path, json={"comment": "x", "state": "normal"})) == "page.invalid"


def test_redriven_letters_are_in_the_log_again_and_marked(site: Site, engineer: httpx.Client) -> None:
    spool = site.plant.spools[1]
    before = spool.last_offset()
    letters = [{"shard": 1, "offset": 503, "line": 0}, {"shard": 1, "offset": 504, "line": 0}]
    answer = engineer.post("/api/v1/dead-letters/redrive", json={"letters": letters, "reason": "clock of gateway set"})
    assert answer.json() == {"redriven": 2}
    messages = spool.reader(before).read(10, 10**6)
    assert messages[0].body.startswith(b'{"ts": 1893456000000')
    assert messages[1].body.startswith(b"\xff\xfe\x00garbage")
    marked = {row["offset"]: row["redriven"] for row in engineer.get("/api/v1/dead-letters").json()["rows"]}
    assert marked[503] is True
    assert marked[500] is False
    missing = {"letters": [{"shard": 1, "offset": 9999, "line": 0}], "reason": "x"}
    assert code_of(engineer.post("/api/v1/dead-letters/redrive", json=missing)) == "page.unknown_dead_letter"
    missing["letters"] = [{"shard": 7, "offset": 500, "line": 0}]
    assert code_of(engineer.post("/api/v1/dead-letters/redrive", json=missing)) == "page.unknown_dead_letter"
    assert spool.last_offset() == before + 2


def test_every_status_is_of_a_code_that_has_a_sentence() -> None:
    assert not {code for code in STATUS if code not in catalogue("en")}


def test_andons_own_alarms_last_as_long_as_the_machine_says(site: Site) -> None:
    [parked] = [one for one in site.records.alarms() if one.rule_id == "erp-parked"]
    scaled = replace(site.plant.room, clock=ScaledClock(NOW_NS, parked.start_ns - 10 * NS_PER_S, 60.0))
    told = alarm_json(scaled, parked, "en", scaled.now_ns())
    assert told["own"] is True
    assert told["start_ms"] == (NOW_NS + 600 * NS_PER_S) // 1_000_000  # in the plant's time
    assert told["duration_s"] < 300  # in real seconds: the test has not run longer


def test_times_of_people_are_shown_in_the_plants_time(site: Site) -> None:
    scaled = ScaledClock(NOW_NS, 1000 * NS_PER_S, 60.0)
    room = replace(site.plant.room, clock=scaled)
    assert room.plant_ns(1001 * NS_PER_S) == NOW_NS + 60 * NS_PER_S
    assert room.speed == 60.0
    assert site.plant.room.plant_ns(5) == 5


def test_the_api_page_names_every_route_and_every_audit_action(site: Site, root: Path) -> None:
    page = (root / "docs" / "api.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `(GET|POST) (\S+)` \|", page, re.MULTILINE))
    assert told == {route for route in routes_of(site.served.app) if route[1] != "/static/"}
    for (_, path), action in MUTATING_ROUTES.items():
        if path.startswith("/api/"):
            assert re.search(rf"`POST {re.escape(path)}`.*`{re.escape(action)}` \|$", page, re.MULTILINE), path
