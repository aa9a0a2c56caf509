"""Calls to a broker that may not answer, of a client that may not come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, Producer

STEP_S = 2.0  # one call to the broker at most: signs of life and the stop flag are due in between
STUCK_S = 15.0  # beyond that a call that may take STEP_S never comes back
BEAT_S = 0.5
Beat = Callable[[], None]


def patiently(call: Callable[[], None], stop: threading.Event, beat: Beat) -> bool:
    """Call again while the broker has not answered; False when `stop` came first. Raises what does not pass."""
    while True:
        try:
            bounded(call, beat)
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
            if stop.is_set():
                return False
        else:
            return True


def bounded(call: Callable[[], None], beat: Beat) -> None:
    """Call in a thread of its own, and give it up after `STUCK_S`: KafkaException, not to be tried with this producer.

    librdkafka 2.16 may never come back from committing a transaction whose broker was killed and started again
    (measured). The next producer of the same name fences the one given up, and the broker says what was committed.
    """
    failed: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - handed on to the caller
            failed.append(error)
        done.set()

    threading.Thread(target=run, name="forward-call", daemon=True).start()
    until_s = time.monotonic() + STUCK_S
    while not done.wait(BEAT_S):
        beat()
        if time.monotonic() > until_s:
            raise timed_out("the client does not come back")
    beat()
    try:
        if failed:
            raise failed[0]
    finally:
        failed.clear()  # else the error holds this frame, and this frame the error, with producer and chunk


def flush(producer: Producer) -> None:
    """Wait for the answers to what was produced. Raises KafkaException, to be tried again, when some are missing."""
    if producer.flush(STEP_S):
        raise timed_out("no answer to what was produced", retriable=True)


def timed_out(problem: str, *, retriable: bool = False) -> KafkaException:
    """The client's own kind of error for what took too long."""
    return KafkaException(KafkaError(KafkaError._TIMED_OUT, problem, retriable=retriable))  # noqa: SLF001 - the library's public name
