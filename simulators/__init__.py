"""Devices with a physics of their own, labelled faults, and a checker that knows what must have come of them.

The plant of the demo. Nothing here knows how Andon computes: the fault log is derived from the physics alone, so it
can be held against what Andon recorded.
"""
