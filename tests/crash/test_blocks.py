"""The short form of `tests/crash/blocks`: power cuts under a whole instance, on ext4."""

import os
import subprocess
from pathlib import Path

import pytest
from blocks_check import QUEUED, QUEUE_END_SIZE
from conftest import BUILD

TOOL = Path(__file__).with_name("blocks")
DEVICES = ("/dev/loop-control", "/dev/fuse")
missing = [name for name in DEVICES if not os.access(name, os.R_OK | os.W_OK)]
DISKS = [
    pytest.mark.root,
    pytest.mark.heavy,
    pytest.mark.needs("qemu-storage-daemon", "mkfs.ext4"),
    pytest.mark.skipif(bool(missing), reason=f"no {', '.join(missing)}"),
]


def needs_disks(test):
    for mark in DISKS:
        test = mark(test)
    return test


def replay(disks, states, *options):
    """Few messages, and of their moments every 20th."""
    line = [TOOL, "--build", BUILD, "--fs", "ext4", "--disks", disks, "--states", states,
            "--messages", "14", "--stride", "20", *options]  # fmt: skip
    return subprocess.run([*map(str, line)], capture_output=True, text=True, timeout=280)


@needs_disks
@pytest.mark.parametrize("disks", [1, 2])
def test_no_power_cut_loses_mail(disks):
    done = replay(disks, 24)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]


@needs_disks
def test_a_promise_that_was_made_too_early_is_noticed():
    """The same, as if 250 had been said when the message was sent: before the sync."""
    done = replay(1, 24, "--early")
    assert done.returncode == 1 and "LOST" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.parametrize("marks", [(b"T", b"T"), (b"+", b"T"), (b"!", b"T"), (b"-", b"!")])
def test_the_judge_reads_every_queue_file(stopped, marks):
    """Of mail with all that RFC 3461 can ask for, and as it is when some of it is settled."""
    envelope, body = b"Fa@s.test\0Vid\0RH\0Tone@x.test\0NSFD\0Orfc822;o@x.test\0Ttwo@x.test\0NN\0\0", b"x\n"
    stopped.start()
    stopped.stop()
    for name, octets in (("message", body), ("envelope", envelope)):
        (stopped.folder / name).write_bytes(octets)
    with open(stopped.folder / "message") as zero, open(stopped.folder / "envelope") as one:
        subprocess.run([stopped.programs / "ekiden-queue", "-Q", stopped.queue], stdin=zero,
                       stdout=one, check=True, **stopped.user)
    (name,) = stopped.files()
    octets = stopped.path(name).read_bytes()
    for mark, recipient in zip(marks, (b"one@x.test", b"two@x.test")):
        octets = octets.replace(b"\0T" + recipient, b"\0" + mark + recipient)
    head = QUEUED.match(octets)
    assert octets[head.end():-QUEUE_END_SIZE] == body
    waiting = [one[1:] for one in head[1].split(b"\0") if one.startswith(b"T")]
    assert waiting == [to for mark, to in zip(marks, (b"one@x.test", b"two@x.test")) if mark == b"T"]
