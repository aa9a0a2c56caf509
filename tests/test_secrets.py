"""A secret is read from file or environment and shows up nowhere."""

from __future__ import annotations

import io
import json
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from andon.config.load import load_plant
from andon.errors import ConfigError
from andon.logs import set_up_logs
from andon.secrets import REDACTED, Secret, read_secret
from tests.test_config import BASE

VALUE = "whsec_C2FVsBQIhrscChlQIMV5"


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


def test_nothing_prints_it() -> None:
    secret = Secret(VALUE)
    assert secret.reveal() == VALUE
    for text in (str(secret), repr(secret), f"{secret}", f"{secret:>40}", f"{[secret]}", str({"a": secret})):
        assert VALUE not in text
        assert REDACTED in text
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        hash(secret)
    assert secret == Secret(VALUE)
    assert secret != Secret(VALUE + "x")
    assert secret != VALUE


def test_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{VALUE}\n")
    file.chmod(0o600)
    from_file = read_secret("ANDON_TEST_SECRET", str(file), "erp.secret_file")
    assert from_file is not None
    assert from_file.reveal() == VALUE
    monkeypatch.setenv("ANDON_TEST_SECRET", "from-environment")
    from_environment = read_secret("ANDON_TEST_SECRET", str(file), "erp.secret_file")
    assert from_environment is not None
    assert from_environment.reveal() == "from-environment"
    monkeypatch.delenv("ANDON_TEST_SECRET")
    assert read_secret("ANDON_TEST_SECRET", None, "erp.secret_file") is None


@pytest.mark.parametrize("content", [None, b" \n", b"\xff\xfe"])
def test_unusable_files_are_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_secret("ANDON_TEST_SECRET", str(file), "erp.secret_file")
    for language in ("en", "zh-CN"):
        assert str(file) in caught.value.text(language)
        assert "erp.secret_file" in caught.value.text(language)


def test_config_dump_and_logs_do_not_hold_it(tmp_path: Path) -> None:
    file = tmp_path / "erp.secret"
    file.write_text(VALUE)
    file.chmod(0o644)
    (tmp_path / "plant.toml").write_text(BASE + 'secret_file = "erp.secret"\n', encoding="utf-8")
    plant = load_plant(tmp_path / "plant.toml")
    erp = plant.config.erp
    assert erp is not None

    out = io.StringIO()
    set_up_logs("test", stream=out)
    secret = read_secret("ANDON_TEST_SECRET", erp.secret_file, "erp.secret_file")
    assert secret is not None
    log = structlog.get_logger()
    log.info("erp.sending", header=f"Bearer {VALUE}", nested={"deep": [f"x{VALUE}y"]}, secret=secret, password="p4ss")
    logging.getLogger("library").warning("connecting with %s", VALUE)
    try:
        int(VALUE)
    except ValueError:
        log.exception("erp.failed")

    dumped = f"{plant.config!r} {plant.config.model_dump()} {plant.config.model_dump_json()} {plant!r}"
    for text in (dumped, out.getvalue()):
        assert VALUE not in text
        assert "p4ss" not in text
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row["event"] for row in rows] == [
        "secret.readable_by_others", "erp.sending", f"connecting with {REDACTED}", "erp.failed",
    ]  # fmt: skip
    assert rows[1]["nested"] == {"deep": [f"x{REDACTED}y"]}
    assert REDACTED in rows[3]["exception"]


def test_logs_are_json_lines_in_a_file_and_when_piped_and_readable_on_a_terminal(tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    piped, terminal = io.StringIO(), Terminal()
    log = structlog.get_logger()
    for stream, file in ((piped, None), (terminal, None), (piped, tmp_path / "flow-0.jsonl")):
        set_up_logs("flow-0", stream=stream, file=file)
        log.warning("spool.disk_full", shard=0, text="灌装")
        log.debug("not.shown")
    row = json.loads(piped.getvalue())
    assert (row["event"], row["level"], row["shard"], row["component"]) == ("spool.disk_full", "warning", 0, "flow-0")
    assert row["timestamp"].endswith("Z")
    assert "灌装" in piped.getvalue()
    assert "spool.disk_full" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert json.loads((tmp_path / "flow-0.jsonl").read_text(encoding="utf-8")) | {"timestamp": 0} == row | {
        "timestamp": 0
    }
    logging.getLogger().handlers[0].close()
