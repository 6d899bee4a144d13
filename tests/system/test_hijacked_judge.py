"""What an ekiden-judge that has been taken over can do to its session, and to others. Its
descriptors are taken from it, as root may; what it may answer is in test_judgement.py."""

import array
import os
import socket
import stat

import pytest
from instance import DOMAIN, wait_for
from name_server import NameServer
from smtp_client import to_wire
from test_hijacked_session import close, sockets_of, steal

pytestmark = pytest.mark.root
ALICE = f"alice@{DOMAIN}"
SESSION = 0


@pytest.fixture(scope="session")
def mode(service_users):
    """Separate users, and no other mode: with one user the same would be tested twice."""
    return "privileged"


@pytest.fixture
def server(make_instance):
    """It asks a list and remembers clients, so a judge has all that one can have."""
    with NameServer({}) as names:
        yield make_instance({"nameservers": f"{names.endpoint}\n", "dnsbl": "bad.test\n",
                             "limits": "recipients 1000/h\n", "dnsdeadline": "2\n"})


@pytest.fixture
def client(server):
    with server.session() as one:
        yield one


def judge_of(server):
    """The judge of the only session. It serves: what it was asked at first is answered."""

    def found():
        judges = [process for process in server.all_processes()
                  if process.comm.startswith("ekiden-judge")]
        return judges[0] if judges and "0" in os.listdir(f"/proc/{judges[0].pid}/fd") else None

    return wait_for(found, what="a judge")


def dialogue_of(server):
    """The dialogue that has a client."""
    for process in server.processes()["smtpd-dialogue"]:
        taken = sockets_of(process.pid)
        connected = [one for one in taken if one.family == socket.AF_INET
                     and not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)]
        close(taken)
        if connected:
            return process.pid
    raise AssertionError("no dialogue has a client")


def offer(client):
    assert client.command("MAIL FROM:<a@sender.example>").code == 250
    return client.command(f"RCPT TO:<{ALICE}>").code


def all_is_well(server):
    server.send(b"Subject: x\n\nx\n")


def test_what_it_has(server, client):
    """Nothing of the keeper, the dialogue or the client but the one pair; two folders; the log."""
    assert offer(client) == 250
    judge = judge_of(server)
    taken = sockets_of(judge.pid)
    pairs = [one for one in taken if one.family == socket.AF_UNIX]
    assert [one.type for one in pairs] == [socket.SOCK_SEQPACKET]
    assert all(one.type == socket.SOCK_DGRAM for one in taken if one.family != socket.AF_UNIX)
    close(taken)
    folders = [link for name in os.listdir(f"/proc/{judge.pid}/fd")
               if stat.S_ISDIR(os.stat(link := f"/proc/{judge.pid}/fd/{name}").st_mode)]
    assert {os.readlink(link) for link in folders} <= {str(server.control),
                                                       str(server.folder / "state" / "judge"),
                                                       str(server.folder / "judge")}
    all_is_well(server)


def test_descriptors_that_it_sends_are_not_kept(server, client):
    """Nor do answers that nobody asked for cost the session its mail."""
    assert offer(client) == 250
    judge = judge_of(server)
    dialogue = dialogue_of(server)
    before = len(os.listdir(f"/proc/{dialogue}/fd"))
    session = steal(judge.pid, SESSION)
    end, other = socket.socketpair()
    session.setblocking(False)
    for data in (b"C77\0", b"?" * 5000, b"M1\0") * 7:
        try:
            session.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                      array.array("i", [end.fileno()] * 8))])
        except BlockingIOError:
            break
    close([session, end])
    assert client.command("RSET").code == 250
    assert offer(client) == 250
    assert "judge-lost" in server.log_text()
    assert len(os.listdir(f"/proc/{dialogue}/fd")) <= before
    other.settimeout(server.patience)
    assert other.recv(1) == b""  # nobody has it any more
    other.close()
    all_is_well(server)


@pytest.mark.parametrize("how", [socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR])
def test_its_socket_is_shut(server, client, how):
    """The session goes on, and the judge does not stay when it ends."""
    assert offer(client) == 250
    judge = judge_of(server)
    session = steal(judge.pid, SESSION)
    session.shutdown(how)
    session.close()
    assert client.command("RSET").code == 250
    assert offer(client) == 250
    assert client.data(to_wire(b"Subject: x\n\nx\n")).code == 250
    client.command("QUIT")
    wait_for(lambda: not os.path.exists(f"/proc/{judge.pid}"), what="the judge's end")
    all_is_well(server)
