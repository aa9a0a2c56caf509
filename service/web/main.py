"""`python -m service.web`: the control room as a process of its own, started by the supervisor."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import structlog
import uvicorn

from andon.clock import Clock, ScaledClock, SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.errors import AndonError
from andon.logs import set_up_logs
from andon.plant import PlantModel
from andon.records import open_patiently, site_records
from andon.secrets import Secret
from service.web.app import create_app
from service.web.auth import check_binding
from service.web.erp_inbound import inbound_keys
from service.web.gate import Access, is_loopback, known_hosts
from service.web.history_source import history_of
from service.web.room import Room
from sinks.dead_letters import DeadLetterStore
from sources.spool import Spool

log = structlog.get_logger()


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m service.web", description="The control room and its API over a data folder.",
        epilog="example: python -m service.web --config plant.toml --data data",
    )  # fmt: skip
    parser.add_argument("--config", type=Path, required=True, help="plant.toml")
    parser.add_argument("--data", type=Path, required=True, help="data folder")
    parser.add_argument("--host", help="address to listen on, instead of [web] host")
    parser.add_argument("--port", type=int, help="port to listen on, instead of [web] port; 0: any free one")
    parser.add_argument("--name", action="append", default=[], help="a further host name people use (may be repeated)")
    parser.add_argument("--origin-ns", type=int, help="plant time when the machine showed --wall-ns")
    parser.add_argument("--wall-ns", type=int, help="the machine's time at --origin-ns")
    parser.add_argument("--speed", type=float, default=1.0, help="plant seconds a second; 0: the machine's clock")
    parser.add_argument("--no-idle-lock", action="store_true", help="an open page keeps its session; on loopback only")
    parser.add_argument("--metrics-token-file", type=Path, help="file with the token that may read /metrics")
    parser.add_argument("--log", type=Path, help="log file; standard error where not given")
    return parser.parse_args(argv)


def clock_of(args: argparse.Namespace) -> Clock:
    """The plant's clock: scaled where an origin and a speed are given, else the machine's."""
    if args.origin_ns is None or args.wall_ns is None or not args.speed:
        return SystemClock()
    return ScaledClock(args.origin_ns, args.wall_ns, args.speed)


def room_of(plant: PlantModel, data: DataFolder, clock: Clock, base: Path) -> Room:
    """Everything the page reads from, over the files of a data folder. base: the folder of plant.toml."""
    config = plant.config
    shards = range(config.transport.shards)
    keep = config.retention
    return Room(
        plant,
        site_records(config, data),
        history_of(config, data, base),
        [
            DeadLetterStore(data.dead_letters_db(shard), shard, keep.dead_letters_mb, keep.dead_letters_d)
            for shard in shards
        ],
        [Spool(data.spool(shard), shard, clock) for shard in shards] if config.transport.kind == "spool" else [],
        clock,
        data,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. 0: ended as asked; otherwise the error's exit status."""
    args = arguments(argv)
    set_up_logs("web", file=args.log)
    try:
        return serve(args)
    except AndonError as error:
        log.error("web.refused", code=error.code, **error.params)
        print(error.text(), file=sys.stderr)  # noqa: T201 - for who started it by hand
        return error.exit_status


def serve(args: argparse.Namespace) -> int:
    """Check, bind, serve."""
    plant = load_plant(args.config)
    data = DataFolder(args.data)
    data.open(plant.config.site.id)
    given = {name: value for name, value in (("host", args.host), ("port", args.port)) if value is not None}
    web = plant.config.web.model_copy(update=given)
    room = room_of(plant, data, clock_of(args), args.config.parent)
    with open_patiently(room.records, plant.config, threading.Event()) as records:
        check_binding(web, records)
        public = urlsplit(plant.config.notify.public_url or "")
        access = Access(
            known_hosts(web.host, [*args.name, *([public.hostname] if public.hostname else [])]),
            origins=frozenset([f"{public.scheme}://{public.netloc}"] if public.hostname else []),
            cookie=f"andon_session_{web.port}",  # cookies do not know ports: two demos on one machine
            tls=web.tls_cert is not None,
            # A simulated plant has nothing to guard, and its one-time token is spent: who only watches stays in.
            idle_lock=not (is_loopback(web.host) and (args.no_idle_lock or isinstance(room.clock, ScaledClock))),
            metrics_token=Secret(args.metrics_token_file.read_text().strip()) if args.metrics_token_file else None,
            inbound_keys=inbound_keys(plant.config.erp, args.config.parent),
        )
        server = uvicorn.Server(uvicorn.Config(
            create_app(room, access), host=web.host, port=web.port, ssl_certfile=web.tls_cert,
            ssl_keyfile=web.tls_key, access_log=False, log_config=None, server_header=False,
            timeout_graceful_shutdown=2, limit_concurrency=300, h11_max_incomplete_event_size=32_768,
        ))  # fmt: skip
        # uvicorn drains on its own handlers and then raises the signal again for these, which must not end us badly.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(server, "should_exit", True))
        server.run()
        return 0 if server.started else 1
