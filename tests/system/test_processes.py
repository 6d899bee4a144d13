"""Who the processes are while they serve: users, capabilities, filters. Read from /proc."""

import os
import pwd
import re
import signal

import pytest
from instance import DOMAIN, SENDER, wait_for
from smtp_client import to_wire

ALICE = f"alice@{DOMAIN}"
# The user that the design gives each program; ekiden-smtpd is the keeper, or what it forked.
EXPECTED = {
    "ekiden-send": {"ekidens", "ekident"},  # the second is the holder of the TLS service
    "ekiden-local": {"ekidenl"},
    "ekiden-queue": {"ekidenq"},
    "ekiden-smtpd": {"root", "ekidend", "ekidenq"},
    "ekiden-serve": {"root"},
    "ekiden-launch": {"root"},
    "ekiden-bounce": {"ekidenq"},
    "ekiden-remote": {"ekidenr"},
}


def user_of(process):
    return pwd.getpwuid(process.uid).pw_name


def program_of(process):
    """The program's name, from its executable file: comm may say what the process is for."""
    return os.path.basename(os.readlink(f"/proc/{process.pid}/exe"))


def descriptors_of(process):
    """What each open descriptor leads to, but for one that was just being closed."""
    found = {}
    for name in os.listdir(f"/proc/{process.pid}/fd"):
        try:
            found[name] = os.readlink(f"/proc/{process.pid}/fd/{name}")
        except FileNotFoundError:
            pass
    return found


def sockets_of(process):
    return [link for link in descriptors_of(process).values() if link.startswith("socket:")]


def client_sockets(port):
    """The inodes of the server's ends of established connections to PORT."""
    found = set()
    with open("/proc/net/tcp") as table:
        for line in table.readlines()[1:]:
            fields = line.split()
            if fields[1].endswith(f":{port:04X}") and fields[3] == "01":
                found.add(f"socket:[{fields[9]}]")
    return found


@pytest.fixture
def in_session(instance, sanitized):
    """A session in the midst of its second message: all that serves it is running, and the queue
    holds this message alone, which stays there until its end comes."""

    def is_up(process):
        """False between a process's start and its fence (a sanitizer build has none)."""
        if sanitized:
            return process.status("Uid").split()[1:2] != ["0"] or instance.mode != "privileged"
        return process.status("Seccomp") == "2"

    def are_up():
        agents_are_agents = len(instance.processes()["ekiden-send"]) == 1
        running = instance.all_processes()
        return agents_are_agents and all(is_keeper(one) or is_up(one) for one in running)

    with instance.session() as client:
        client.envelope(SENDER, [ALICE])
        assert client.data(to_wire(b"Subject: first\n\nbody\n")).code == 250
        instance.wait_for_mail("alice")
        instance.wait_for_empty_queue()
        client.envelope(SENDER, [ALICE])
        assert client.command("DATA").code == 354
        client.send(b"Subject: second\r\n\r\n" + b"body\r\n" * 30_000)
        wait_for(instance.queue_files, what="the file of the second message")
        wait_for(are_up, what="that all processes are behind their fences")
        yield instance
        client.send(b".\r\n")
        assert client.reply().code == 250
        client.quit()


@pytest.mark.root
def test_users(in_session):
    if in_session.mode != "privileged":
        users = {user_of(process) for process in in_session.all_processes()}
        assert users == {"nobody"}
        return
    seen = {}
    for process in in_session.all_processes():
        seen.setdefault(program_of(process), set()).add(user_of(process))
    assert seen.keys() == EXPECTED.keys(), seen
    for program, users in seen.items():
        assert users <= EXPECTED[program], seen
    assert {"ekidend", "ekidenq"} <= seen["ekiden-smtpd"], seen


def test_no_privilege(in_session, sanitized):
    """No capability, no way to get one, a filter on system calls: all that are not keepers."""
    for process in in_session.all_processes():
        assert process.status("NoNewPrivs") == "1", process
        if is_keeper(process):
            continue
        for key in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(process.status(key), 16) == 0, f"{process} {key}"
        assert process.status("Groups") in ("", process.status("Gid").split()[0]), process
        if not sanitized:
            assert process.status("Seccomp") == "2", process


