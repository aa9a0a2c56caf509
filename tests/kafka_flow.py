"""A flow that writes what the source gives into a file: for tests that kill it.

python -m tests.kafka_flow CONFIG DATA OUT SHARDS
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.heartbeat import Heartbeat
from andon.process import stop_on_signals
from sources.kafka.kafka_bytewax import KafkaSource


class Lines(StatefulSinkPartition):
    """Shard, offset, stamp and body a line. The state is the length of the file; a start cuts off what is behind it."""

    def __init__(self, path, length):
        self._file = path.open("ab")
        self._file.truncate(length or 0)

    def write_batch(self, values):
        for batch in values:
            for offset, stamp, body in batch.messages:
                self._file.write(b"%d %d %d %s\n" % (batch.shard, offset, stamp, body.hex().encode()))
        self._file.flush()

    def snapshot(self):
        return self._file.tell()

    def close(self):
        self._file.close()


class OneFile(FixedPartitionedSink):
    def __init__(self, path):
        self._path = path

    def list_parts(self):
        return ["one"]

    def part_fn(self, _key):
        return 0

    def build_part(self, _step_id, _for_part, resume_state):
        return Lines(self._path, resume_state)


def main():
    config, folder, out, shards = sys.argv[1:]
    plant, data = load_plant(Path(config)), DataFolder(Path(folder))
    data.create("szh1", plant.config.transport.shards)
    numbers = [int(one) for one in shards.split(",")]
    source = KafkaSource(plant, data, numbers, stop_on_signals(), Heartbeat(data, "flow-0"))
    flow = Dataflow("test")
    batches = op.input("kafka", flow, source)
    op.output("out", batches, OneFile(Path(out)))
    recovery = Path(f"{out}-recovery")
    if not recovery.exists():
        recovery.mkdir()
        init_db_dir(recovery, 1)
    cli_main(flow, epoch_interval=timedelta(seconds=0.2), recovery_config=RecoveryConfig(recovery))


if __name__ == "__main__":
    main()
