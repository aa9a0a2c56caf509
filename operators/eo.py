"""Ethylene oxide: its concentration from the rise of pressure. The cycle itself is judged as any other."""

from __future__ import annotations

from operators.steam import ZERO_CELSIUS

MOLAR_MASS_G = 44.0526  # C2H4O
GAS_CONSTANT = 8.314462618  # J/(mol K), CODATA 2018


def concentration(rise_kpa: float, temperature_c: float, share: float = 1.0) -> float:
    """Concentration of ethylene oxide, mg/l (= g/m3), when its injection raised the pressure by rise_kpa.

    Ideal gas: C = dp * M / (R T). share: mole fraction of ethylene oxide in the gas that is let in (mixtures with
    CO2); steam that condenses or gas that the load takes up is not seen, so parametric release wants it measured.

    Raises: ValueError at or below absolute zero.

    >>> round(concentration(40.0, 50.0), 1)
    655.8
    """
    if temperature_c <= -ZERO_CELSIUS:
        raise ValueError(f"concentration: above -273.15 Cel, got {temperature_c}")
    return rise_kpa * 1000.0 * share * MOLAR_MASS_G / (GAS_CONSTANT * (temperature_c + ZERO_CELSIUS))
