from __future__ import annotations

import os

from sources.decode.freshness import forget_stale


def test_only_kernels_older_than_any_source_go(tmp_path):
    for name, age in {
        "text.py": 50, "numbers.py": 10, "text.string-1.py311.nbi": 20, "numbers.number-1.py311.nbi": 5,
        "windows.step-1.py311.nbi": 99, "text.string-1.py311.1.nbc": 99,
    }.items():  # fmt: skip
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    assert forget_stale(tmp_path, tmp_path) == 1
    assert {path.name for path in tmp_path.glob("*.nbi")} == {"numbers.number-1.py311.nbi", "windows.step-1.py311.nbi"}
    assert forget_stale(tmp_path, tmp_path / "none") == 0
