"""The ensemble detector and the alarm manager of one series, straight from their descriptions: slow and obvious."""

from __future__ import annotations

import copy
import math

RATES = (0.2, 0.03, 0.005)
NAMES = (
    "from_fast", "from_middle", "from_slow", "from_reference", "step", "middle_shift", "slow_shift", "noise_up",
    "noise_down", "range", "time_of_day", "short_shape", "long_shape", "standstill",
)  # fmt: skip
SLOW = {"middle_shift", "slow_shift", "noise_up"}


def clipped(value, most):
    return min(max(value, -most), most)


class Season:
    """Half-hour bins of the day, each learned when it is left."""

    def __init__(self):
        self.profile, self.spread, self.visits = [0.0] * 48, [0.0] * 48, [0] * 48
        self.bin, self.visit = None, []
        self.rows, self.error, self.plain = 0, 0.0, 0.0

    def look(self, time_ns, value, reference, floor, learns):
        """(nonconformity, trust, expected, spread) of a value."""
        b = time_ns // 1_800_000_000_000 % 48
        if b != self.bin:
            if self.visit:
                self._leave()
            self.bin, self.visit = b, []
        known = self.visits[b] >= 2
        off = abs(value - self.profile[b]) if known else 0.0
        z, trust, usual = 0.0, 0.0, 0.5 * self.spread[b] + 0.5 * self.error
        if known and self.rows >= 100:
            trust = min(1.0, max(0.0, 3.0 * (1.0 - self.error / (self.plain + floor) - 0.1)))
            z = off / (usual + floor)
        said = (z, trust, self.profile[b], usual)
        if learns:
            self.visit.append((value, off))
            if known:
                self.rows += 1
                plain = abs(value - reference)
                if self.rows > 50:
                    off, plain = min(off, 3 * self.error), min(plain, 3 * self.plain)
                rate = max(0.001, 1 / self.rows)
                self.error += rate * (off - self.error)
                self.plain += rate * (plain - self.plain)
        return said

    def _leave(self):
        b = self.bin
        mean, miss = (sum(column) / len(self.visit) for column in zip(*self.visit, strict=True))
        self.visits[b] += 1
        visits = self.visits[b]
        if visits == 1:
            self.profile[b] = mean
            return
        if visits > 2:
            most = 3 * (self.spread[b] + 0.3 * self.error)
            mean = self.profile[b] + clipped(mean - self.profile[b], most)
        if self.rows > 50:
            miss = min(miss, 3 * self.error)
        self.profile[b] += max(0.15, 1 / visits) * (mean - self.profile[b])
        self.spread[b] += max(0.15, 1 / (visits - 1)) * (miss - self.spread[b])


class Shapes:
    """Windows of twelve values beside at most sixteen prototypes."""

    def __init__(self):
        self.window, self.ticks, self.prototypes, self.weights = [], 0, [], []

    def push(self, value):
        self.window = [*self.window, value][-12:]
        self.ticks += 1

    def look(self, spread, far, learns):
        """(distance, expected)."""
        if len(self.window) < 12:
            return 0.0, math.nan
        mean = sum(self.window) / 12
        shape = [value - mean for value in self.window]
        distances = [
            math.sqrt(sum((a - b) ** 2 for a, b in zip(shape, one, strict=True)) / 12) for one in self.prototypes
        ]
        nearest = distances.index(min(distances)) if distances else 0
        distance = distances[nearest] / spread if distances else 0.0
        expected = mean + self.prototypes[nearest][-1] if distances else math.nan
        if learns:
            self._learn(shape, nearest, distance > 1.5 * far > 0)
        return distance, expected

    def _learn(self, shape, nearest, novel):
        used = len(self.prototypes)
        if used == 0 or (used < 16 and (novel or self.ticks > used * 24)):
            self.prototypes.append(shape)
            self.weights.append(1.0)
        elif novel:
            self.weights = [0.98 * weight for weight in self.weights]
            least = self.weights.index(min(self.weights))
            self.weights[least] += 1
            self.prototypes[least] = shape
        else:
            self.weights[nearest] += 1
            rate = max(0.05, 1 / (1 + self.weights[nearest]))
            self.prototypes[nearest] = [
                b + rate * (a - b) for a, b in zip(shape, self.prototypes[nearest], strict=True)
            ]


