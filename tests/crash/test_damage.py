"""Short forms of `tests/crash/damage`: damaged files, full disks, clocks that jump."""

import os
import subprocess
from pathlib import Path

import damage
import pytest
from conftest import BUILD

SWEEP = Path(__file__).with_name("damage_sweep")
pytestmark = [pytest.mark.heavy]


@pytest.fixture
def folder(tmp_path_factory, scratch):
    made = scratch / tmp_path_factory.mktemp("damage").name
    made.mkdir(mode=0o755)
    return made


def require(row, complaints):
    assert row.tried and not complaints, "\n".join(complaints[:10])


@pytest.mark.parametrize("case", ["queue", "notes"])
def test_damaged_files(folder, programs, case):
    require(*damage.CASES[case](folder, programs))


def test_damaged_hints(folder, programs):
    require(*damage.hints(folder, programs, step=37))


@pytest.mark.needs("rsync")
def test_a_copied_queue(folder, programs):
    require(*damage.copied(folder, programs))


@pytest.mark.parametrize("case", list(damage.CLOCKS))
def test_clocks(folder, programs, build, case):
    require(*damage.CLOCKS[case](folder, programs, build))


@pytest.mark.root
@pytest.mark.needs("mkfs.ext4")
@pytest.mark.skipif(not os.access("/dev/loop-control", os.W_OK), reason="no loop devices")
def test_disks():
    """Full, without inodes, read-only: in a process of its own, for its mounts."""
    line = [SWEEP, "--build", BUILD, "--short", "--only", "full,inodes,read-only"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
