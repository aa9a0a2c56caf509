"""Half-space trees in plain Python, from the paper: nested nodes with their own ranges, one row at a time.

The numbers drawn by chance are those of the kernel's seed, in its order: points of a tree, then features of its nodes
level by level. Scales, refusals of windows and the tail are told as in docs/detection.md.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

SEED = 20110716
USABLE = 1e150


class Node:
    """A half-space: range of each feature, masses by window, two halves below unless it is the last."""

    def __init__(self, ranges, depth):
        self.ranges, self.depth, self.halves = ranges, depth, None
        self.mass = {"reference": 0, "latest": 0}

    def split(self, feature):
        low, high = self.ranges[feature]
        self.feature, self.middle = feature, (low + high) / 2.0
        left, right = dict(self.ranges), dict(self.ranges)
        left[feature], right[feature] = (low, self.middle), (self.middle, high)
        self.halves = Node(left, self.depth + 1), Node(right, self.depth + 1)

    def half_of(self, point, window):
        x = point[self.feature]
        left, right = self.halves
        if x is None:
            return left if left.mass[window] >= right.mass[window] else right
        return left if x < self.middle else right

    def below(self):
        yield self
        for half in self.halves or ():
            yield from half.below()


def tree(features, height, rng):
    point = rng.random(features).tolist()
    drawn = iter(rng.integers(0, features, 2**height - 1).tolist())
    root = Node({q: (s - 2 * max(s, 1 - s), s + 2 * max(s, 1 - s)) for q, s in enumerate(point)}, 0)
    level = [root]
    for _ in range(height):
        for node in level:
            node.split(next(drawn))
        level = [half for node in level for half in node.halves]
    return root


class HalfSpace:
    """Any number of features, None where missing."""

    def __init__(self, features, trees, height, teaches):
        rng = np.random.default_rng(SEED)
        self.features, self.teaches, self.window = features, teaches, min(teaches // 2, 32_768)
        self.trees = [tree(features, height, rng) for _ in range(trees)]
        self.rows = self.moves = self.counted = self.hot = self.reference_rows = self.tail_rows = 0
        self.patience, self.q, self.excess, self.run = 4.0, 1.0, 0.6, 0.0
        self.learned = [None] * features  # (centre, spread) of each
        self.scale = {}  # of each window

    def row(self, x):
        """(score, feature or None) of a row, before it is learned."""
        self.rows += 1
        settled = self.rows > self.teaches // 4
        if self.rows == self.teaches // 4 + 1:
            self._begin()
        score, feature = 0.0, None
        if self.reference_rows:
            score, feature = self._judge(self._placed(x, "reference"))
        if settled:
            point = self._placed(x, "latest")
            for root in self.trees:
                for node in self._path(root, point, "latest", -1.0):
                    node.mass["latest"] += 1
            self.counted += 1
            self.hot += score >= 3.0
        self._learn(x, settled)
        if settled and self.counted >= self.window:
            self._end()
        return score, feature

    def _path(self, root, point, window, least):
        """The nodes a point goes through, until one with no more than `least` mass or the last."""
        nodes = [root]
        while nodes[-1].halves and nodes[-1].mass[window] > least:
            nodes.append(nodes[-1].half_of(point, window))
        return nodes

    def _placed(self, x, window):
        point = []
        for one, scale in zip(x, self.scale[window], strict=True):
            if one is None or scale is None:
                point.append(None)
                continue
            centre, spread = scale
            point.append(0.5 + (one - centre) / (6.0 * (spread + abs(centre) * 1e-9 + 1e-300)))
        return point

    def _judge(self, point):
        n = self.reference_rows
        paths = [self._path(root, point, "reference", 0.1 * n) for root in self.trees]
        dense = sum(math.log((path[-1].mass["reference"] + 0.5) * 2 ** path[-1].depth / n) for path in paths)
        z = sum(math.log(1 + max(0.0, abs(u - 0.5) - 0.5)) for u in point if u is not None) - dense / len(paths)
        said = 1.0 + (z - self.q) / (math.log(10.0) * max(self.excess, 0.05))
        self._learn_tail(z)
        if self.rows <= self.teaches or self.moves < 20:
            return 0.0, None
        score = min(max(said, 0.0), 12.0)
        if score <= 1.0:
            return score, None
        blame = [0.0] * self.features
        for path in paths:
            for node, half in pairwise(path):
                blame[node.feature] += math.log((node.mass["reference"] + 1) / (2 * half.mass["reference"] + 1))
        most = max(range(self.features), key=lambda q: blame[q])
        return score, most if blame[most] > 0 else None

    def _learn_tail(self, z):
        self.tail_rows += 1
        rate = max(0.0003, 3.0 / (self.tail_rows + 10.0)) * 2.0 * max(self.excess, 0.2)
        above = z - self.q
        if above <= 0:
            self.q, self.run = self.q - rate * 0.1, self.run - 0.5 if self.run > 1 else 0.0
            return
        self.run += 1
        weight = max(0.0005, 1 / (30 + 0.1 * self.tail_rows)) / self.run**0.7
        self.q, self.excess = self.q + rate * 0.9, self.excess + weight * (min(above, 5 * self.excess) - self.excess)

    def _learn(self, x, clipped):
        rate = max(1 / self.rows, 1 / (4 * self.window))
        for q, one in enumerate(x):
            if one is None:
                continue
            if self.learned[q] is None or self.rows == 1:
                self.learned[q] = (one, 0.0)
                continue
            centre, spread = self.learned[q]
            off = one - centre
            if clipped:
                most = 3 * (spread + abs(centre) * 1e-9 + 1e-300)
                off = min(max(off, -most), most)
            self.learned[q] = (centre + rate * off, spread + rate * (abs(off) - spread))

    def _begin(self):
        for root in self.trees:
            for node in root.below():
                node.mass["latest"] = 0
        self.scale["latest"] = list(self.learned)
        self.counted = self.hot = 0

    def _end(self):
        if self.reference_rows and self.hot > 0.2 * self.counted and self.patience >= 1:
            self.patience -= 1
        else:
            self.patience = min(4.0, self.patience + 0.25)
            self.reference_rows, self.scale["reference"] = self.counted, self.scale["latest"]
            for root in self.trees:
                for node in root.below():
                    node.mass["reference"] = node.mass["latest"]
        self._begin()


class HalfSpaceSeries:
    """Of one series: value, step, residual."""

    def __init__(self):
        self.trees = HalfSpace(3, 16, 6, 500)
        self.last = self.mean = self.time = None
        self.interval = 0.0

    def step(self, time_s, value):
        if not abs(value) <= USABLE:
            return math.nan, None
        rows = self.trees.rows
        if rows == 0:
            self.last = self.mean = value
        else:
            interval, usual = time_s - self.time, self.interval
            if rows > 20 and usual > 0 and interval > 10 * usual:
                self.last = self.mean = value
            counts = min(interval, 3 * usual) if rows > 20 else interval
            self.interval += max(0.01, 1 / rows) * (counts - usual)
        self.time = time_s
        self.trees.moves += value != self.last
        found = self.trees.row([value, value - self.last, value - self.mean])
        self.last, self.mean = value, self.mean + 0.1 * (value - self.mean)
        return found


class HalfSpaceGroup:
    """Of a group."""

    def __init__(self, channels, reference_rows):
        self.trees = HalfSpace(channels, 25, 8, reference_rows)
        self.last, self.alarm = [0.0] * channels, 0

    def step(self, values):
        x = [one if abs(one) <= USABLE else None for one in values]
        if all(one is None for one in x):
            return math.nan, self.alarm, None
        moved = [one is not None and one != last for one, last in zip(x, self.last, strict=True)]
        self.trees.moves += self.trees.rows > 0 and any(moved)
        self.last = [last if one is None else one for one, last in zip(x, self.last, strict=True)]
        score, channel = self.trees.row(x)
        self.alarm = 1 if score > 3 else 0 if score <= 1 else self.alarm
        return score, self.alarm, channel
