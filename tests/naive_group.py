"""Groups of series written plainly: all rows at once, one window after the other, no state but the detector's own."""

from __future__ import annotations

import math

import numpy as np

from detectors.alarm_manager import AlarmManager, AlarmSettings
from detectors.mewma import MewmaDetector

FAR_AGO = -(10**18)


def product_at(events, at_ns):
    """(product, since when) after every event up to and at an instant; only product.changed is told here."""
    product, since = "", FAR_AGO
    for one in events:
        if one.time_ns <= at_ns and one.data["product"] != product:
            product, since = one.data["product"], one.time_ns
    return product, since


def running_at(states, at_ns, gap_ns):
    """(runs, since when) by the states up to and at an instant."""
    before, since, newest = 0, FAR_AGO, FAR_AGO
    for time_ns, code in states:
        if time_ns <= at_ns:
            if code == 1 and before != 1:
                since = time_ns
            before, newest = code, time_ns
    return before == 1 and at_ns - newest <= gap_ns, since


def figures(rows, events, upto_ns, *, channels, window_ns, learn, days, gap_ns=None, settle_ns=0):
    """(start, product, counts, score, alarm, channel) of each window. rows: (time_ns, input, value, status), sorted."""
    states = [(at, value) for at, which, value, _ in rows if which == channels]
    models, counts, out = {}, {}, []
    manager = AlarmManager(1, AlarmSettings(false_alarm_days=days))
    for start in range(0, upto_ns - window_ns + 1, window_ns):
        end = start + window_ns
        # An event at the end itself belongs to the next window.
        inside = [one for one in events if one.time_ns < end]
        product, since = product_at(inside, end)
        values = [[] for _ in range(channels)]
        for at, which, value, _ in rows:
            if not start <= at < end or which == channels or at < since + (settle_ns if since > FAR_AGO else 0):
                continue
            if gap_ns is not None:
                runs, begun = running_at(states, at, gap_ns)
                if not runs or at - begun < settle_ns:
                    continue
            values[which].append(value)
        if not any(values):
            continue
        means = [sum(one) / len(one) if one else math.nan for one in values]
        model = models.setdefault(product, MewmaDetector(channels, learn))
        found = model.score_many(np.array([end]), np.array([means]))
        before = counts.get(product, 0)
        counts[product] = before + 1
        score = float(found.score[0])
        if before < learn or math.isnan(score):
            out.append((start, product, sum(map(bool, values)), None, None, None))
            continue
        alarm = manager.step(np.zeros(1, np.int32), np.array([end]), np.array([score]))[0]
        top = int(found.channel[0])
        out.append((start, product, sum(map(bool, values)), score, float(alarm), None if top == 255 else f"c{top}"))
    return out
