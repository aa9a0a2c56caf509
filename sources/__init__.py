"""Ways in: the spool, replayed files, ticks, and the decoders of wire formats."""
