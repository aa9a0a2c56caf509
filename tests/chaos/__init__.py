"""Kills processes of a site at random instants and holds what is left against what must be there.

feeder.py       the log: a function of the seed alone, so that the undisturbed run can be computed again
processes.py    the parts of a site as processes that start in 50 ms, are killed, and start again
protections.py  each protection of the product, switched off: the controls, which the checker must see
lanes.py        one lane a part: wait until it got somewhere, wait a random while, kill, start again
reference.py    the same log through the engine and the writers, in one process, undisturbed
compare.py      the checker: every store row by row against the reference and against the simulators' truth
suite.py        rounds, progress that survives an interruption, the result
demo.py         the demo under its own supervisor, killed from outside
run.py          the command line: python -m tests.chaos.run --kills 1000 --seed 1
"""
