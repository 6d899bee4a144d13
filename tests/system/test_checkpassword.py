"""ekiden-auth by its own interface: checkpassword, the counts of failures, budgets."""

import os
import re
import stat
import statistics
import tempfile
import time
from pathlib import Path

import pytest
from conftest import IS_ROOT
from instance import Process, wait_for
from logins import CLIENT, Logins, credentials

PASSWORD = "correct horse battery"
RIGHT, WRONG, MISUSED, TEMPORARY = 0, 1, 2, 111


@pytest.fixture(scope="module")
def shared(scratch, programs, mode):
    made = Logins(tempfile.mkdtemp(dir=scratch), programs, mode)
    made.add("alice", PASSWORD)
    made.set("authfailures", "0\n")
    return made


@pytest.fixture
def logins(scratch, programs, mode):
    made = Logins(tempfile.mkdtemp(dir=scratch), programs, mode)
    made.add("alice", PASSWORD)
    return made


def script(logins, text, name="checker"):
    path = logins.folder / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


# --- the interface ---


@pytest.mark.parametrize("user, password, code", [
    ("alice", PASSWORD, RIGHT),
    ("ALICE", PASSWORD, RIGHT),
    ("alice", PASSWORD + "x", WRONG),
    ("alice", PASSWORD[:-1], WRONG),
    ("alice", PASSWORD.upper(), WRONG),
    ("alice", "", WRONG),
    ("", PASSWORD, WRONG),
    ("bob", PASSWORD, WRONG),
    ("alice ", PASSWORD, WRONG),
    ("passwords", "", WRONG),
])
def test_answers(shared, user, password, code):
    ended = shared.check(user, password)
    assert ended.code == code, ended
    assert ended.output == ""
    assert PASSWORD not in ended.log


@pytest.mark.parametrize("user", [
    "$(id)", ";id", "%n%s", "../../root", "() { :;};", "a\nevent=forged", "x" * 300, b"\xff\xfe",
    "alice:x", "#alice",
])
def test_strange_names(shared, user):
    ended = shared.check(user, PASSWORD)
    assert ended.code == WRONG
    assert ended.log == f"ekiden-auth: event=auth-failed user=unknown client={CLIENT}\n"


def test_who_failed_is_logged_when_he_exists(shared):
    assert shared.check("Alice", "hunter2").log == (
        f"ekiden-auth: event=auth-failed user=alice client={CLIENT}\n")
    assert "client=unknown" in shared.check("alice", "x", client=None).log


@pytest.mark.parametrize("data, code", [
    (b"", MISUSED),
    (b"alice\0", MISUSED),
    (f"alice\0{PASSWORD}".encode(), MISUSED),
    (f"alice\0{PASSWORD}\0".encode(), MISUSED),
    (f"alice\0{PASSWORD}\0<stamp@host>\0".encode(), RIGHT),
    (f"alice\0{PASSWORD}\0stamp\0and more".encode(), RIGHT),
    (credentials("alice", PASSWORD, b"x" * (512 - len(PASSWORD) - 8)), RIGHT),
    (credentials("alice", PASSWORD, b"x" * (513 - len(PASSWORD) - 8)), WRONG),
    (credentials("alice", PASSWORD, b"x" * 60000), WRONG),
])
def test_form_of_descriptor_3(shared, data, code):
    assert len(data) != 512 or code == RIGHT
    ended = shared.run(data)
    assert ended.code == code, ended


def test_misuse(shared):
    assert shared.run(b"", descriptors="3<&- </dev/null").code == MISUSED
    assert shared.run(b"", options=("-x",)).code == MISUSED
    assert shared.run(b"", "true", options=("-b",)).code == MISUSED


def test_executes_the_program(shared):
    text = 'echo "$USER"; id -u; ls /proc/self/fd | wc -l; cat /proc/self/environ | tr "\\0" "\\n"'
    ended = shared.check("Alice", PASSWORD, "sh", "-c", text + "; exit 7")
    user, uid, count, *environment = ended.output.splitlines()
    assert (ended.code, user) == (7, "alice")
    assert int(uid) == (65534 if shared.user else os.getuid())
    assert int(count) == 4  # 0, 1, 2, and ls's own
    assert "USER=alice" in environment
    assert PASSWORD not in ended.output + ended.log
    for bad in ("wrong", ""):
        refused = shared.check("alice", bad, "echo", "executed")
        assert (refused.code, refused.output) == (WRONG, "")
    assert shared.check("alice", PASSWORD, "/nonexistent").code == TEMPORARY


