"""The dataflows: a shard's engine, and its wiring into Bytewax."""
