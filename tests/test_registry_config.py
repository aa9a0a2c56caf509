"""[sources.schema_registry] in plant.toml: addresses, logins, files beside it."""

from __future__ import annotations

import pytest

from andon.config.load import load_plant
from andon.errors import ConfigError

PLANT = """
schema = 1
enterprise = {{ id = "acme" }}
site = {{ id = "szh1" }}
asset = [{{ path = "a", template = "t" }}]
template = [{{ name = "t", series = [{{ tag = "vib", kind = "waveform" }}, {{ tag = "vib.rms" }}] }}]
[sources.schema_registry]
{lines}
"""


def load(folder, lines):
    (folder / "plant.toml").write_text(PLANT.format(lines=lines))
    return load_plant(folder / "plant.toml")


def test_files_are_beside_the_plant(tmp_path):
    lines = 'url = "https://r1:8081,https://r2:8081"\nuser = "u"\npassword_file = "p"\nca_file = "ca.pem"\n'
    registry = load(
        tmp_path, lines + '[sources.schema_registry.fields]\nts = "head.time"'
    ).config.sources.schema_registry
    assert (registry.password_file, registry.ca_file) == (str(tmp_path / "p"), str(tmp_path / "ca.pem"))
    assert (registry.fields.ts, registry.fields.asset) == ("head.time", "asset")


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        ('url = "http://127.0.0.1:8081"', []),
        ('url = "http://registry:8081"', ["config.url_plain"]),
        ('url = "https://r1,http://r2"', ["config.url_plain"]),
        ('url = "https://user:geheim@r1"', ["config.registry_secret"]),
        ('url = "registry:8081"', ["config.url"]), ('url = ""', ["config.url"]), ('url = "https://[r"', ["config.url"]),
        ('url = "https://r"\nuser = "u"\ntoken_file = "t"', ["config.registry_both"]),
    ],
)  # fmt: skip
def test_faults(tmp_path, lines, codes):
    if not codes:
        assert load(tmp_path, lines).config.sources.schema_registry is not None
        return
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, lines)
    assert [problem.code for problem in raised.value.problems] == codes
    assert "geheim" not in raised.value.text()


@pytest.mark.parametrize("path", ["", "a..b", ".a", "1a", "a b", "a-b"])
def test_fields_are_names(tmp_path, path):
    with pytest.raises(ConfigError):
        load(tmp_path, f'url = "https://r"\nfields = {{ ts = "{path}" }}')
