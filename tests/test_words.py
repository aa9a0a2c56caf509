"""Words that do not belong into a published tree, and exceptions that do not say why."""

from __future__ import annotations

import re

import pytest

from tests.tree import project_files, python_files, shown

# Written backwards, so that this file does not hold what it looks for.
MACHINES = [word[::-1] for word in ("/krow/", "/toor/", "/mraf/", "/r/pmt/", "sleehw/tpo/", "yrarbil.")]
REGISTRIES = [
    word[::-1]
    for word in (
        "gro.ipyp", "gro.detsohnohtyp", "gro.sjmpn", "gro.nevam", "oi.setarc", "gro.gnalog.yxorp", "gro.naibed.bed",
        "lru-xedni", "=YXORPOG",
    )
]  # fmt: skip
WORKPLACE = [word[::-1] for word in ("tnegabus", "oiduts-mraf", "hcneb-mraf", "OEC", "edualC", "ciporhtnA", "tpGtahC")]
UNFINISHED = [word[::-1] for word in ("ODOT", "EMXIF", "X" * 3, "rorrEdetnemelpmItoN")]

# requirements.lock holds hashes; vendored files are others' text.
NOT_OURS = (".lock", ".svg", ".png", ".min.js", ".woff2", ".xz")


def texts() -> list[tuple[str, str]]:
    """(path, text) of every text file that we wrote."""
    ours = [path for path in project_files() if not path.name.endswith(NOT_OURS) and "vendor" not in path.parts]
    return [(shown(path), path.read_text(encoding="utf-8")) for path in ours]


def found(words: list[str], text: str, *, whole: bool = True) -> list[str]:
    """`line: word` for each of the words in the text; whole words only unless told otherwise."""
    edge = r"(?<![A-Za-z0-9_])" if whole else ""
    pattern = re.compile("|".join(edge + re.escape(word) + (r"(?![A-Za-z0-9_])" if whole else "") for word in words))
    lines = enumerate(text.splitlines(), 1)
    return [f"{number}: {match.group()}" for number, line in lines if (match := pattern.search(line))]


@pytest.mark.parametrize("words", [MACHINES, REGISTRIES], ids=["machine-paths", "registry-hosts"])
def test_no_trace_of_one_machine(words):
    faults = [f"{path}:{hit}" for path, text in texts() for hit in found(words, text, whole=False)]
    assert not faults, "\n".join(faults)


def test_no_word_of_the_workshop():
    faults = [f"{path}:{hit}" for path, text in texts() for hit in found(WORKPLACE, text)]
    assert not faults, "\n".join(faults)


def test_nothing_is_left_undone():
    faults = [f"{path}:{hit}" for path, text in texts() if path.endswith(".py") for hit in found(UNFINISHED, text)]
    assert not faults, "\n".join(faults)


SILENCED = re.compile(r"#\s*(?:noqa|type:\s*ignore)(?P<codes>:\s*[A-Z0-9, ]+|\[[^\]]+\])?\s*(?P<why>[#-].*)?$")


# numba infers a kernel's types; a missing annotation there needs no word more.
KERNEL_CODES = {"[no-untyped-def]", "[no-untyped-call]"}


def silenced_without_reason(text: str) -> list[str]:
    """Lines that switch a check off for no stated reason, or every check at once."""
    kernels = KERNEL_CODES if re.search(r"^from numba import", text, re.MULTILINE) else set()
    faults = []
    for number, line in enumerate(text.splitlines(), 1):
        match = SILENCED.search(line)
        if match and not (match["codes"] and (match["why"] or match["codes"] in kernels)):
            faults.append(f"{number}: {line.strip()}")
    return faults


def test_every_silenced_check_says_why():
    """`# noqa: RULE  # reason` and `# type: ignore[code]  # reason`."""
    faults = [
        f"{shown(path)}:{hit}"
        for path in python_files()
        if path.name != "test_words.py"
        for hit in silenced_without_reason(path.read_text(encoding="utf-8"))
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("line", ["x = 1  # noqa", "x = 1  # noqa: E501", "x = 1  # type: ignore[arg-type]"])
def test_a_silenced_check_without_reason_is_seen(line):
    assert silenced_without_reason(line)


@pytest.mark.parametrize(
    "line", ["x = 1  # noqa: S608  # table names are ours", "x = f()  # type: ignore[no-any-return]  # untyped library"]
)
def test_a_silenced_check_with_reason_passes(line):
    assert not silenced_without_reason(line)


def test_words_are_found():
    assert found(["abc"], "x abc y") == ["1: abc"]
    assert not found(["abc"], "xabcy")
    assert found(["/abc/"], "see/abc/y", whole=False) == ["1: /abc/"]