def test_takes_inherited_folders(shared):
    shared.check("alice", PASSWORD)  # makes the state folder
    ended = shared.check(
        "alice", PASSWORD, options=("-C", "8:/nothing", "-S", "9:/nowhere"),
        descriptors=f"3<&0 </dev/null 8<{shared.control} 9<{shared.state}")
    assert ended.code == RIGHT, ended


def test_nobody_has_a_password(scratch, programs, mode):
    logins = Logins(tempfile.mkdtemp(dir=scratch), programs, mode)
    assert logins.check("alice", PASSWORD).code == WRONG


def test_unknown_users_take_the_same_time(shared, sanitized):
    """The times are for the eye. What is asserted is that a hash is computed for everybody: where
    there is no memory for one, everybody hears that."""
    for user, password in [("alice", "wrong"), ("nobody", "wrong"), ("al ice", "x"), ("alice", "")]:
        times = []
        for _ in range(5):
            begin = time.monotonic()
            assert shared.check(user, password).code == WRONG
            times.append(time.monotonic() - begin)
        print(f"{user!r} {password!r}: {1000 * statistics.median(times):.1f} ms")
        if not sanitized:
            assert computes_a_hash(shared, user, password)


def computes_a_hash(logins, user, password):
    ended = logins.check(user, password, before=["prlimit", "--data=8000000"])
    assert ended.code == TEMPORARY, ended
    return "the hash could not be computed" in ended.log


# --- what can go wrong around it ---


@pytest.mark.parametrize("what, mode_bits", [("auth", 0o750), ("auth/passwords", 0o644)])
def test_readable_by_others(logins, what, mode_bits):
    (logins.control / what).chmod(mode_bits)
    ended = logins.check("alice", PASSWORD)
    assert ended.code == TEMPORARY
    assert re.search(rf"{logins.control}/auth/\S*: mode 0{mode_bits:o} .*chmod", ended.log)


def test_refused_hashes(logins):
    with open(logins.passwords, "a") as file:
        file.write("# imported\nold:$1$abcdefgh$irWbblnpmw.5z7wgBnprh0\n")
    ended = logins.check("old", "test")
    assert ended.code == WRONG
    assert f'password-unusable what="{logins.passwords}:3: ' in ended.log
    assert logins.check("alice", PASSWORD).code == RIGHT


def test_a_large_database(logins):
    """It is compiled to a file beside it; a change counts at once."""
    line = logins.passwords.read_text().partition(":")[2]
    with open(logins.passwords, "a") as file:
        file.writelines(f"user{number}:{line}" for number in range(3000))
    wait_for(lambda: logins.check("user2999", PASSWORD).code == RIGHT
             and logins.passwords.with_suffix(".cdb").exists(), what="a compiled table")
    assert stat.S_IMODE(logins.passwords.with_suffix(".cdb").stat().st_mode) == 0o600
    assert logins.check("USER7", PASSWORD).code == RIGHT
    assert logins.check("user3000", PASSWORD).code == WRONG
    assert logins.passwd("remove", "user7").code == 0
    assert not logins.passwords.with_suffix(".cdb").exists()
    assert logins.check("user7", PASSWORD).code == WRONG


def test_malformed_settings(logins):
    logins.set("authfailures", "many\n")
    ended = logins.check("alice", PASSWORD)
    assert ended.code == TEMPORARY and "authfailures:1: expected a number" in ended.log
    logins.set("authfailures", "20\n")
    logins.set("authprogram", "checker\n")
    ended = logins.check("alice", PASSWORD)
    assert ended.code == TEMPORARY and "authprogram:1: expected an absolute path" in ended.log


def test_no_state_folder(logins):
    logins.state.write_text("a file")
    assert logins.check("alice", PASSWORD).code == TEMPORARY


def test_full_disk(logins):
    """A file size limit is what a full disk looks like."""
    ended = logins.check("alice", PASSWORD, before=["prlimit", "--fsize=4096"])
    assert ended.code == TEMPORARY
    assert "event=store-failed" in ended.log
    assert logins.check("alice", PASSWORD).code == RIGHT


@pytest.mark.parametrize("damage", ["garbage", "cut", "empty", "folder"])
def test_damaged_store(logins, damage):
    assert logins.check("alice", PASSWORD).code == RIGHT
    store = logins.state / "store"
    if damage == "garbage":
        store.write_bytes(b"no database" * 1000)
    elif damage == "folder":
        store.unlink()
        store.mkdir()
    else:
        os.truncate(store, 10000 if damage == "cut" else 0)
    codes = [logins.check("alice", PASSWORD).code for _ in range(3)]
    assert set(codes) <= {RIGHT, TEMPORARY}
    aside = logins.state / "store.bad"
    if damage == "folder":  # Landlock, where there is one, lets the program move files only
        assert set(codes) == {RIGHT if aside.is_dir() else TEMPORARY}
    else:
        assert codes[-1] == RIGHT
        assert aside.is_file() == (damage in ("garbage", "cut"))


