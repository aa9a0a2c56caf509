"""A deadline on a whole HTTP call: httpx bounds each wait for bytes, and a server that drips some has many of them."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

PIECE = 16_384  # bytes handed over at once: the deadline is looked at between two


class Deadline:
    """When the call under way has to be over, by `time.monotonic()`."""

    def __init__(self) -> None:
        self._at_s = float("inf")

    def begin(self, within_s: float) -> None:
        """A call begins that may take so long."""
        self._at_s = time.monotonic() + within_s

    def left_s(self, timeout_s: float | None, late: type[httpcore.TimeoutException]) -> float:
        """How long the next wait may be. Raises `late` when the call's time is over."""
        left_s = self._at_s - time.monotonic()
        if left_s <= 0:
            raise late("the time of the whole call is over")
        return left_s if timeout_s is None else min(left_s, timeout_s)


class BoundedTransport(httpx.HTTPTransport):
    """Connections whose waits end with the deadline. Only the look-up of a host's name is bounded by the resolver."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__(trust_env=False)
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False), keepalive_expiry=5.0,
            network_backend=_Backend(deadline),
        )  # fmt: skip


class _Backend(httpcore.NetworkBackend):
    def __init__(self, deadline: Deadline) -> None:
        self._inner, self._deadline = httpcore.SyncBackend(), deadline

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:  # fmt: skip
        left_s = self._deadline.left_s(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, left_s, local_address, socket_options), self._deadline)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left_s(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for at in range(0, len(buffer), PIECE):
            left_s = self._deadline.left_s(timeout, httpcore.WriteTimeout)
            self._inner.write(buffer[at : at + PIECE], left_s)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left_s = self._deadline.left_s(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left_s), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
