"""ekiden-launch as an agent: every user's mail under his own uid, whatever the users do."""

import os
import re
import shutil
import signal
import subprocess
import time

import pytest
from instance import PATIENCE, Process, wait_for
from launcher import FIRST_UID, IS_ROOT, MESSAGE, Launcher

CAP_SETGID, CAP_SETUID = 6, 7


@pytest.fixture
def make_launcher(scratch, programs):
    made = []

    def make(users, plain=False, start=True, **control):
        folder = scratch / f"launch-{time.monotonic_ns()}"
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
        made.append(Launcher(folder, programs, users, plain, **control))
        return made[-1].start() if start else made[-1]

    yield make
    for launcher in made:
        launcher.kill()
        assert "Sanitizer" not in launcher.log()
        shutil.rmtree(launcher.folder, ignore_errors=True)


def can_unshare():
    command = ["unshare", "-m" if IS_ROOT else "-rm", "mount", "--bind", "/dev/null", "/etc/passwd"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_unshare(), reason="no mount namespaces here")


def is_delivered(answer):
    return answer[0] == "K" and answer[1].startswith("2.0.0 did ")


@pytest.mark.root
def test_each_user_is_himself(make_launcher):
    """Uid, gid, groups and capabilities of what delivers, and of the user's programs."""
    launcher = make_launcher(["ann", "bob"])
    queued = launcher.queued()
    for user in ("ann", "bob"):
        launcher.write(user, ".qmail-p", "|cat /proc/$PPID/status > parent; "
                                         "cat /proc/self/status > self; id -G > groups\n")
    numbers = [launcher.link.job(queued, user, extension) for user in ("ann", "bob")
               for extension in ("", "p")]
    answers = launcher.link.answers(4)
    assert all(is_delivered(answers[number]) for number in numbers), answers
    for user in ("ann", "bob"):
        uid, gid = launcher.accounts[user]
        for name in ("parent", "self"):
            status = dict(line.split(":\t", 1)
                          for line in launcher.read(user, name).splitlines() if ":\t" in line)
            assert status["Uid"].split() == [str(uid)] * 4
            assert status["Gid"].split() == [str(gid)] * 4
            assert status["Groups"].split() == [str(gid)]
            assert status["NoNewPrivs"] == "1"
            for key in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                assert int(status[key], 16) == 0
        (stored,) = launcher.maildir(user)
        assert stored == (b"Return-Path: <ann@far.test>\nDelivered-To: "
                          + user.encode() + b"@local.test\n" + MESSAGE)
        new = launcher.folder / "homes" / user / "Maildir/new"
        for path in [new, *new.iterdir()]:  # K19
            assert (path.stat().st_uid, path.stat().st_gid) == (uid, gid)
            assert path.stat().st_mode & 0o077 == 0
    assert launcher.end() == 0


@pytest.mark.root
def test_the_launcher_itself(make_launcher):
    """M01, M02: two capabilities; three descriptors and those of its work."""
    launcher = make_launcher(["ann"])
    launcher.write("ann", ".qmail", "|touch begun; while test ! -e go; do sleep 0.05; done\n")
    launcher.link.job(launcher.queued(), "ann")
    wait_for(lambda: launcher.exists("ann", "begun"), what="the program")
    process = Process(launcher.process.pid)
    expected = 1 << CAP_SETGID | 1 << CAP_SETUID
    for key in ("CapEff", "CapPrm"):
        assert int(process.status(key), 16) == expected
    for key in ("CapInh", "CapAmb"):
        assert int(process.status(key), 16) == 0
    assert int(process.status("CapBnd"), 16) & ~expected == 0
    assert process.status("NoNewPrivs") == "1"
    assert process.status("Groups") == ""
    (child,) = launcher.children()
    descriptors = {name: os.readlink(f"/proc/{child.pid}/fd/{name}")
                   for name in os.listdir(f"/proc/{child.pid}/fd")}
    assert descriptors["0"].startswith("socket:")
    assert descriptors["1"] == "/dev/null"
    assert descriptors["2"] == str(launcher.log_path)
    rest = sorted(re.sub(r"\d+", "N", target.split("/")[-1])
                  for name, target in descriptors.items() if name not in "012")
    queue_file = re.sub(r"\d+", "N", next((launcher.folder / "queue/new").iterdir()).name)
    allowed = {"anon_inode:[pidfd]", "[pidfd]", "[signalfd]", "anon_inode:[signalfd]", "pipe:[N]",
               "memfd:message (deleted)", queue_file}
    assert set(rest) <= allowed, rest
    environment = open(f"/proc/{child.pid}/environ", "rb").read()
    assert environment == b"" or environment.startswith(b"ASAN_OPTIONS")
    launcher.write("ann", "go", "")
    assert is_delivered(launcher.link.answers(1)[1])