def is_keeper(process):
    """Where all run as one user the keepers need no filter: they have no right to lose. A filter of
    ekiden-launch would be one of users' programs too (test_launch.py looks at what it has), one of
    the holder of the TLS service would be that one's."""
    return process.comm in ("ekiden-serve", "ekiden-smtpd", "ekiden-launch", "tls-holder")


@pytest.mark.root
def test_root_never_reads_what_a_client_wrote(in_session):
    """No process of uid 0 has a client's socket; at least one other has it."""
    clients = client_sockets(in_session.port)
    assert clients
    holders = [p for p in in_session.all_processes() if clients & set(sockets_of(p))]
    assert holders
    if in_session.mode == "privileged":
        assert {user_of(process) for process in holders} == {"ekidend"}, holders


@pytest.mark.root
def test_the_dialogue_has_an_empty_root(in_session):
    if in_session.mode != "privileged":
        pytest.skip("only root can change the root folder")
    clients = client_sockets(in_session.port)
    for process in in_session.all_processes():
        if clients & set(sockets_of(process)):
            assert not os.listdir(f"/proc/{process.pid}/root/"), process


@pytest.mark.root
def test_no_descriptor_of_the_dialogue_leads_to_a_file(in_session):
    """It has its client, its request sockets, the log; no file of the queue or the control folder,
    save the name of one by which it asks how full the disk is: nothing can be read there."""
    count = str(in_session.queue / "count")
    clients = client_sockets(in_session.port)
    for process in in_session.all_processes():
        if not clients & set(sockets_of(process)):
            continue
        for name, link in descriptors_of(process).items():
            if link == count:
                flags = re.search(r"flags:\s*(\d+)", process.read(f"fdinfo/{name}")).group(1)
                assert int(flags, 8) & os.O_PATH, f"{process} fd {name} can be read"
                continue
            allowed = ("socket:", "pipe:", "anon_inode:", "/dev/null", str(in_session.log_path))
            assert link.startswith(allowed), f"{process} fd {name}: {link}"


def test_modes_of_what_is_stored(in_session):
    """Nobody else reads mail: not in the Maildir, not in the queue."""
    (delivered,), (queued,) = in_session.mail_files("alice"), in_session.queue_files()
    assert delivered.stat().st_mode & 0o777 == 0o600, delivered
    assert queued.parent == in_session.queue / "new"
    assert queued.stat().st_mode & 0o007 == 0, queued


def injectors(instance):
    return {process.pid for process in instance.processes().get("smtpd-injector", ())}


def test_an_injector_serves_one_session_after_the_other(instance):
    instance.send(b"Subject: first\n\nx\n")
    before = injectors(instance)
    for _ in range(10):
        instance.send(b"Subject: next\n\nx\n")
    assert before and injectors(instance) & before
    assert len(instance.wait_for_mail("alice", 11)) == 11


def test_injectors_for_all_who_need_one(instance):
    """Whoever takes the last one that waits has another one made."""
    clients = [instance.session() for _ in range(20)]
    for client in clients:
        client.envelope(SENDER, [ALICE])
        assert client.command("DATA").code == 354
    wait_for(lambda: len(injectors(instance)) > len(clients), what="one more that waits")
    for client in clients:
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert client.reply().code == 250
        client.quit()
    instance.wait_for_mail("alice", len(clients))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_injectors_that_end_are_replaced(instance, number):
    """A service manager's SIGTERM is for who is left alone; mail goes on in either case."""
    instance.expected_signals = number == signal.SIGKILL
    instance.send(b"Subject: first\n\nx\n")
    wait_for(lambda: len(injectors(instance)) >= 2, what="one that waits")
    for pid in injectors(instance):
        os.kill(pid, number)
    instance.send(b"Subject: second\n\nx\n")
    instance.wait_for_mail("alice", 2)
    if number == signal.SIGKILL:
        wait_for(lambda: instance.log_text().count("event=process-killed") >= 2, what="two ends")
