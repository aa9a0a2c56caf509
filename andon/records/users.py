"""Local users: argon2id passwords, locking after failures, sessions by random token, one-time log-in tokens.

Every log-in, failed log-in, log-out and change of rights is in the audit trail. Tokens are 256 random bits and only
their SHA-256 is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
from dataclasses import dataclass
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import RowMapping, func, insert, select, update

from andon.errors import AccessError, RecordsError
from andon.readings import NS_PER_S
from andon.records import schema
from andon.records.actors import ROLES, Actor, require_actor, require_reason
from andon.records.again import repeated
from andon.records.base import RecordsBase, Tx

MAX_FAILURES = 5
FAILURE_SPAN_NS = LOCK_NS = IDLE_NS = 15 * 60 * NS_PER_S
LONGEST_SESSION_NS = 12 * 3600 * NS_PER_S
SKEW_NS = 5 * 60 * NS_PER_S  # a clock set back by more ends the sessions
SEEN_EVERY_NS = 30 * NS_PER_S  # an active session is written down only so often
MIN_PASSWORD = 12


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody logged in. csrf goes into forms and the X-CSRF-Token header; it is worthless without the cookie."""

    actor: Actor
    csrf: str
    created_ns: int


def require(session: Session | None, right: str) -> Actor:
    """The actor of a session whose role has the right; everything else is refused. Raises AccessError."""
    return require_actor(None if session is None else session.actor, right)


def require_csrf(session: Session, given: str | None) -> None:
    """Refuse a changing request without the session's CSRF token. Raises AccessError."""
    if not hmac.compare_digest(session.csrf.encode(), (given or "").encode()):
        raise AccessError("access.csrf")


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _csrf(token: str) -> str:
    # Derived, so that nothing is stored that would help who reads the database.
    return hmac.new(token.encode(), b"andon csrf", hashlib.sha256).hexdigest()