@pytest.mark.root
def test_users_cannot_look_into_their_delivery(make_launcher, sanitized):
    """Its queue file names other recipients; programs get the message alone."""
    if sanitized:
        pytest.skip("a sanitizer build stays dumpable for its leak checker")
    launcher = make_launcher(["ann"])
    launcher.write("ann", ".qmail", "|ls -l /proc/$PPID/fd > fds 2>&1; cat /proc/$PPID/environ > "
                                    "environ 2>&1; cat /proc/$PPID/fd/* > content 2>&1; "
                                    "cat /proc/self/fd/* > own 2>&1 < /dev/null; cat > message\n")
    queued = launcher.queued(recipients=["ann@local.test", "hidden@far.test"])
    launcher.link.job(queued, "ann")
    assert is_delivered(launcher.link.answers(1)[1])
    for name in ("fds", "environ"):
        assert "Permission denied" in launcher.read("ann", name)
    for name in ("fds", "environ", "content", "own", "message"):
        assert "hidden" not in launcher.read("ann", name)
    assert launcher.read("ann", "message") == MESSAGE.decode()


@pytest.mark.root
def test_who_gets_no_mail(make_launcher):
    """E21, K11: root, accounts that are not there, homes that are not."""
    launcher = make_launcher(["ann"], start=False)
    with open(launcher.passwd, "a", encoding="ascii") as passwd:
        passwd.write("toor:x:0:100::/root:/bin/sh\nwheel:x:60001:0::/:/bin/sh\n"
                     f"lost:x:60002:60002::{launcher.folder}/lost:/bin/sh\n"
                     "plain:x:60003:60003:::/bin/sh\nbroken:x:\n"
                     f"other:x:60004:60004::{launcher.folder}/homes/ann:/bin/sh\n")
    (launcher.folder / "homes/ann").chmod(0o755)
    launcher.start()
    queued = launcher.queued()
    names = ["root", "toor", "wheel", "lost", "plain", "broken", "gone", "0",
             str(FIRST_UID), "other"]
    numbers = {launcher.link.job(queued, name): name for name in names}
    for number, (letter, text) in launcher.link.answers(len(names)).items():
        assert letter == "Z" and text.startswith("4."), (numbers[number], text)
    with open(launcher.passwd, "a", encoding="ascii") as passwd:
        passwd.write(f"gone:x:60005:60005::{launcher.folder}/homes/gone:/bin/sh\n")
    (launcher.folder / "homes/gone").mkdir(mode=0o700)
    os.chown(launcher.folder / "homes/gone", 60005, 60005)
    launcher.link.job(queued, "gone")
    assert is_delivered(launcher.link.answer()[1:])  # an account that is back


@pytest.mark.parametrize("attack", ["kill -9 $PPID", "kill -STOP $PPID", "kill -9 -1",
                                    "kill -STOP -1"])