def test_many_at_once(logins):
    assert logins.check("alice", PASSWORD).code == RIGHT
    passwords = [PASSWORD if i % 4 else "wrong" for i in range(20)]
    running = [logins.start(credentials("alice", password)) for password in passwords]
    codes = [logins.end(process).code for process in running]
    assert codes == [RIGHT if password == PASSWORD else WRONG for password in passwords]


# --- the counts ---


def test_delay_and_refusal(logins, sanitized):
    """Whoever fails too often waits, and is refused then, without a hash; the user is served where
    he was before."""
    elsewhere = "2001:db8::1"
    assert logins.check("alice", PASSWORD, client=elsewhere).code == RIGHT
    logins.set("authfailures", "1\n")
    logins.set("authdelay", "1\n")
    began = time.monotonic()
    assert logins.check("alice", "wrong").code == WRONG
    assert time.monotonic() - began > 0.9
    refused = logins.check("alice", PASSWORD)
    assert refused.code == TEMPORARY
    assert refused.log == (f"ekiden-auth: event=auth-limited user=alice client={CLIENT} "
                           "failures-of=address seconds=900\n")
    refused = logins.check("nobody", PASSWORD)
    assert refused.code == TEMPORARY and "user=unknown" in refused.log
    assert sanitized or not computes_a_hash(logins, "alice", PASSWORD)
    assert logins.check("alice", PASSWORD, client=elsewhere).code == RIGHT
    assert logins.check("alice", PASSWORD, client="2001:db8::2").code == RIGHT
    logins.set("authfailures", "0\n")
    assert logins.check("alice", PASSWORD).code == RIGHT


def test_says_nothing(logins):
    logins.set("timeoutauth", "1\n")
    silent = logins.start(None)
    ended = logins.end(silent)
    assert ended.code == TEMPORARY and "auth-timeout" in ended.log
    os.close(silent.three)


def test_a_killed_check_is_a_failure(logins):
    """A client that hangs up before the answer has not saved itself the count."""
    checker = script(logins, "exec sleep 1000\n")
    logins.set("authprogram", f"{checker}\n")
    logins.set("authfailures", "1\n")
    logins.set("authdelay", "1\n")
    process = logins.start(credentials("alice", "guess"))
    hanging = wait_for(lambda: child_named(process.pid, "sleep"), what="the checker")
    process.kill()
    logins.end(process)
    wait_for(lambda: not Process(hanging).comm, what="the end of the checker")
    ended = logins.check("alice", "guess")
    assert ended.code == TEMPORARY and "auth-limited" in ended.log


def child_named(pid, name):
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text()
        except OSError:
            continue
        number, rest = int(fields.split(" ")[0]), fields.rpartition(")")[2].split()
        if int(rest[1]) == pid and Process(number).comm == name:
            return number
    return None


# --- other programs in place of our own check ---

CHECKER = """
user=$(tr '\\0' '\\n' <&3 | head -1)
printf '%s\\n' "$@" > "$(dirname "$0")/words"
case $user in
killed) kill -SEGV $$ ;;
[0-9]*) exit "$user" ;;
esac
shift 2
exec "$@"
"""


def test_other_programs(logins):
    checker = script(logins, CHECKER)
    logins.set("authprogram", f"{checker}  one \ttwo;$(id)\n")
    os.chown(logins.folder, *((65534, 65534) if logins.user else (988, 988)) if IS_ROOT else (-1, -1))
    logins.folder.chmod(0o777)
    for user, code in [("alice", 0), ("0", 0), ("1", 1), ("2", 2), ("111", 111), ("3", 111),
                       ("100", 111), ("killed", 111)]:
        ended = logins.check(user, "whatever")
        assert ended.code == code, (user, ended)
        assert ("authprogram-failed" in ended.log) == (code not in (0, 1))
        assert "whatever" not in ended.log
    assert (logins.folder / "words").read_text() == "one\ntwo;$(id)\n/bin/true\n"
    assert logins.check("alice", "x", "sh", "-c", "echo $USER").output == "alice\n"
    assert logins.check("1", "x").log.endswith(f"auth-failed user=unknown client={CLIENT}\n")


def test_it_gets_the_same_bytes(logins):
    checker = script(logins, 'cat <&3 | od -An -tx1 -v >&2\nexit 1\n')
    logins.set("authprogram", f"{checker}\n")
    data = credentials("al\xe9", b"\x01\xff", b"stamp", b"more")
    assert bytes.fromhex(logins.run(data).log.partition("ekiden")[0]) == data


