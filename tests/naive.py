"""Slow, obvious twins of the computing kernels: plain Python, one second or one row at a time."""

from __future__ import annotations

import math

NS = 1_000_000_000


def value_at(points, second, gap_s):
    """The value that stands at a whole second, or None. points: [(second, value)] sorted by time, then value."""
    standing = None
    for time, value in points:
        if time <= second:
            standing = (time, value)
    if standing is None or second - standing[0] >= gap_s:
        return None
    return standing[1]


def cold_chain(points, start, end, gap_s, low, high, activation=83144.0):
    """Second by second over [start, end); needs points at whole seconds."""
    standing = [value_at(points, second, gap_s) for second in range(start, end)]
    known = [value for value in standing if value is not None]
    parts = {
        "covered_s": float(len(known)),
        "gap_s": float(end - start - len(known)),
        "samples": float(sum(start <= time < end for time, _ in points)),
        "above_s": float(sum(value > high for value in known)),
        "below_s": float(sum(value < low for value in known)),
        "above_c_min": sum(max(value - high, 0.0) for value in known) / 60.0,
        "below_c_min": sum(max(low - value, 0.0) for value in known) / 60.0,
    }
    touched = known + [value for time, value in points if start <= time < end]
    parts["minimum"] = min(touched) if known else None
    parts["maximum"] = max(touched) if known else None
    parts["mean"] = sum(known) / len(known) if known else None
    parts["mkt"] = mkt(known, activation) if known else None
    return parts


def mkt(values_c, activation=83144.0):
    """The defining formula, without any care for underflow."""
    kelvin = activation / 8.3144
    rate = sum(math.exp(-kelvin / (value + 273.15)) for value in values_c) / len(values_c)
    return kelvin / -math.log(rate) - 273.15


def counted(samples, start, end, modulus):
    """Walk over the samples [(second, count)] and add what each one adds."""
    total, previous = 0.0, None
    for time, value in samples:
        if previous is not None and start <= time < end:
            if value >= previous:
                total += value - previous
            elif modulus is None:
                total += value
            else:
                total += value + modulus - previous
        previous = value
    return total


def oee_seconds(states, modes, start, end, gap_s, element_of):
    """Seconds per time element. states, modes: [(second, code)]; element_of: code -> element."""
    out = {}
    for second in range(start, end):
        state, mode = value_at(states, second, gap_s), value_at(modes, second, gap_s)
        if mode is not None and mode != 1:
            element = "planned_down_s"
        else:
            element = "unknown_s" if state is None else element_of(int(state))
        out[element] = out.get(element, 0) + 1
    return out


