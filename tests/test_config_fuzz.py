"""Whatever stands in plant.toml or its CSV: a plant, or a ConfigError with sentences; never anything else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.config.load import load_plant
from andon.errors import ConfigError
from andon.plant import PlantModel
from tests.test_config import BASE, CSV

VALUES = (
    "8", "-1", "0", "1e400", "nan", "inf", "true", '""', '"x"', '"[!"', "[]", "[1]", "[1, 2]", "[[1]]", "{}",
    "{ a = 1 }", "1979-05-27", '"a b"', "99999999999999999999", '["erp"]', '"http://[::1"', '"http://a:b"',
    '"*"', '"\\u0000"',
    '["\\u0000", "/", "//", "**"]', '"Asia"', '"../etc"', "[{}]", "[{ tag = 1 }]",
)  # fmt: skip
CELLS = ("", "x", "-1", "nan", "1e999", '"', "a,b", "\u4e2d", "counter", "state", "cold/room1", "air", "\x00")


def mutated(lines: list[str], pick: random.Random, cells: bool) -> list[str]:
    """One to four small changes to lines."""
    for _ in range(pick.randint(1, 4)):
        at = pick.randrange(len(lines))
        line = lines[at]
        kind = pick.randrange(6)
        if kind == 0:
            del lines[at : at + pick.randint(1, 3)]
        elif kind == 1:
            lines.insert(at, pick.choice(lines))
        elif kind == 2 and cells:
            parts = line.split(",")
            parts[pick.randrange(len(parts))] = pick.choice(CELLS)
            lines[at] = ",".join(parts)
        elif kind == 2 and "=" in line:
            lines[at] = f"{line.partition('=')[0]}= {pick.choice(VALUES)}"
        elif kind == 3 and "=" in line and "{" in line:
            parts = line.split("=")
            parts[pick.randrange(1, len(parts))] = f" {pick.choice(VALUES)}, z"
            lines[at] = "=".join(parts)
        elif kind == 4 and line:
            cut = pick.randrange(len(line))
            lines[at] = line[:cut] + line[cut + 1 :]
        elif line:
            other = pick.randrange(len(lines))
            lines[at], lines[other] = lines[other], line
        if not lines:
            return [""]
    return lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@given(seed=st.integers(0, 2**32), csv=st.booleans())
def test_any_mutation_is_a_plant_or_a_named_problem(folder: Path, seed: int, csv: bool) -> None:
    pick = random.Random(seed)
    toml, table = BASE.splitlines(), CSV.splitlines()
    toml = ['include = ["more.toml"]', 'series_csv = ["series.csv"]', *toml]
    (folder / "more.toml").write_text("")
    (folder / "plant.toml").write_text("\n".join(toml if csv else mutated(toml, pick, cells=False)), encoding="utf-8")
    (folder / "series.csv").write_text("\n".join(mutated(table, pick, cells=True) if csv else table), encoding="utf-8")
    try:
        plant = load_plant(folder / "plant.toml")
    except ConfigError as error:
        refusal: ConfigError | None = error
    else:
        refusal = None
    if refusal is not None:
        assert refusal.problems
        for language in ("en", "zh-CN"):
            assert "config." not in refusal.text(language)
        return
    assert isinstance(plant, PlantModel)
    for spec in plant.series.values():
        assert spec.low < spec.high
        plant.rules_for(spec)
        plant.shard_of(spec.asset)


@pytest.mark.parametrize("key", ["include", "series_csv"])
@pytest.mark.parametrize("value", VALUES)
def test_any_list_of_files_is_read_or_a_named_problem(folder: Path, key: str, value: str) -> None:
    listed = value if value.startswith("[") else f"[{value}]"
    for text in (value, listed):
        (folder / "plant.toml").write_text(f"{key} = {text}\n{BASE}", encoding="utf-8")
        if text == "[]":
            load_plant(folder / "plant.toml")
            continue
        with pytest.raises(ConfigError) as caught:
            load_plant(folder / "plant.toml")
        assert caught.value.problems
