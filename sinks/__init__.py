"""Ways out: writers to local durable files, and senders that drain them."""