class Detector:
    """The robust detector of one series, straight from its description; see detectors/robust_kernel.py."""

    def __init__(self):
        self.rows = 0

    def step(self, time_s, value):
        if not abs(value) <= 1e150:
            return math.nan
        if self.rows == 0:
            self._begin(time_s, value)
            return 0.0
        self._pass_time(time_s, value)
        self.repeats = self.repeats + 1 if value == self.last else 0
        self.moves += self.repeats == 0
        score = 0.0
        if self.moves >= 20:
            logs = self._logs(value)
            for k, log_z in logs.items():
                if self.seen[k] == 0:
                    self.model["q"][k] = self.draft["q"][k] = max(log_z, 0.5)
                self.seen[k] += 1
            tails = [self._tail(k, log_z) for k, log_z in logs.items()]
            total = sum(max(tail - 1.0, 0.0) ** 3 for tail in tails) ** (1 / 3)
            self.seen[8] += 1
            if self.moves >= 200:
                score = 1.0 + (total - self.model["q"][8]) / (math.log(10.0) * self.model["excess"][8])
                score = min(max(score, 0.0), 12.0)
            if self.repeats <= 400:
                self._learn_tails(logs, total)
        if self.repeats <= 400:
            self._learn_levels(value)
            self._end_block(score)
        self.last = value
        return score

    def _begin(self, time_s, value):
        self.rows, self.moves, self.repeats = 1, 0, 0
        self.time_s, self.interval_s, self.last = time_s, 0.0, value
        self.memory, self.noise = [value] * 3, 0.0
        self.block = self.hot = 0
        self.patience = 4.0
        self.seen, self.run = [0] * 9, [0.0] * 9
        self.model = {
            "reference": value, "spread": [0.0] * 4, "step": 0.0, "noise": 0.04,
            "q": [0.0] * 8 + [1.0], "excess": [0.31] * 8 + [0.6],
        }  # fmt: skip
        self.draft = copy_of(self.model)

    def _pass_time(self, time_s, value):
        interval, usual = time_s - self.time_s, self.interval_s
        if self.rows > 20 and usual > 0 and interval > 10 * usual:
            self.last = value
            for j, rate in enumerate((0.2, 0.03, 0.005)):
                self.memory[j] += (1 - (1 - rate) ** (interval / usual)) * (value - self.memory[j])
        seen = min(interval, 3 * usual) if self.rows > 20 else interval
        self.interval_s += max(0.01, 1 / self.rows) * (seen - usual)
        self.time_s = time_s

    def _floor(self):
        return abs(self.model["reference"]) * 1e-9 + 1e-300

    def _logs(self, value):
        """ln of each nonconformity that says something."""
        model, floor = self.model, self._floor()
        z = [abs(value - self.memory[j]) / (model["spread"][j] + floor) for j in range(3)]
        z.append(abs(value - model["reference"]) / (model["spread"][3] + floor))
        z.append(abs(value - self.last) / (model["step"] + floor))
        z += [abs(self.memory[j] - model["reference"]) / (model["spread"][3] + floor) for j in (1, 2)]
        ratio = math.log((self.noise + floor) / (model["spread"][1] + floor))
        z.append(max(ratio, 0.0) / model["noise"] if self.rows >= 400 else 0.0)
        return {k: math.log(one) for k, one in enumerate(z) if one > 1e-9}

    def _tail(self, k, log_z):
        power = 0.31 / max(self.model["excess"][k], 0.19)
        return math.exp(min(power * (log_z - self.model["q"][k]), 3.0))

    def _learn_tails(self, logs, total):
        for k, log_z in logs.items():
            rate = max(0.0003 if k >= 5 else 0.001, 3.0 / (self.seen[k] + 10))
            self._learn_tail(k, log_z, rate, 3.5)
        self.draft["q"][7] = max(self.draft["q"][7], 0.5)
        rate = max(0.0003, 3.0 / (self.seen[8] + 10)) * 2 * max(self.draft["excess"][8], 0.2)
        self._learn_tail(8, total, rate, 5.0)
        self.draft["q"][8] = max(self.draft["q"][8], 0.0)

    def _learn_tail(self, k, z, rate, limit):
        q, excess = self.draft["q"], self.draft["excess"]
        above = z - q[k]
        if above > 0:
            self.run[k] += 1
            weight = max(0.0005, 1 / (30 + 0.1 * self.seen[k])) / self.run[k] ** 0.7
            excess[k] += weight * (min(above, limit * excess[k]) - excess[k])
            q[k] += 0.9 * rate
        else:
            self.run[k] = self.run[k] - 0.5 if self.run[k] > 1 else 0.0
            q[k] -= 0.1 * rate

    def _learn_levels(self, value):
        draft, floor, settled = self.draft, self._floor(), self.moves >= 20

        def toward(average, sample, clipped=settled, least=floor):
            sample = min(sample, 3 * (average + least)) if clipped else sample
            return average + slow * (sample - average)

        self.rows += 1
        slow = max(0.0005, 1 / self.rows)
        for j, rate in enumerate((0.2, 0.03, 0.005)):
            residual = value - self.memory[j]
            draft["spread"][j] = toward(draft["spread"][j], abs(residual))
            self.memory[j] += max(rate, 1 / self.rows) * residual
        residual = value - draft["reference"]
        if settled:
            most = 3 * (draft["spread"][3] + floor)
            residual = min(max(residual, -most), most)
        draft["spread"][3] = toward(draft["spread"][3], abs(residual))
        draft["reference"] += slow * residual
        draft["step"] = toward(draft["step"], abs(value - self.last))
        if self.rows >= 400:
            ratio = abs(math.log((self.noise + floor) / (draft["spread"][1] + floor)))
            draft["noise"] = max(toward(draft["noise"], ratio, True, 0.0), 0.01)
        self.noise += max(0.005, 1 / self.rows) * (abs(value - self.memory[1]) - self.noise)

    def _end_block(self, score):
        self.block += 1
        self.hot += score >= 3
        warm = self.moves >= 200
        if warm and self.block < min(256, 0.2 * self.rows):
            return
        if warm and self.hot > 0.2 * self.block and self.patience >= 1:
            self.patience -= 1
            self.draft = copy_of(self.model)
        else:
            if warm:
                self.patience = min(4.0, self.patience + 0.05)
            self.model = copy_of(self.draft)
        self.block = self.hot = 0


def copy_of(model):
    return {name: list(part) if isinstance(part, list) else part for name, part in model.items()}
