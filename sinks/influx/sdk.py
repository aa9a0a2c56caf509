"""The names of influxdb-client that are used here. It has annotations but does not keep to them, so they are Any."""

from __future__ import annotations

from typing import Any

import influxdb_client
from influxdb_client.domain.bucket import Bucket as _Bucket
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from andon.config.deployment import Influx
from andon.secrets import Secret
from sinks.influx.client import AwayError, DeniedError, InfluxError

_library: Any = influxdb_client
RetentionRules: Any = _library.BucketRetentionRules
TaskCreateRequest: Any = _library.TaskCreateRequest
Bucket: Any = _Bucket
# Of an answer that was cut off the library makes None or half an object, and trips over it.
UNREADABLE = (TypeError, AttributeError, ValueError, LookupError)
FAILURES = (ApiException, HTTPError, OSError, *UNREADABLE)
QUICK_S = 10.0


def connect(influx: Influx, token: Secret, timeout_s: float | None = None) -> Any:
    """An InfluxDBClient, for everything but writing; to be used in a `with`. Retries are ours to decide."""
    timeout_ms = round((timeout_s or min(influx.timeout_s, QUICK_S)) * 1000)
    return _library.InfluxDBClient(influx.url, token.reveal(), org=influx.org, timeout=timeout_ms, retries=False)


def translated(error: Exception) -> InfluxError:
    """What went wrong in influxdb-client, as an error of ours; without the address, which its text holds."""
    status = error.status if isinstance(error, ApiException) else None
    detail = str(error.body or error.reason) if isinstance(error, ApiException) else type(error).__name__
    if status is not None and 400 <= status < 500 and status != 429:
        return DeniedError(status, detail)
    return AwayError(status, detail)
