"""Log-in, locking, sessions, one-time tokens, rights."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import select

from andon.errors import AccessError, RecordsError
from andon.records import RIGHTS, ROLES, SYSTEM_SUPERVISOR, require, require_csrf
from andon.records.schema_acts import TABLES
from andon.records.users import UserRecords
from tests.records_world import ADMIN, OPERATOR, fresh

PASSWORD = "correct horse battery"


pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def records(database, tmp_path):
    with fresh(tmp_path) as opened:
        opened.create_user("li.wei", "Li Wei", "operator", PASSWORD, ADMIN, "new on shift A")
        yield opened


def code_of(call, *args, **kwargs):
    with pytest.raises((AccessError, RecordsError)) as caught:
        call(*args, **kwargs)
    return caught.value.code


def actions(records):
    return [one.action for one in records.audit_trail()]


def test_log_in_use_log_out(records):
    token, session = records.login("li.wei", PASSWORD, "10.0.0.5")
    assert session.actor == OPERATOR
    assert records.session(token) == session
    records.logout(token)
    assert code_of(records.session, token) == "access.session_ended"
    assert actions(records) == ["user.created", "login.ok", "logout"]


def test_wrong_password_and_unknown_user_look_alike_and_are_audited(records):
    assert code_of(records.login, "li.wei", "wrong", "t") == "access.login_failed"
    assert code_of(records.login, "nobody", "wrong", "t") == "access.login_failed"
    failed = [one for one in records.audit_trail() if one.action == "login.failed"]
    assert [one.object_id for one in failed] == ["li.wei", "nobody"]


def test_five_failures_lock_for_fifteen_minutes(records):
    for _ in range(5):
        assert code_of(records.login, "li.wei", "wrong", "t") == "access.login_failed"
    assert code_of(records.login, "li.wei", PASSWORD, "t") == "access.locked"
    records.clock.advance(15 * 60 - 1)
    assert code_of(records.login, "li.wei", PASSWORD, "t") == "access.locked"
    records.clock.advance(2)
    records.login("li.wei", PASSWORD, "t")


def test_failures_far_apart_do_not_lock(records):
    for _ in range(12):
        code_of(records.login, "li.wei", "wrong", "t")
        records.clock.advance(4 * 60)
    records.login("li.wei", PASSWORD, "t")


def test_an_administrator_unlocks(records):
    for _ in range(5):
        code_of(records.login, "li.wei", "wrong", "t")
    records.change_user("li.wei", ADMIN, "called in, identity checked", unlock=True)
    records.login("li.wei", PASSWORD, "t")


def test_an_idle_session_ends(records):
    token, _ = records.login("li.wei", PASSWORD, "t")
    for _ in range(3):
        records.clock.advance(14 * 60)
        records.session(token)
    records.clock.advance(14 * 60)
    records.session(token, touch=False)  # a page that only streams is nobody's activity
    records.clock.advance(2 * 60)
    assert code_of(records.session, token) == "access.session_ended"
    assert actions(records)[-1] == "logout.idle"


def test_no_session_outlives_twelve_hours(records):
    token, _ = records.login("li.wei", PASSWORD, "t")
    for _ in range(12 * 6 - 1):
        records.clock.advance(10 * 60)
        records.session(token)
    records.clock.advance(10 * 60)
    assert code_of(records.session, token) == "access.session_ended"


@pytest.mark.parametrize("change", [{"active": False}, {"role": "viewer"}, {"password": "another long word"}])
def test_changed_rights_end_sessions(records, change):
    token, _ = records.login("li.wei", PASSWORD, "t")
    records.change_user("li.wei", ADMIN, "moved to another site", **change)
    assert code_of(records.session, token) == "access.session_ended"
    last = records.audit_trail(newest=True, limit=1)[0]
    assert last.action == "user.changed"
    assert "argon2" not in (last.old or "") + (last.new or "")


def test_switched_off_users_stay_out(records):
    records.change_user("li.wei", ADMIN, "left", active=False)
    assert code_of(records.login, "li.wei", PASSWORD, "t") == "access.login_failed"
    assert not records.has_users()


def test_one_time_token_works_once(records):
    token = records.issue_one_time_token(SYSTEM_SUPERVISOR, user_id="demo", name="Demo operator", role="operator")
    cookie, session = records.redeem_one_time_token(token, "127.0.0.1")
    assert (session.actor.id, session.actor.name, session.actor.role) == ("demo", "Demo operator", "operator")
    assert records.session(cookie) == session
    assert code_of(records.redeem_one_time_token, token, "127.0.0.1") == "access.token_invalid"
    assert code_of(records.redeem_one_time_token, "guess", "127.0.0.1") == "access.token_invalid"
    assert actions(records)[-4:] == ["token.issued", "login.token", "login.failed", "login.failed"]


def test_one_time_token_expires(records):
    token = records.issue_one_time_token(ADMIN, valid_s=60)
    records.clock.advance(61)
    assert code_of(records.redeem_one_time_token, token, "t") == "access.token_invalid"


def test_nothing_that_is_kept_logs_anybody_in(database, records, tmp_path):
    token, session = records.login("li.wei", PASSWORD, "t")
    once = records.issue_one_time_token(ADMIN)
    with records.reading() as connection:
        content = repr([connection.execute(select(one)).all() for one in TABLES.sorted_tables]).encode()
    records.engine.dispose()
    if database.name == "sqlite":
        content += b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (token, once, PASSWORD, session.csrf):
        assert secret.encode() not in content
    assert hashlib.sha256(token.encode()).hexdigest().encode() in content
    assert b"$argon2id$" in content


def test_sessions_do_not_share_csrf_tokens(records):
    _, first = records.login("li.wei", PASSWORD, "t")
    _, second = records.login("li.wei", PASSWORD, "t")
    require_csrf(first, first.csrf)
    for wrong in (second.csrf, "", None):
        assert code_of(require_csrf, first, wrong) == "access.csrf"


def test_deny_by_default(records):
    _, session = records.login("li.wei", PASSWORD, "t")
    assert require(session, "alarm.acknowledge") == session.actor
    assert code_of(require, session, "users.manage") == "access.denied"
    assert code_of(require, session, "no such right") == "access.denied"
    assert code_of(require, None, "view") == "access.anonymous"
    assert code_of(records.session, None) == "access.anonymous"


def test_roles_hold_what_the_table_says():
    assert set(RIGHTS) == {*ROLES, "service"}
    assert all("view" in RIGHTS[role] for role in ROLES)
    assert {role for role in RIGHTS if "alarm.acknowledge" in RIGHTS[role]} == {"operator", "quality", "engineer"}
    assert {role for role in RIGHTS if "users.manage" in RIGHTS[role]} == {"admin", "service"}
    assert {role for role in RIGHTS if "conditions.apply" in RIGHTS[role]} == {"service"}


BAD_USERS = {
    "short-password": (("new", "New", "viewer", "short", ADMIN, "why"), "records.password_short"),
    "unknown-role": (("new", "New", "boss", PASSWORD, ADMIN, "why"), "access.unknown_role"),
    "service-role": (("new", "New", "service", PASSWORD, ADMIN, "why"), "access.unknown_role"),
    "no-name": (("new", " ", "viewer", PASSWORD, ADMIN, "why"), "access.anonymous"),
    "no-reason": (("new", "New", "viewer", PASSWORD, ADMIN, " "), "records.reason_missing"),
    "id-taken": (("li.wei", "Other", "viewer", PASSWORD, ADMIN, "why"), "records.user_exists"),
    "not-an-administrator": (("new", "New", "viewer", PASSWORD, OPERATOR, "why"), "access.denied"),
}


@pytest.mark.parametrize(("arguments", "code"), BAD_USERS.values(), ids=BAD_USERS.keys())
def test_users_that_are_refused(records, arguments, code):
    assert code_of(records.create_user, *arguments) == code


def test_unknown_user_cannot_be_changed(records):
    assert code_of(records.change_user, "nobody", ADMIN, "why", active=False) == "records.unknown_user"


def test_passwords_are_argon2id_at_full_strength():
    hasher = UserRecords.password_hasher
    assert hasher.hash("x").startswith("$argon2id$")
    assert hasher.memory_cost >= 64 * 1024