def test_ekiden_auth_behind_ekiden_auth(logins, scratch, programs, mode):
    other = Logins(tempfile.mkdtemp(dir=scratch), programs, mode)
    other.add("alice", "another password")
    assert other.check("alice", "another password").code == RIGHT  # makes its state folder
    logins.set("authprogram", f"{programs}/ekiden-auth -C {other.control} -S {other.state}\n")
    assert logins.check("alice", PASSWORD).code == WRONG
    ended = logins.check("alice", "another password", "sh", "-c", "echo $USER")
    assert (ended.code, ended.output) == (0, "alice\n"), ended


def test_no_such_program(logins):
    logins.set("authprogram", "/nonexistent/checker\n")
    ended = logins.check("alice", PASSWORD)
    assert ended.code == TEMPORARY and "/nonexistent/checker" in ended.log


def test_what_can_be_seen_of_it(logins, sanitized):
    """Nothing of the password in what others can read; who it runs as; its fence; no core file."""
    checker = script(logins, "cat <&3 >/dev/null\nexec sleep 1000\n")
    logins.set("authprogram", f"{checker}\n")
    process = logins.start(credentials("alice", PASSWORD), client="192.0.2.77")
    sleeping = wait_for(lambda: child_named(process.pid, "sleep"), what="the checker")
    for pid in (process.pid, sleeping):
        for name in ("cmdline", "environ"):
            assert PASSWORD not in Process(pid).read(name)
        assert re.search(r"Max core file size +0 +0 ", Process(pid).read("limits"))
    running = Process(process.pid)
    assert running.status("NoNewPrivs") == "1" and running.status("CapEff") == "0" * 16
    expected = "nobody" if logins.user else "ekidena" if IS_ROOT else None
    if expected:
        assert Path(f"/proc/{sleeping}").owner() == expected
        assert running.uid == int(Path(f"/proc/{sleeping}").stat().st_uid)
    if not sanitized:
        assert running.status("Seccomp") == "2"
        assert Path(f"/proc/{process.pid}/environ").stat().st_uid == 0  # not dumpable
        if IS_ROOT:  # to its own user the process is closed
            with open(f"/proc/{process.pid}/maps") as maps:
                assert not [line for line in maps if " rwx" in line]
    os.kill(sleeping, 9)
    assert logins.end(process).code == TEMPORARY


# --- budgets ---


def test_budgets(logins):
    logins.set("loginmessages", "3\n")
    logins.set("loginrecipients", "10\n")
    codes = [logins.spend("alice", n).code for n in (1, 8, 2, 1)]
    assert codes == [0, 0, 1, 0]  # what is refused is not spent
    over = logins.spend("Alice", 0)
    assert over.code == 1
    assert over.log == "ekiden-auth: event=budget-spent user=alice of=loginmessages an-hour=3\n"
    assert logins.spend("bob", 10).code == 0
    assert "of=loginrecipients" in logins.spend("bob", 1).log
    assert logins.spend("carol", 11).code == 1
    logins.set("loginmessages", "0\n")
    logins.set("loginrecipients", "0\n")
    assert logins.spend("alice", 1000000).code == 0


def test_budget_misused(logins):
    for data in (b"", b"alice\0", b"alice\0x\0", b"alice\0001\0more", b"alice\0001", b"\0001\0"):
        assert logins.run(data, options=("-b",)).code == MISUSED


@pytest.mark.parametrize("name", ["jo doe", "#1", "j\x07"])
def test_budget_of_a_name_that_only_another_program_knows(logins, name):
    """It was taken by authprogram: it must be able to send as well."""
    logins.set("loginmessages", "2\n")
    assert [logins.spend(name, 1).code for _ in range(3)] == [0, 0, 1]


def test_budget_at_once(logins):
    logins.set("loginmessages", "10\n")
    running = [logins.start(b"alice\0001\0", options=("-b",)) for _ in range(25)]
    ended = [logins.end(process) for process in running]
    assert sorted(each.code for each in ended) == [0] * 10 + [1] * 15, ended


def test_first_uses_at_once(logins):
    """One has just made the state folder, and may not have given it to its user."""
    slow = logins.start(b"alice\0001\0", options=("-b",), before=(
        "strace", "-f", "-o", "/dev/null", "-e", "inject=chown,fchown:delay_enter=1000000"))
    wait_for(lambda: any(logins.folder.glob("state*")))
    assert logins.spend("alice", 1).code == 0
    assert logins.end(slow).code == 0


def test_budget_without_a_store(logins):
    logins.state.write_text("a file")
    assert logins.spend("alice", 1).code == TEMPORARY
