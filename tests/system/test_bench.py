"""The benches in their smallest form: that they work, not how fast."""

import os
import shutil
import subprocess

import pytest
from conftest import BUILD, ROOT

pytestmark = pytest.mark.heavy

CURVES = ("idle", "recipients", "size", "deferred")  # busy takes smtp-source
ROWS = "one,connections,idle-tls,resumed,large-tls,relay"


@pytest.fixture
def build(programs):
    """The programs' copies, which users who may not enter the checkout can run, and the client. In a
    folder of its own: other tests link all that lies beside the programs."""
    folder = programs.parent / "bench"
    if not folder.exists():
        shutil.copytree(programs, folder)
        (folder / "tests").mkdir()
        shutil.copy(BUILD / "tests" / "bench_client", folder / "tests")
    return folder


def bench(name, build, *arguments):
    """What it printed."""
    command = [ROOT / "tests/bench" / name, "--build", build, *arguments]
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stderr)  # why a row has no figure
    return done.stdout


def cells(text):
    return [[cell.strip() for cell in line.split("|")[1:-1]]
            for line in text.splitlines() if line.startswith("|")]  # fmt: skip


@pytest.mark.needs("smtp-source", "smtp-sink")
def test_rows_are_measured(build):
    text = bench("run", build, "--rows", ROWS, "--servers", "ekiden", "--scale", "0.01",
                 "--rounds", "1")  # fmt: skip
    table = [row for row in cells(text)[2:] if not row[0].startswith("**")]
    assert len(table) >= 20
    for title, value, *_ in table:
        if os.geteuid() == 0 or not any(word in title for word in ("of the server", "connection")):
            assert value != "–" and float(value) >= 0, text


@pytest.mark.root
@pytest.mark.needs("strace", "smtp-source", "smtp-sink")
def test_the_profile_counts(build):
    names = {row[0]: row[1:] for row in cells(bench("profile", build, "--count", 20))}
    assert {"smtpd-dialogue", "smtpd-injector", "ekiden-send", "ekiden-local"} <= set(names)
    assert float(names["the server"][0]) >= 1  # forks


def test_curves_are_measured(build, tmp_path):
    bench("curves", build, "--tiny", "--no-postfix", "--places", "tmpfs", "--only",
          ",".join(CURVES), "--folder", tmp_path)  # fmt: skip
    for name in CURVES:
        lines = (tmp_path / f"{name}.dat").read_text().splitlines()
        head, *rows = [line.split() for line in lines if not line.startswith("#")]
        assert len(rows) == 2, lines
        for row in rows:
            found = dict(zip(head, row))
            wanted = [key for key in head if "postfix" not in key and "ext4" not in key
                      and not key.endswith("cpu")]  # fmt: skip
            if name == "idle" and os.geteuid() != 0:  # memory is that of a control group
                wanted = [key for key in wanted if key not in ("ekiden", "ekiden-tls")]
            assert "-" not in [found[key] for key in wanted], found