@pytest.mark.root
def test_a_user_against_his_own_delivery(make_launcher, attack):
    """K10: his mail is deferred, everybody else's is delivered, and the next is tried again."""
    launcher = make_launcher(["ann", "bob"])
    queued = launcher.queued()
    launcher.write("ann", ".qmail-x", f"|{attack}; sleep 1000\n")
    bad = [launcher.link.job(queued, "ann", "x") for _ in range(3)]
    good = [launcher.link.job(queued, "bob") for _ in range(3)]
    answers = launcher.link.answers(6)
    for number in bad:
        assert answers[number][0] == "Z", answers
    for number in good:
        assert is_delivered(answers[number]), answers
    wait_for(lambda: not launcher.children(), what="the end of the process")

    def is_served():
        launcher.link.job(queued, "ann")
        return is_delivered(launcher.link.answer()[1:])

    wait_for(is_served, what="that the user is served again")


def test_a_program_that_hangs(make_launcher):
    """`programtimeout` ends it; what waits behind it is delivered."""
    launcher = make_launcher(["ann"], plain=not IS_ROOT, programtimeout="1\n")
    launcher.write("ann", ".qmail-hang", "|trap '' TERM; sleep 1000\n")
    queued = launcher.queued()
    first = launcher.link.job(queued, "ann", "hang")
    second = launcher.link.job(queued, "ann")
    answers = launcher.link.answers(2)
    assert answers[first] == ("Z", "4.3.0 a program of the recipient was stopped after 1 seconds")
    assert is_delivered(answers[second])


def test_results_of_programs(make_launcher):
    launcher = make_launcher(["ann"], plain=not IS_ROOT)
    queued = launcher.queued()
    launcher.write("ann", ".qmail-bounce", "|printf 'no\\n\\tby \\001 policy\\n(#5.7.1)\\n'; exit 100\n")
    launcher.write("ann", ".qmail-later", "|echo 'not now (#5.7.1)'; exit 111\n")
    launcher.write("ann", ".qmail-mute", "|exit 100\n")
    launcher.write("ann", ".qmail-long", "|yes é | head -c 5000; exit 100\n")
    numbers = [launcher.link.job(queued, "ann", one)
               for one in ("bounce", "later", "mute", "long", "nobody")]
    answers = launcher.link.answers(5)
    assert answers[numbers[0]] == ("D", "5.7.1 no /  by ? policy / (#5.7.1)")
    assert answers[numbers[1]] == ("Z", "4.3.0 not now (#5.7.1)")
    assert answers[numbers[2]] == (
        "D", "5.3.0 a program of the recipient refused the message (exit code 100)")
    assert answers[numbers[3]][1].startswith("5.3.0 é / é / é")
    assert answers[numbers[4]] == ("D", "5.1.1 no mailbox here by that name")


def test_settings(make_launcher):
    """A changed `defaultdelivery` is noticed; a malformed file leaves the last good settings."""
    launcher = make_launcher(["ann"], plain=not IS_ROOT, defaultdelivery="./mbox\n")
    queued = launcher.queued()
    launcher.link.job(queued, "ann")
    assert is_delivered(launcher.link.answer()[1:])
    assert launcher.read("ann", "mbox").startswith("From ann@far.test ")
    launcher.set("programtimeout", "soon\n")
    wait_for(lambda: "settings-not-loaded" in launcher.log(), what="the log of a bad file")
    assert "programtimeout:1" in launcher.log()
    launcher.set("programtimeout", "5\n")
    launcher.set("defaultdelivery", "|cat > copy\n./mbox\n")

    def is_in_use():
        launcher.link.job(queued, "ann")
        assert is_delivered(launcher.link.answer()[1:])
        return launcher.exists("ann", "copy")

    wait_for(is_in_use, what="the new default delivery")


def test_a_plain_user_delivers_to_himself(make_launcher):
    launcher = make_launcher(["self"], plain=True)
    queued = launcher.queued()
    launcher.link.job(queued, "self")
    launcher.link.job(queued, "root")
    answers = launcher.link.answers(2)
    assert is_delivered(answers[1])
    assert answers[2][0] == "Z"
    assert launcher.maildir("self")
    assert launcher.end() == 0


