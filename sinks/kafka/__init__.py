"""What Andon publishes on Kafka: windows, alarms, dead letters, each on a topic of its own.

Delivery: at least once, in order within a key. Every message carries the header `id`; the same id is the same
message, so a consumer that drops ids it has seen has each of them exactly once. docs/kafka-out.md is the contract.

message.py    what is sent, and what gives it; window_lines.py: the flow's part, windows as lines of a segment queue
feeds         windows.py (with refill.py), dead_letters.py, alarms.py: what comes next, and how far the broker has it
publisher.py  one round trip with the broker: every message confirmed by its own callback, or not sent
sender.py     feeds through a publisher to one topic, for ever; watch.py: alarms about that
"""
