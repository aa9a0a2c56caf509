"""Bindings of machine health: bearings, zones, block figures, lives, trends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.config.health_tables import BUILT_IN
from operators import bearings, spectrum, trend, vibration, waveform, weibull, zones
from service.qualify.binding import Binding, Given, defined


def _bearing(given: Given) -> dict[str, float]:
    found = bearings.bearing_rates(given["n"], given["d"], given["D"], given.get("deg", 0), given["rpm"])
    return {"FTF": found.ftf, "BPFO": found.bpfo, "BPFI": found.bpfi, "BSF": found.bsf, "BSFx2": 2.0 * found.bsf}


def _bearing_sum(given: Given) -> float:
    found = _bearing(given)
    return found["BPFO"] + found["BPFI"]


def _each(values: Any, name: str) -> Any:
    """The zone of a value, or of each of a list."""
    bounds = BUILT_IN[name].bounds
    if isinstance(values, list):
        return [defined(zones.zone_of, one, bounds) for one in values]
    return defined(zones.zone_of, values, bounds)


def _iso_zone(given: Given) -> Any:
    return _each(given["v"], f"iso20816-3.group{given['group']}.{given['support']}")


def _iso_class(given: Given) -> Any:
    return _each(given["v"], f"iso10816-1.class{('I', 'II', 'III', 'IV').index(given['cls']) + 1}")


def _wave(given: Given) -> NDArray[np.float32]:
    """A hundred periods of the form that the vector names, or its own samples."""
    if "x" in given:
        return np.array(given["x"], np.float32)
    turn = np.arange(25_600) / 256.0
    sine = np.sin(2.0 * np.pi * turn)
    forms = {
        "sine": sine,
        "square": np.where(turn % 1.0 < 0.5, 1.0, -1.0),
        "triangle": 2.0 / np.pi * np.arcsin(np.clip(sine, -1.0, 1.0)),
        "constant": np.ones_like(turn),
        "gauss": np.random.default_rng(20_816).standard_normal(1_000_000),
    }
    samples: NDArray[np.float32] = (given.get("A", 1.0) * forms[given["kind"]]).astype(np.float32)
    return samples


def _sigstats(given: Given) -> dict[str, float | None]:
    names = ("rms", "peak", "crest", "kurtosis")
    samples = _wave(given)
    found = waveform.block_figures(samples) if len(samples) else (math.nan,) * 4
    return {name: None if math.isnan(one) else one for name, one in zip(names, found, strict=True)}


def _envelope(given: Given) -> float:
    """The strongest line of the envelope of a carrier whose amplitude swings by the share m, one second of it, Hz."""
    rate = float(given["fs"])
    at = np.arange(round(rate)) / rate
    swing = 1.0 + given["m"] * np.cos(2.0 * np.pi * given["fault"] * at)
    around = spectrum.envelope(swing * np.sin(2.0 * np.pi * given["carrier"] * at), rate, *given["band"])
    hz, lines = spectrum.amplitudes(around, rate)
    return spectrum.strongest(hz, lines, 0.0, rate / 2.0)[0]


def _weibull_mle(given: Given) -> dict[str, float] | None:
    censored = next((given[name] for name in ("censored", "cens", "c", "running") if name in given), ())
    ended = given["x"]
    failed = next((given[name] for name in ("failed", "event", "events", "observed") if name in given), None)
    if failed is None and len(censored) == len(ended) and set(censored) <= {0, 1}:
        failed = [not one for one in censored]  # flags, not ages
    if failed is not None:
        pairs = list(zip(given["x"], failed, strict=True))
        ended, censored = ([age for age, one in pairs if bool(one) is kept] for kept in (True, False))
    found = weibull.weibull_fit(ended, censored)
    return None if found is None else {"beta": found.beta, "eta": found.eta}


def _remaining(given: Given, *, exponential: bool) -> float | None:
    t, y = np.array(given["t"], np.float64), np.array(given["y"], np.float64)
    there = np.isfinite(y)
    return trend.remaining(t[there], y[there], given["limit"], exponential=exponential)


BINDINGS: Mapping[str, Binding] = {
    "bearing": Binding("operators.bearings.bearing_rates", _bearing),
    "bearing_sum": Binding("operators.bearings.bearing_rates", _bearing_sum),
    "iso_zone": Binding("operators.zones.zone_of", _iso_zone),
    "iso_class": Binding("operators.zones.zone_of", _iso_class),
    "sigstats": Binding("operators.waveform.block_figures", _sigstats),
    "acc2vel": Binding(
        "operators.vibration.velocity_of", lambda one: defined(vibration.velocity_of, one["g_rms"], one["hz"])
    ),
    "vel2disp": Binding(
        "operators.vibration.displacement_of", lambda one: defined(vibration.displacement_of, one["mm_s"], one["hz"])
    ),
    "envelope": Binding("operators.spectrum.envelope", _envelope),
    "weibull_mle": Binding("operators.weibull.weibull_fit", _weibull_mle),
    "weibull_q": Binding(
        "operators.weibull.Weibull.quantile",
        lambda one: defined(weibull.Weibull(one["beta"], one["eta"]).quantile, one["q"]),
    ),
    "weibull_mean": Binding(
        "operators.weibull.Weibull.mean", lambda one: weibull.Weibull(one["beta"], one["eta"]).mean
    ),
    "mtbf_lower": Binding(
        "operators.weibull.mtbf_lower", lambda one: weibull.mtbf_lower(one["T"], one["r"], one["conf"])
    ),
    "mtbf_ci": Binding(
        "operators.weibull.mtbf_interval", lambda one: list(weibull.mtbf_interval(one["T"], one["r"], one["conf"]))
    ),
    "rul_linear": Binding("operators.trend.remaining", lambda one: _remaining(one, exponential=False)),
    "rul_exp": Binding("operators.trend.remaining", lambda one: _remaining(one, exponential=True)),
}
