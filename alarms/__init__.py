"""Rules to conditions, and the life of an alarm. Pure: no input or output, no clock."""
