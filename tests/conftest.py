"""Fixtures of all tests.

`server` is an instance that the tests of one file share; `instance` is one of a test's own;
`make_instance(control={...})` makes more. A file's `CONTROL = {...}` holds the control files of its
instances. Each is judged by oracle.py after the test. `mode` makes each test that uses one of them
run twice: unprivileged (one user) and, when the caller is root, privileged (separate users).
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import oracle  # noqa: E402  (found by the line above)
from instance import PROGRAMS, Instance, wait_for  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
BUILD = (ROOT / os.environ.get("EKIDEN_BUILD", "build")).resolve()
USERS = tuple((ROOT / "conf-users").read_text().split("\n\n")[0].split("\n"))
IS_ROOT = os.geteuid() == 0


def is_sanitized():
    program = BUILD / "ekiden-smtpd"
    return program.exists() and b"__asan_init" in program.read_bytes()


def pytest_configure(config):
    config.addinivalue_line("markers", "heavy: too much for a sanitizer build")
    config.addinivalue_line("markers", "needs(*programs): skipped where one is not installed")
    config.addinivalue_line("markers", "root: needs root")


def pytest_collection_modifyitems(items):
    sanitized = is_sanitized()
    for item in items:
        if sanitized and item.get_closest_marker("heavy"):
            item.add_marker(pytest.mark.skip(reason="too heavy for a sanitizer build"))
        if not IS_ROOT and item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="needs root"))
        for marker in item.iter_markers("needs"):
            for program in marker.args:
                if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
                    item.add_marker(pytest.mark.skip(reason=f"{program} is not installed"))


def pytest_unconfigure(config):
    """Why tests were skipped, and the last line of the run."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput"):
        return
    reasons = Counter(report.longrepr[2] for report in reporter.stats.get("skipped", []))
    for reason, times in reasons.most_common():
        print(f"{times} {reason.lower() if reason.startswith('Skipped') else reason}")
    count = {key: len(found) for key, found in reporter.stats.items()}
    failed = count.get("failed", 0) + count.get("error", 0) + count.get("xpassed", 0)
    skipped = count.get("skipped", 0)
    line = f"{count.get('passed', 0)} passed, {failed} failed"
    print(line + (f", {skipped} skipped" if skipped else ""), flush=True)


@pytest.fixture(scope="session")
def build():
    """The folder of the programs that were built."""
    return BUILD


@pytest.fixture(scope="session")
def sanitized():
    return is_sanitized()


@pytest.fixture(scope="session")
def service_users():
    """Makes the service users where they are missing. Needs root."""
    with open("/run/lock/ekiden-tests", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        names = {line.split(":")[0] for line in Path("/etc/passwd").read_text().splitlines()}
        if not names.issuperset(USERS):
            with tempfile.TemporaryDirectory() as stage:
                make = ["make", "-s", "-C", ROOT, "install-etc", f"DESTDIR={stage}"]
                subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
                users = f"{stage}/usr/lib/sysusers.d/ekiden.conf"
                subprocess.run(["systemd-sysusers", users], check=True)
    return USERS


def scratch_place():
    """Memory where there is enough: hundreds of queues are made, and each waits for its disk. What
    a disk has to do with durability is the crash tests' matter. TMPDIR decides where it is set."""
    memory = "/dev/shm"
    if "TMPDIR" not in os.environ and os.access(memory, os.W_OK | os.X_OK):
        room = os.statvfs(memory)
        executable = not room.f_flag & os.ST_NOEXEC
        if executable and room.f_bavail * room.f_frsize > 1 << 30:
            return memory
    return None


@pytest.fixture(scope="session")
def scratch():
    """A folder for the whole run, which every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="ekiden-test-", dir=scratch_place()))
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def programs(scratch):
    """A copy of the programs, so that users who may not enter the checkout can run them."""
    folder = scratch / "programs"
    folder.mkdir(mode=0o755)
    for name in filter(lambda name: (BUILD / name).exists(), PROGRAMS):
        shutil.copy2(BUILD / name, folder / name)
        os.chmod(folder / name, 0o755)
    return folder


@pytest.fixture(scope="session", params=["unprivileged", "privileged"])
def mode(request):
    if request.param == "privileged":
        if not IS_ROOT:
            pytest.skip("needs root")
        request.getfixturevalue("service_users")
    return request.param


FAST = "/dev/shm"  # making and removing 512 folders a test is slow elsewhere


@pytest.fixture
def stopped(scratch, programs):
    """A scheduler with agents in Python (system/scheduler.py) that was not started yet."""
    from scheduler import Scheduler

    place = FAST if os.access(FAST, os.W_OK) else scratch
    scheduler = Scheduler(tempfile.mkdtemp(prefix="ekiden-send-", dir=place), programs)
    os.chmod(scheduler.folder, 0o777)
    yield scheduler
    scheduler.kill()
    shutil.rmtree(scheduler.folder, ignore_errors=True)


@pytest.fixture
def scheduler(stopped):
    return stopped.start()


def new_instance(scratch, programs, mode, control):
    folder = Path(tempfile.mkdtemp(prefix="", dir=scratch))
    user = ("nobody", "nogroup") if IS_ROOT and mode == "unprivileged" else None
    return Instance(folder, programs, mode, user, control, is_sanitized())


def discard(instance):
    """Kills what a failed test left, and keeps the disk small."""
    if instance.process:
        instance.kill()
    shutil.rmtree(instance.folder, ignore_errors=True)


@pytest.fixture
def make_instance(request, scratch, programs, mode):
    """make_instance(control=None, start=True): a new instance, judged when the test ends."""
    made = []

    def make(control=None, start=True):
        files = {**getattr(request.module, "CONTROL", {}), **(control or {})}
        instance = new_instance(scratch, programs, mode, files)
        made.append(instance)
        return instance.start() if start else instance

    yield make
    try:
        for instance in made:
            oracle.check_end(instance)
    finally:
        for instance in made:
            discard(instance)


@pytest.fixture
def instance(make_instance):
    """A running instance for this test alone."""
    return make_instance()


@pytest.fixture(scope="module")
def module_instance(request, scratch, programs, mode):
    instance = new_instance(scratch, programs, mode, getattr(request.module, "CONTROL", {}))
    yield instance.start()
    try:
        oracle.check_end(instance)
    finally:
        discard(instance)


@pytest.fixture
def server(module_instance):
    """A running instance that the tests of a file share; its mailboxes are empty."""
    instance = module_instance
    if not instance.process:
        instance.start()
    instance.empty_mailboxes()
    start = len(instance.log_text())
    yield instance
    if instance.accepts_mail:
        oracle.check_mail(instance)
    # What was accepted must not come to the mailboxes of the next test.
    wait_for(lambda: not os.listdir(instance.queue / "new"), what="the end of all deliveries")
    oracle.check_log(instance, start)