def test_what_is_no_job(make_launcher):
    launcher = make_launcher(["ann"], plain=not IS_ROOT)
    queued = launcher.queued()
    launcher.link.job(queued, "ann", kind="m")
    assert launcher.link.answer()[1] == "Z"
    launcher.link.send(b"7\0s\0ann\0")
    assert launcher.link.answer()[:2] == (7, "Z")
    queued.sum = b"0" * 16
    launcher.link.job(queued, "ann")
    number, letter, text = launcher.link.answer()
    assert letter == "Z" and "checksum" in text  # not for a user's process to say of the message
    assert not launcher.maildir("ann")
    launcher.link.send(b"nonsense")
    assert launcher.process.wait(PATIENCE) == 111


@pytest.mark.root
def test_many_users_at_once(make_launcher):
    """40 at a time; the others wait until one of these is done."""
    users = [f"u{i}" for i in range(45)]
    launcher = make_launcher(users)
    go = launcher.folder / "go"
    for user in users:
        launcher.write(user, ".qmail", f"|touch begun; while test ! -e {go}; do sleep 0.1; done\n")
    queued = launcher.queued()
    for user in users:
        launcher.link.job(queued, user)

    def begun():
        return sum(launcher.exists(user, "begun") for user in users)

    wait_for(lambda: begun() == 40, what="40 programs")
    launcher.link.job(queued, "ann", kind="m")  # read and answered while five wait
    assert launcher.link.answer()[:2] == (46, "Z")
    assert len(launcher.children()) == begun() == 40
    go.touch()
    answers = launcher.link.answers(45)
    assert all(is_delivered(answer) for answer in answers.values()), answers


def test_the_end(make_launcher):
    """SIGTERM lets deliveries in flight come to their end."""
    launcher = make_launcher(["ann"], plain=not IS_ROOT)
    launcher.write("ann", ".qmail", "|touch begun; while test ! -e go; do sleep 0.05; done\n")
    launcher.link.job(launcher.queued(), "ann")
    wait_for(lambda: launcher.exists("ann", "begun"), what="the program")
    launcher.process.send_signal(signal.SIGTERM)
    launcher.write("ann", "go", "")
    assert is_delivered(launcher.link.answer()[1:])
    assert launcher.process.wait(PATIENCE) == 0


def test_the_scheduler_is_gone(make_launcher):
    """Programs are stopped: their mail will be delivered again."""
    launcher = make_launcher(["ann"], plain=not IS_ROOT)
    launcher.write("ann", ".qmail", "|echo $$ > pid; mv pid begun; sleep 1000\n")
    launcher.link.job(launcher.queued(), "ann")
    wait_for(lambda: launcher.exists("ann", "begun"), what="the program")
    pid = int(launcher.read("ann", "begun"))
    assert launcher.end() == 0
    wait_for(lambda: Process(pid).stat()[:1] in ([], ["Z"]), what="the end of the program")


@pytest.mark.root
def test_extensions_stay_at_home(make_launcher):
    """E09, E10: whatever stands in the address, the file lies in the user's own folder."""
    launcher = make_launcher(["ann"], start=False)
    (launcher.folder / "homes/x").write_text("|touch /ran\n")
    launcher.start()
    queued = launcher.queued()
    extensions = ["../x", "../../etc/passwd", "a/b", ".", "..", "-" * 200, "default", "+x", "a b",
                  "$(id)", "|id", "*"]
    numbers = {launcher.link.job(queued, "ann", one): one for one in extensions}
    for number, (letter, text) in launcher.link.answers(len(extensions)).items():
        assert (letter, text[:5]) == ("D", "5.1.1"), numbers[number]
    launcher.write("ann", ".qmail-default", "|printf '%s\\n' \"$EXT\" >> seen\n")
    for extension in extensions:
        launcher.link.job(queued, "ann", extension)
    answers = launcher.link.answers(len(extensions))
    assert sum(is_delivered(one) for one in answers.values()) == len(extensions) - 3
    assert launcher.read("ann", "seen").splitlines() == [
        one for one in extensions if "/" not in one]
