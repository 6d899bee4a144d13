"""Short forms of the fault tests; `make crash` runs the long ones.

Every program is killed, or finds a system call or an allocation failing. What was acknowledged is in
the mailbox afterwards, whole; what was not is not, unless the cut was behind the commit.
"""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import BUILD, IS_ROOT
from instance import PROGRAMS, Instance

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "system"))

import kills  # noqa: E402
from asked_faults import Asked  # noqa: E402
from auth_faults import EXPECTED, PASSWORD, Auth  # noqa: E402
from bounce_faults import Bounce  # noqa: E402
from bouncer import Bouncer  # noqa: E402
from faults import Allocations, Every, Sample, sweep  # noqa: E402
from launch_faults import Launch  # noqa: E402
from launcher import Launcher  # noqa: E402
from ledger import Ledger  # noqa: E402
from local_faults import Local  # noqa: E402
from logins import Logins  # noqa: E402
from operator_faults import Operator  # noqa: E402
from queue_faults import Queue  # noqa: E402
from send_faults import Send  # noqa: E402
from smtp_faults import Listener, Single  # noqa: E402

pytestmark = pytest.mark.heavy
SMALL, LARGE = 300, 200_000  # below and above what the programs hold in memory
MISSES_MAX = 0.2  # of the faults: which call has which number depends on who was faster


@pytest.fixture(scope="module", autouse=True)
def tool():
    os.environ["EKIDEN_BUILD"] = str(BUILD)


@pytest.fixture
def new_folder(tmp_path_factory, scratch):
    def make():
        folder = scratch / tmp_path_factory.mktemp("crash").name
        folder.mkdir(mode=0o755)
        return folder

    return make


@pytest.fixture(scope="session")
def allocating(scratch):
    """The programs in which an allocation can fail."""
    folder = scratch / "allocating"
    folder.mkdir(mode=0o755)
    for name in PROGRAMS:
        (folder / name).write_bytes((BUILD / "crash/malloc" / name).read_bytes())
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def make_instance(new_folder):
    """A server of one user, stopped, with its folders made."""
    made = []

    def make(programs, **control):
        user = ("nobody", "nogroup") if IS_ROOT else None
        instance = Instance(new_folder(), programs, "unprivileged", user, control)
        made.append(instance)
        instance.start()
        instance.stop()
        return instance

    yield make
    for instance in made:
        if instance.process:
            instance.kill()


def require(subject, plan):
    tally = sweep(subject, plan)
    assert tally.hit, "no fault was tried"
    missed = len(tally.missed)
    assert missed <= MISSES_MAX * tally.possible, f"{missed} faults did not happen: {tally.missed}"
    assert not tally.wrong, "\n".join(tally.wrong)


def test_ekiden_queue(make_instance, programs):
    require(Queue(make_instance(programs), Ledger(), SMALL), Sample(2))


def test_ekiden_queue_large(make_instance, programs):
    require(Queue(make_instance(programs), Ledger(), LARGE), Sample(3))


@pytest.mark.parametrize("size, count, fresh", [(SMALL, 1, False), (LARGE, 2, True)])
def test_ekiden_local(make_instance, programs, size, count, fresh):
    require(Local(make_instance(programs), Ledger(), size, count, fresh), Sample(9))


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_ekiden_bounce(new_folder, programs, size):
    bouncer = Bouncer(new_folder(), programs, bouncemaxbytes="1000000\n")
    require(Bounce(bouncer, size), Sample(5))


def test_session(make_instance, programs):
    require(Single(make_instance(programs), Ledger(), SMALL), Sample(12))


def test_listener(make_instance, programs):
    require(Listener(make_instance(programs), Ledger(), SMALL), Sample(40))


def test_ekiden_send(make_instance, programs):
    """H09, too: whatever is killed between a failure and its report, the sender is told."""
    require(Send(lambda control: make_instance(programs, **control), SMALL), Sample(300, steps=15))


@pytest.mark.parametrize("operation, held", [("bounce", True), ("drop", False)])
def test_ekiden_queue_of_an_operator(make_instance, programs, operation, held):
    require(Operator(make_instance(programs), Ledger(), operation, held), Sample(8, steps=2))


def test_ekiden_send_is_asked_by_an_operator(make_instance, programs):
    subject = Asked(make_instance(programs), make_instance(programs), Ledger(), "bounce", True)
    require(subject, Sample(120, steps=10))


def test_a_locked_file_is_left_alone(make_instance, programs):
    """Whoever looks at a file when its writer has the lock, and again when it has not any more, may
    find that it was accepted. It was once set aside as one that was cut off."""
    subject = Send(lambda control: make_instance(programs, **control), SMALL)
    require(subject, Every(("EAGAIN",), ("flock",)))


@pytest.mark.parametrize("password", EXPECTED)
def test_ekiden_auth(new_folder, programs, password):
    logins = Logins(new_folder(), programs, "unprivileged")
    logins.add("alice", PASSWORD)
    logins.set("authfailures", "1000\n")
    require(Auth(logins, password), Sample(25, steps=4))


def test_no_memory(make_instance, new_folder, allocating):
    require(Local(make_instance(allocating), Ledger(), LARGE, 2, True), Allocations())
    require(Bounce(Bouncer(new_folder(), allocating), SMALL), Allocations())
    require(Single(make_instance(allocating), Ledger(), SMALL), Allocations())


def test_kills_at_random_moments(make_instance, programs):
    """A short form of tests/crash/kills.py."""
    made, wrong = kills.run(make_instance(programs), SimpleNamespace(kills=30, seed=None))
    assert not wrong, "\n".join(wrong)
    assert made.kills >= 30 and made.counts["acknowledged"]


def test_ekiden_launch(new_folder, programs):
    """Each user's deliveries: Maildir, mbox, forward, program."""
    subject = Launch(lambda users: Launcher(new_folder(), programs, users, not IS_ROOT), SMALL)
    require(subject, Sample(70, steps=8))
