"""Short forms of the fault tests; `tests/crash/sweep` is the long one.

Every program is killed at every system call, and some calls fail. What was acknowledged is in the
mailbox afterwards, whole; what was not acknowledged is not, unless the cut was behind the commit.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import IS_ROOT
from instance import Instance

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "system"))

import auth_faults  # noqa: E402
import bounce_faults  # noqa: E402
import kills  # noqa: E402
import local_faults  # noqa: E402
import queue_faults  # noqa: E402
import send_faults  # noqa: E402
import smtp_faults  # noqa: E402
from bouncer import Bouncer  # noqa: E402
from ledger import Ledger  # noqa: E402
from logins import Logins  # noqa: E402

pytestmark = [pytest.mark.needs("strace"), pytest.mark.heavy]
SMALL, LARGE = 300, 200_000  # below and above what the programs hold in memory
# What tells others, or changes what is on the disk.
CHANGES = ("sendmsg", "recvmsg", "pwrite64", "fsync", "renameat", "renameat2", "unlinkat", "unlink")

# What a failure and its report go through, in the scheduler: notes, marks, removals.
STEPS = ("fsync", "fdatasync", "pwrite64", "unlinkat")


@pytest.fixture
def instance(tmp_path_factory, programs, scratch):
    """A server of one user, without filters: strace shows them calls that they do not know."""
    folder = scratch / tmp_path_factory.mktemp("crash").name
    made = Instance(folder, programs, "unprivileged", ("nobody", "nogroup") if IS_ROOT else None)
    made.environment = {"EKIDEN_SANDBOX": "off"}
    made.start()  # makes the folders
    yield made
    if made.process:
        made.kill()


@pytest.fixture
def ledger():
    return Ledger()


def require(complaints, missed=(), faults=1):
    assert faults, "no fault was tried"
    # A few points depend on timing; a sweep that misses many shows nothing.
    assert len(missed) * 5 <= faults, f"{len(missed)} of {faults} faults did not happen: {missed}"
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("kind", ["KILL", "EIO"])
def test_ekiden_queue(instance, ledger, kind, size):
    instance.stop()
    faults, missed, wrong = queue_faults.sweep(instance, ledger, [kind], size)
    require(wrong + queue_faults.settle(instance, ledger), missed, faults)


def test_ekiden_queue_behind_its_filters(instance, ledger):
    instance.stop()
    faults, missed, wrong = queue_faults.sweep(instance, ledger, ["KILL"], SMALL, sandbox=True)
    require(wrong + queue_faults.settle(instance, ledger), missed, faults)


@pytest.mark.parametrize("kind, fresh, sandbox", [
    ("KILL", True, False),
    ("KILL", False, True),
    ("EIO", False, False),
])
def test_ekiden_local(instance, ledger, kind, fresh, sandbox):
    instance.stop()
    faults, missed, wrong, mailboxes = local_faults.sweep(
        instance, ledger, [kind], fresh=fresh, sandbox=sandbox, begin="recvmsg"
    )
    mail = [message for mailbox in mailboxes for message in instance.mailbox(mailbox)]
    require(wrong + ledger.violations(mail, "mailboxes"), missed, faults)


@pytest.mark.parametrize("kind, size, sandbox", [
    ("KILL", SMALL, True),
    ("KILL", LARGE, False),
    ("EIO", SMALL, False),
])
def test_ekiden_bounce(tmp_path_factory, programs, scratch, kind, size, sandbox):
    folder = scratch / tmp_path_factory.mktemp("bounce").name
    folder.mkdir(mode=0o755)
    bouncer = Bouncer(folder, programs, bouncemaxbytes="1000000\n")
    body = b"Subject: x\n\n" + b"0123456789abcde\n" * (size // 16)
    faults, missed, wrong = bounce_faults.sweep(bouncer, [kind], body, sandbox)
    require(wrong, missed, faults)


@pytest.mark.root
@pytest.mark.parametrize("kind", ["KILL", "EIO"])
def test_injectors_of_smtpd(instance, ledger, kind):
    faults, missed, wrong = smtp_faults.sweep(instance, ledger, [kind])
    require(wrong + queue_faults.settle(instance, ledger), missed, faults)


def test_ekiden_send(instance, ledger):
    instance.stop()
    faults, missed = send_faults.sweep(instance, ledger, ["KILL"], calls=CHANGES)
    require(queue_faults.settle(instance, ledger), missed, faults)


def test_reports_of_ekiden_send(instance, ledger):
    """H09: whatever is killed between a failure and its report, the sender is told."""
    instance.stop()
    faults, missed = send_faults.sweep(
        instance, ledger, ["KILL"], calls=STEPS, envelope=send_faults.FAILING
    )
    require(send_faults.settle_reports(instance, ledger), missed, faults)


@pytest.mark.parametrize("kind", ["KILL", "ENOSPC"])
def test_ekiden_auth(tmp_path_factory, programs, scratch, kind):
    folder = scratch / tmp_path_factory.mktemp("auth").name
    folder.mkdir(mode=0o755)
    logins = Logins(folder, programs, "unprivileged")
    logins.add("alice", auth_faults.PASSWORD)
    logins.set("authfailures", "1000\n")
    calls = ("fcntl", "pread64", "pwrite64", "writev", "fdatasync", "ftruncate", "getrandom")
    faults, missed, wrong = auth_faults.sweep(logins, [kind], calls)
    require(wrong, missed, faults)


def test_kills_at_random_moments(instance):
    """A short form of tests/crash/kills.py."""
    instance.stop()
    made, wrong = kills.run(instance, SimpleNamespace(kills=30, seed=None))
    assert not wrong, "\n".join(wrong)
    assert made.kills >= 30 and made.counts["acknowledged"]
