"""The records of a configured site: [records] says where, the data folder holds the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from andon.clock import Clock, SystemClock
from andon.config.models import Plant
from andon.datafolder import DataFolder
from andon.errors import RecordsError
from andon.records.database import Records
from andon.records.policy import Policy
from andon.records.server import Server
from andon.secrets import read_secret

PASSWORD = "ANDON_RECORDS_PASSWORD"  # noqa: S105 - the name of a variable
AGAIN_S = 1.0
TELL_EVERY = 60  # attempts
log = structlog.get_logger()


def site_place(config: Plant, data: DataFolder) -> Path | Server:
    """Where the site's records are: the file in the data folder, or the server of [records]. Touches neither."""
    if config.records is None:
        return data.records_db
    password = partial(read_secret, PASSWORD, config.records.password_file, "records.password_file")
    return Server(config.records.url, password, config.records.start_timeout_s)


def site_records(config: Plant, data: DataFolder, clock: Clock | None = None, *, create: bool = True) -> Records:
    """The site's records, not opened yet; anchors of the audit trail are in the data folder in either case.

    clock: the machine's where not given. create: whether an empty database gets the schema.
    """
    records = Records(
        site_place(config, data), config.site.id, clock or SystemClock(), zone=config.site.timezone,
        anchors=data.records_db.parent / "anchors.jsonl", create=create,
    )  # fmt: skip
    records.policy = Policy.of(config)
    return records


def open_site_records(
    config: Plant, data: DataFolder, stop: threading.Event, *, clock: Clock | None = None,
    beat: Callable[[], None] = lambda: None,
) -> Records:  # fmt: skip
    """The same, open, as `open_patiently` does it."""
    return open_patiently(site_records(config, data, clock), config, stop, beat)


def open_patiently(
    records: Records, config: Plant, stop: threading.Event, beat: Callable[[], None] = lambda: None
) -> Records:
    """Open the records for a process of the service: with records.start = "wait", a server that is away is awaited.

    Only that is waited for: a wrong password or an older schema needs a person. beat: called once a second meanwhile.
    Raises RecordsError, also when `stop` is set before the server was there.
    """
    tries = 0
    while True:
        beat()
        try:
            return records.open()
        except RecordsError as error:
            patient = config.records is not None and config.records.start == "wait"
            if error.code != "records.away" or not patient or stop.wait(AGAIN_S):
                raise
            if tries % TELL_EVERY == 0:
                log.warning("records.waiting", **error.params)
            tries += 1
