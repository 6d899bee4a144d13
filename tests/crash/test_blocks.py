"""The short form of `tests/crash/blocks`: power cuts under a whole instance, on ext4."""

import os
import subprocess
from pathlib import Path

import pytest
from conftest import BUILD

TOOL = Path(__file__).with_name("blocks")
DEVICES = ("/dev/loop-control", "/dev/fuse")
missing = [name for name in DEVICES if not os.access(name, os.R_OK | os.W_OK)]
pytestmark = [
    pytest.mark.root,
    pytest.mark.heavy,
    pytest.mark.needs("qemu-storage-daemon", "mkfs.ext4"),
    pytest.mark.skipif(bool(missing), reason=f"no {', '.join(missing)}"),
]


def replay(disks, states, *options):
    """Few messages, and of their moments every 20th."""
    line = [TOOL, "--build", BUILD, "--fs", "ext4", "--disks", disks, "--states", states,
            "--messages", "14", "--stride", "20", *options]  # fmt: skip
    return subprocess.run([*map(str, line)], capture_output=True, text=True, timeout=280)


@pytest.mark.parametrize("disks", [1, 2])
def test_no_power_cut_loses_mail(disks):
    done = replay(disks, 24)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]


def test_a_promise_that_was_made_too_early_is_noticed():
    """The same, as if 250 had been said when the message was sent: before the sync."""
    done = replay(1, 24, "--early")
    assert done.returncode == 1 and "LOST" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]