class UserRecords(RecordsBase):
    """The part of `Records` about people."""

    password_hasher = PasswordHasher()  # argon2id, RFC 9106 low-memory profile

    def has_users(self) -> bool:
        """Whether anybody could log in with a password."""
        with self.reading() as connection:
            query = select(func.count()).where(schema.users.c.site == self.site, schema.users.c.active)
            return bool(connection.execute(query).scalar())

    @repeated
    def create_user(self, user_id: str, name: str, role: str, password: str, actor: Actor, reason: str) -> None:
        """Add a user; ids are never given to someone else. Raises RecordsError for an id in use or a short password."""
        require_actor(actor, "users.manage")
        reason = require_reason(reason)
        _check_role(role)
        Actor(user_id, name, role, "check")
        hashed = self.password_hasher.hash(_check_password(password))
        with self.writing() as tx:
            if _user(tx, self.site, user_id) is not None:
                raise RecordsError("records.user_exists", user=user_id)
            row = {"name": name, "role": role, "active": True}
            tx.connection.execute(
                insert(schema.users).values(
                    site=self.site, id=user_id, **row, password_hash=hashed, failures=0, first_failure_ns=0,
                    locked_until_ns=0, created_ns=tx.now_ns, revision=1,
                )
            )  # fmt: skip
            tx.audit(actor, "user.created", "user", user_id, 1, new=row, reason=reason)

    @repeated
    def change_user(
        self, user_id: str, actor: Actor, reason: str, *, role: str | None = None, active: bool | None = None,
        password: str | None = None, unlock: bool = False,
    ) -> None:  # fmt: skip
        """Change rights, switch on or off, set a password, unlock. The user's sessions end."""
        require_actor(actor, "users.manage")
        reason = require_reason(reason)
        changed: dict[str, Any] = {}
        if role is not None:
            changed["role"] = _check_role(role)
        if active is not None:
            changed["active"] = active
        if password is not None:
            changed["password_hash"] = self.password_hasher.hash(_check_password(password))
        if unlock:
            changed |= {"failures": 0, "locked_until_ns": 0}
        with self.writing() as tx:
            row = _user(tx, self.site, user_id)
            if row is None:
                raise RecordsError("records.unknown_user", user=user_id)
            _save_user(tx, self.site, user_id, {**changed, "revision": row["revision"] + 1})
            tx.connection.execute(
                update(schema.sessions)
                .where(schema.sessions.c.site == self.site, schema.sessions.c.user_id == user_id)
                .where(schema.sessions.c.ended_ns.is_(None))
                .values(ended_ns=tx.now_ns)
            )
            hidden = {"password_hash": "changed"}
            tx.audit(
                actor, "user.changed", "user", user_id, row["revision"] + 1,
                old={key: row[key] for key in changed if key not in hidden},
                new={key: hidden.get(key, value) for key, value in changed.items()}, reason=reason,
            )  # fmt: skip

    @repeated
    def login(self, user_id: str, password: str, terminal: str) -> tuple[str, Session]:
        """Token for a cookie and the session. Five failures within 15 minutes lock the user for 15 minutes.

        Raises AccessError: "access.login_failed" alike for an unknown user and a wrong password, "access.locked".
        """
        with self.reading() as connection:
            table = schema.users
            query = select(table).where(table.c.site == self.site, table.c.id == user_id)
            row = connection.execute(query).mappings().first()
        # Verified outside the transaction: argon2 takes 50 ms and the site's lock must not wait for it.
        known = self._password_fits(row, password)
        refusal: AccessError | None = None
        with self.writing() as tx:
            row = _user(tx, self.site, user_id)
            if row is not None and row["locked_until_ns"] > tx.now_ns:
                minutes = math.ceil((row["locked_until_ns"] - tx.now_ns) / (60 * NS_PER_S))
                refusal = AccessError("access.locked", minutes=minutes)
            elif row is None or not known or not row["active"]:
                refusal = AccessError("access.login_failed")
                if row is not None:
                    self._count_failure(tx, row)
            if refusal is not None or row is None:
                claimed = Actor("service:login", f"claimed to be {user_id[:100]!r}", "service", terminal)
                tx.audit(claimed, "login.failed", "user", user_id[:200], new={"code": refusal and refusal.code})
            else:
                _save_user(tx, self.site, user_id, {"failures": 0})
                return self._start(tx, Actor(user_id, row["name"], row["role"], terminal), "login.ok")
        raise refusal or AccessError("access.login_failed")

    @repeated
    def issue_one_time_token(
        self, actor: Actor, *, user_id: str = "demo", name: str = "Demo operator", role: str = "operator",
        valid_s: float = 24 * 3600.0,
    ) -> str:  # fmt: skip
        """A token that logs in once, as the named person. It is shown to who starts the service, never stored."""
        require_actor(actor, "users.manage")
        _check_role(role)
        Actor(user_id, name, role, "check")
        token = secrets.token_urlsafe(32)
        with self.writing() as tx:
            tx.connection.execute(
                insert(schema.login_token).values(
                    token_hash=_hashed(token), site=self.site, user_id=user_id, name=name, role=role,
                    expires_ns=tx.now_ns + round(valid_s * NS_PER_S),
                )
            )  # fmt: skip
            tx.audit(actor, "token.issued", "user", user_id, new={"name": name, "role": role, "valid_s": valid_s})
        return token

    @repeated
    def redeem_one_time_token(self, token: str, terminal: str) -> tuple[str, Session]:
        """Session token and session for a one-time token; it is spent then. Raises AccessError."""
        table = schema.login_token
        with self.writing() as tx:
            row = tx.connection.execute(
                select(table).where(table.c.token_hash == _hashed(token), table.c.site == self.site)
            ).mappings().first()  # fmt: skip
            if row is not None and row["redeemed_ns"] is None and row["expires_ns"] > tx.now_ns:
                tx.connection.execute(
                    update(table).where(table.c.token_hash == row["token_hash"]).values(redeemed_ns=tx.now_ns)
                )
                return self._start(tx, Actor(row["user_id"], row["name"], row["role"], terminal), "login.token")
            claimed = Actor("service:login", "one-time token", "service", terminal)
            tx.audit(claimed, "login.failed", "user", "" if row is None else row["user_id"], new={"code": "token"})
        raise AccessError("access.token_invalid")

    @repeated
    def session(self, token: str | None, *, touch: bool = True) -> Session:
        """The session of a cookie. Idle for 15 minutes or 12 hours old: ended. touch: this use counts as activity.

        Used at a later time than now, because the clock was set back since: ended too.

        Raises AccessError "access.anonymous" without a token, "access.session_ended" otherwise.
        """
        if not token:
            raise AccessError("access.anonymous")
        now_ns = self.clock.now_ns()
        with self.reading() as connection:
            table = schema.sessions
            query = select(table).where(table.c.token_hash == _hashed(token), table.c.site == self.site)
            row = connection.execute(query).mappings().first()
        if row is None or row["ended_ns"] is not None:
            raise AccessError("access.session_ended")
        set_back = now_ns < row["seen_ns"] - SKEW_NS  # nobody knows any more how long it has been idle
        if set_back or now_ns - row["seen_ns"] >= IDLE_NS or now_ns - row["created_ns"] >= LONGEST_SESSION_NS:
            self._end(row, "logout.idle")
            raise AccessError("access.session_ended")
        if touch and abs(now_ns - row["seen_ns"]) >= SEEN_EVERY_NS:
            with self.writing() as tx:
                tx.connection.execute(
                    update(table).where(table.c.token_hash == row["token_hash"]).values(seen_ns=now_ns)
                )
        actor = Actor(row["user_id"], row["name"], row["role"], row["terminal"])
        return Session(actor, _csrf(token), row["created_ns"])

    @repeated
    def logout(self, token: str) -> None:
        """End the session of a cookie; one that has ended already is left alone."""
        with self.reading() as connection:
            table = schema.sessions
            query = select(table).where(table.c.token_hash == _hashed(token), table.c.site == self.site)
            row = connection.execute(query).mappings().first()
        if row is not None and row["ended_ns"] is None:
            self._end(row, "logout")

    def _password_fits(self, row: RowMapping | None, password: str) -> bool:
        try:
            if row is None:  # the same time for a user who does not exist
                self.password_hasher.hash(password)
                return False
            return self.password_hasher.verify(row["password_hash"], password)
        except (VerificationError, InvalidHashError):
            return False

    def _count_failure(self, tx: Tx, row: RowMapping) -> None:
        fresh = tx.now_ns - row["first_failure_ns"] >= FAILURE_SPAN_NS or row["failures"] == 0
        failures = 1 if fresh else row["failures"] + 1
        changed = {"failures": failures, "first_failure_ns": tx.now_ns if fresh else row["first_failure_ns"]}
        if failures >= MAX_FAILURES:
            changed |= {"failures": 0, "locked_until_ns": tx.now_ns + LOCK_NS}
        _save_user(tx, self.site, row["id"], changed)

    def _start(self, tx: Tx, actor: Actor, action: str) -> tuple[str, Session]:
        token = secrets.token_urlsafe(32)
        tx.connection.execute(
            insert(schema.sessions).values(
                token_hash=_hashed(token), site=self.site, user_id=actor.id, name=actor.name, role=actor.role,
                terminal=actor.terminal, created_ns=tx.now_ns, seen_ns=tx.now_ns,
            )
        )  # fmt: skip
        tx.audit(actor, action, "user", actor.id)
        return token, Session(actor, _csrf(token), tx.now_ns)

    def _end(self, row: RowMapping, action: str) -> None:
        actor = Actor(row["user_id"], row["name"], row["role"], row["terminal"])
        table = schema.sessions
        with self.writing() as tx:
            ended = tx.connection.execute(
                update(table)
                .where(table.c.token_hash == row["token_hash"], table.c.ended_ns.is_(None))
                .values(ended_ns=tx.now_ns)
            )
            if ended.rowcount:
                tx.audit(actor, action, "user", actor.id)


def _user(tx: Tx, site: str, user_id: str) -> RowMapping | None:
    table = schema.users
    query = select(table).where(table.c.site == site, table.c.id == user_id)
    return tx.connection.execute(query).mappings().first()


def _save_user(tx: Tx, site: str, user_id: str, changed: dict[str, Any]) -> None:
    table = schema.users
    tx.connection.execute(update(table).where(table.c.site == site, table.c.id == user_id).values(**changed))


def _check_role(role: str) -> str:
    if role not in ROLES:
        raise AccessError("access.unknown_role", role=role, allowed=", ".join(ROLES))
    return role


def _check_password(password: str) -> str:
    if len(password) < MIN_PASSWORD:
        raise RecordsError("records.password_short", least=MIN_PASSWORD)
    return password
