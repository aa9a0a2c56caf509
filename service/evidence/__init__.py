"""Evidence of an alarm: a bundle that can be proved, a picture, a report for print.

bundle = collect(room, key)        # sections from the records, the journal, the history
bundle.data()                      # canonical JSON: the same alarm, the same bytes
verify(room, data).ok              # its hashes, and its readings against the journal
"""