class Ensemble:
    """One series."""

    def __init__(self):
        self.rows = 0

    def step(self, time_ns, value):
        """(score, part's name or None, expected, spread) of a row."""
        nothing = (0.0, None, math.nan, math.nan)
        if not abs(value) <= 1e30:
            return math.nan, None, math.nan, math.nan
        if self.rows == 0:
            self._begin(time_ns / 1e9, value)
            return nothing
        self._pass_time(time_ns / 1e9, value)
        self._pass_standstill(value)
        learns = self.repeats <= 400
        self.floor = abs(self.model["reference"]) * 1e-9 + 1e-300
        season, trust, self.usual, self.usual_off = self.season.look(
            time_ns, value, self.model["reference"], self.floor, learns
        )
        shapes = self._shapes(value, learns)
        score, said = 0.0, nothing
        if self.moves >= 20:
            z = {**self._nonconformities(value), "time_of_day": season, **shapes}
            logs = {name: math.log(one) for name, one in z.items() if one > 1e-30}
            tails = self._tails(logs, trust)
            total = math.sqrt(sum(max(tail - 1, 0.0) ** 2 for tail in tails.values()))
            self.seen["total"] += 1
            if self.moves >= 200:
                score = 1 + (total - self.model["q"]["total"]) / (math.log(10) * self.model["excess"]["total"])
                score = min(max(score, 0.0), 30.0)
            most = max(NAMES, key=lambda name: tails.get(name, 0.0))
            if score > 0 and tails.get(most, 0.0) > 1:
                said = (score, most, *self._normal(most, value))
            else:
                said = (score, *nothing[1:])
            if learns:
                self._learn_tails(logs, total)
        if learns:
            self._learn_levels(value)
            self._end_block(score)
        self.last = value
        return said

    def _begin(self, time_s, value):
        self.rows, self.moves, self.repeats, self.habit = 1, 0, 0, 0.0
        self.time_s, self.interval_s, self.last, self.low, self.high = time_s, 0.0, value, value, value
        self.memory, self.noise, self.brief_noise = [value] * 3, 0.0, 0.0
        self.season, self.short, self.long = Season(), Shapes(), Shapes()
        self.six, self.held = [], (0.0, math.nan)
        self.block, self.hot, self.patience = 0, 0, 4.0
        self.seen, self.run = dict.fromkeys((*NAMES, "total"), 0), dict.fromkeys((*NAMES, "total"), 0.0)
        self.model = {
            "reference": value, "spread": [0.0] * 4, "step": 0.0, "noise": 0.04,
            "q": {**dict.fromkeys(NAMES, 0.0), "total": 1.0}, "excess": {**dict.fromkeys(NAMES, 0.31), "total": 0.6},
        }  # fmt: skip
        self.draft = copy.deepcopy(self.model)

    def _pass_time(self, time_s, value):
        interval, usual = time_s - self.time_s, self.interval_s
        if self.rows > 20 and usual > 0 and interval > 10 * usual:
            self.last = value
            self.short.window, self.long.window, self.six = [], [], []
            for j, rate in enumerate(RATES):
                self.memory[j] += (1 - (1 - rate) ** (interval / usual)) * (value - self.memory[j])
        seen = min(interval, 3 * usual) if self.rows > 20 else interval
        self.interval_s += max(0.01, 1 / self.rows) * (seen - usual)
        self.time_s = time_s

    def _pass_standstill(self, value):
        if value == self.last:
            self.repeats += 1
        else:
            self.habit = max(self.repeats, self.habit - 0.001 * (self.habit - self.repeats))
            self.repeats = 0
            self.moves += 1

    def _shapes(self, value, learns):
        spread = self.model["spread"][3] + self.floor
        self.short.push(value)
        self.six.append(value)
        full = len(self.six) == 6
        if full:
            self.long.push(sum(self.six) / 6)
            self.six = []
        if self.moves < 20:
            return {}
        far = {name: math.exp(self.model["q"][name]) if self.seen[name] else 0.0 for name in NAMES}
        distance, self.short_expects = self.short.look(spread, far["short_shape"], learns)
        if full:
            self.held = self.long.look(spread, far["long_shape"], learns)
        return {"short_shape": distance, "long_shape": self.held[0]}

    def _nonconformities(self, value):
        model, floor, memory = self.model, self.floor, self.memory
        spread = model["spread"][3] + floor
        z = {name: abs(value - memory[j]) / (model["spread"][j] + floor) for j, name in enumerate(NAMES[:3])}
        z["from_reference"] = abs(value - model["reference"]) / spread
        z["step"] = abs(value - self.last) / (model["step"] + floor)
        z["middle_shift"] = abs(memory[1] - model["reference"]) / spread
        z["slow_shift"] = abs(memory[2] - model["reference"]) / spread
        if self.rows >= 400:
            ratio = math.log((self.noise + floor) / (model["spread"][1] + floor))
            z["noise_up"] = max(ratio, 0.0) / model["noise"]
        if self.rows >= 100:
            z["noise_down"] = max(math.log((model["spread"][0] + floor) / (self.brief_noise + floor)), 0.0) / 0.04
        if self.rows > 50:
            beyond = max(value - self.high, self.low - value) / (self.high - self.low + floor)
            z["range"] = math.exp(min(4 * beyond, 50.0))
        z["standstill"] = (self.repeats + 1) / (self.habit + 2)
        return z

    def _tails(self, logs, trust):
        tails = {}
        for name, log_z in logs.items():
            if self.seen[name] == 0:
                self.model["q"][name] = self.draft["q"][name] = max(log_z, 0.5)
            self.seen[name] += 1
            power = 0.31 / max(self.model["excess"][name], 0.19)
            tails[name] = math.exp(min(power * (log_z - self.model["q"][name]), 3.0))
        if "time_of_day" in tails:
            tails["time_of_day"] *= trust
        return tails

    def _normal(self, name, value):
        model, spread = self.model, self.model["spread"]
        reference = (model["reference"], spread[3])
        return {
            "from_fast": (self.memory[0], spread[0]),
            "from_middle": (self.memory[1], spread[1]),
            "from_slow": (self.memory[2], spread[2]),
            "from_reference": reference,
            "step": (self.last, model["step"]),
            "middle_shift": reference,
            "slow_shift": reference,
            "noise_up": (self.memory[1], spread[1]),
            "noise_down": (self.memory[0], spread[0]),
            "range": (self.high if value > self.high else self.low, spread[3]),
            "time_of_day": (self.usual, self.usual_off),
            "short_shape": (self.short_expects, spread[3]),
            "long_shape": (self.held[1], spread[3]),
            "standstill": (math.nan, math.nan),
        }[name]

    def _learn_tails(self, logs, total):
        for name, log_z in logs.items():
            rate = max(0.0003 if name in SLOW else 0.001, 3 / (self.seen[name] + 10))
            self._learn_tail(name, log_z, rate, 3.5)
        for name in ("noise_up", "noise_down", "standstill"):
            self.draft["q"][name] = max(self.draft["q"][name], 0.5)
        rate = max(0.0003, 3 / (self.seen["total"] + 10)) * 2 * max(self.draft["excess"]["total"], 0.2)
        self._learn_tail("total", total, rate, 5.0)
        self.draft["q"]["total"] = max(self.draft["q"]["total"], 0.0)

    def _learn_tail(self, name, z, rate, limit):
        q, excess = self.draft["q"], self.draft["excess"]
        above = z - q[name]
        if above > 0:
            self.run[name] += 1
            weight = max(0.0005, 1 / (30 + 0.1 * self.seen[name])) / self.run[name] ** 0.7
            excess[name] += weight * (min(above, limit * excess[name]) - excess[name])
            q[name] += 0.9 * rate
        else:
            self.run[name] = self.run[name] - 0.5 if self.run[name] > 1 else 0.0
            q[name] -= 0.1 * rate

    def _learn_levels(self, value):
        draft, floor, settled = self.draft, self.floor, self.rows >= 20

        def toward(average, sample, clip=settled, least=floor):
            sample = min(sample, 3 * (average + least)) if clip else sample
            return average + slow * (sample - average)

        self.rows += 1
        slow = max(0.0005, 1 / self.rows)
        if self.rows >= 400:
            ratio = abs(math.log((self.noise + floor) / (draft["spread"][1] + floor)))
            draft["noise"] = max(toward(draft["noise"], ratio, True, 0.0), 0.01)
        for j, rate in enumerate(RATES):
            residual = value - self.memory[j]
            draft["spread"][j] = toward(draft["spread"][j], abs(residual))
            self.memory[j] += max(rate, 1 / self.rows) * residual
        residual = value - draft["reference"]
        if settled:
            residual = clipped(residual, 3 * (draft["spread"][3] + floor))
        draft["spread"][3] = toward(draft["spread"][3], abs(residual))
        draft["reference"] += slow * residual
        draft["step"] = toward(draft["step"], abs(value - self.last))
        self.noise += max(0.005, 1 / self.rows) * (abs(value - self.memory[1]) - self.noise)
        self.brief_noise += max(0.03, 1 / self.rows) * (abs(value - self.memory[0]) - self.brief_noise)
        width = self.high - self.low
        self.high = max(value, self.high - 0.0001 * width)
        self.low = min(value, self.low + 0.0001 * width)

    def _end_block(self, score):
        self.block += 1
        self.hot += score >= 3
        warm = self.moves >= 200
        if warm and self.block < min(256, 0.2 * self.rows):
            return
        if warm and self.hot > 0.2 * self.block and self.patience >= 1:
            self.patience -= 1
            self.draft = copy.deepcopy(self.model)
        else:
            self.patience = min(4.0, self.patience + 0.05) if warm else self.patience
            self.model = copy.deepcopy(self.draft)
        self.block = self.hot = 0


def alarms(time_ns, score, days=7.0):
    """0 or 1 of each row of one series: the alarm manager with a list of all episodes."""
    episodes, hot, told, rows = [], None, [], 0
    first = None
    for now, one in zip(time_ns, score, strict=True):
        told.append(0)
        if math.isnan(one):
            continue
        rows += 1
        first = now if first is None else first
        threshold = 4.0
        if now > first:
            threshold = max(threshold, math.log10(days * 86400e9 * (rows - 1) / (now - first)) + 0.8)
        if one < threshold:
            continue
        new = hot is None or (rows - hot[0] > 50 and now - hot[1] > 3600e9)
        strong = sum(math.exp(-(now - at) / (3 * days * 86400e9)) for at, peak in episodes[-16:] if peak >= one - 1)
        if (new or one > 2 * episodes[-1][1]) and strong < 3:
            told[-1] = 1
        if new:
            episodes.append((now, one))
        elif one > episodes[-1][1]:
            episodes[-1] = (episodes[-1][0], one)
        hot = (rows, now)
    return told
