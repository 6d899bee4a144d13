"""tests/bench/curves in its smallest form: that it works, not how fast."""

import shutil
import subprocess

import pytest
from conftest import BUILD, ROOT

CURVES = ("idle", "recipients", "size", "deferred")  # busy takes smtp-source


@pytest.mark.heavy
def test_curves_are_measured(programs, tmp_path):
    """With the programs' copies, which users who may not enter the checkout can run."""
    (programs / "tests").mkdir()
    shutil.copy(BUILD / "tests" / "bench_client", programs / "tests")
    done = subprocess.run(
        [ROOT / "tests/bench/curves", "--tiny", "--no-postfix", "--places", "tmpfs",
         "--only", ",".join(CURVES), "--build", programs, "--folder", tmp_path],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in CURVES:
        lines = (tmp_path / f"{name}.dat").read_text().splitlines()
        head, *rows = [line.split() for line in lines if not line.startswith("#")]
        assert len(rows) == 2, lines
        for row in rows:
            found = dict(zip(head, row))
            wanted = [key for key in head if "postfix" not in key and "ext4" not in key
                      and not key.endswith("cpu")]  # fmt: skip
            assert "-" not in [found[key] for key in wanted], found
