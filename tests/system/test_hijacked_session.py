"""What a dialogue that has been taken over can do to others by the sockets that it shares with them.
Its descriptors are taken from it, as root may."""

import array
import ctypes
import os
import socket
import ssl

import certificates
import pytest
from instance import wait_for
from smtp_client import Closed
from submitter import encrypted, plain

pytestmark = pytest.mark.root
PIDFD_OPEN, PIDFD_GETFD = 434, 438
INJECTOR, HELPER, TLS = range(3)  # in the order in which the keeper has made them


@pytest.fixture(scope="session")
def mode(service_users):
    """Separate users, and no other mode: with one user the same would be tested twice."""
    return "privileged"


@pytest.fixture
def hijacked(make_instance):
    """A server, with a template of engines that runs."""
    instance = make_instance({"timeouttls": "5\n", "timeoutauth": "5\n"}, start=False)
    certificates.put(instance)
    instance.add_login("alice", "right")
    instance.start()
    encrypted(instance).close()
    return instance


def steal(pid, number):
    call = ctypes.CDLL(None, use_errno=True).syscall
    process = call(PIDFD_OPEN, pid, 0)
    taken = call(PIDFD_GETFD, process, number, 0)
    os.close(process)
    assert taken >= 0, os.strerror(ctypes.get_errno())
    return socket.socket(fileno=taken)


def sockets_of(pid):
    """Its sockets, taken; none of a process that ends meanwhile."""
    taken = []
    try:
        for number in sorted(map(int, os.listdir(f"/proc/{pid}/fd"))):
            if os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
                taken.append(steal(pid, number))
    except (OSError, AssertionError):
        close(taken)
        return []
    return taken


def is_listening(one):
    return one.family == socket.AF_INET and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


def requests(instance):
    """The sockets by which a dialogue that waits for the next client asks: one that serves, perhaps
    the last one that is about to end, has no listener any more."""

    def found():
        for process in instance.processes().get("smtpd-dialogue", []):
            taken = sockets_of(process.pid)
            asks = [one for one in taken
                    if (one.family, one.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET)]
            waits = any(map(is_listening, taken))
            close([one for one in taken if not waits or one not in asks])
            if waits:
                return asks
        return None

    asks = wait_for(found, what="a dialogue that waits")
    assert len(asks) == 3
    return asks


def close(sockets):
    for one in sockets:
        one.close()


def send(to, data, descriptors):
    to.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])


def full_socket():
    """A packet socket without room, and its partner, which nobody reads."""
    partner, full = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    full.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            full.send(bytes(100))
    full.setblocking(True)
    return full, partner


def all_is_well(instance):
    """Somebody else is served: TLS, a login, mail."""
    try:
        with encrypted(instance) as client:
            assert client.command(f"AUTH PLAIN {plain('alice', 'right')}").code == 235
            client.quit()
        instance.send(b"Subject: x\n\nx\n")
    except (AssertionError, Closed, OSError, ssl.SSLError):
        return False
    return True


@pytest.mark.parametrize("which", [INJECTOR, HELPER, TLS])
def test_an_empty_packet_is_not_the_end(hijacked, which):
    sockets = requests(hijacked)
    for _ in range(3):
        sockets[which].send(b"")
    close(sockets)
    assert all_is_well(hijacked)
    assert "listener-failed" not in hijacked.log_text()


@pytest.mark.parametrize("which", [INJECTOR, HELPER, TLS])
def test_no_descriptor_is_left(hijacked, which):
    def counts():
        return {process.pid: len(os.listdir(f"/proc/{process.pid}/fd"))
                for name in ("ekiden-smtpd", "smtpd-injectors", "tls-template")
                for process in hijacked.processes()[name]}

    assert all_is_well(hijacked)  # what is opened at first need is open
    before = counts()
    sockets = requests(hijacked)
    end, other = socket.socketpair()
    for data in (b"", b"?" * 600):
        for _ in range(20):
            send(sockets[which], data, [end.fileno()] * 4)
    close([*sockets, end])
    other.settimeout(hijacked.patience)
    assert other.recv(1) == b""  # nobody has it any more
    assert all_is_well(hijacked)
    wait_for(lambda: counts() == before, what="the descriptors of before")


def test_an_answer_that_nobody_takes(hijacked):
    """Neither the keeper nor the template of the engines waits for room."""
    sockets = requests(hijacked)
    full, partner = full_socket()
    for _ in range(3):
        send(sockets[HELPER], b"A" + bytes(17), [full.fileno()])
        send(sockets[TLS], b"C\0005\0encrypt\0\0", [full.fileno()] * 4)
    close(sockets)
    assert all_is_well(hijacked)
    close([full, partner])


@pytest.mark.parametrize("which", [HELPER, TLS])
@pytest.mark.parametrize("how", [socket.SHUT_WR, socket.SHUT_RDWR])
def test_a_socket_of_all_is_shut(hijacked, which, how):
    """Everything is started anew."""
    sockets = requests(hijacked)
    sockets[which].shutdown(how)
    close(sockets)
    wait_for(lambda: all_is_well(hijacked), what="a server that serves again")


def test_the_injectors_socket_is_shut_by_one_that_keeps_its_injector(hijacked):
    """The template of the injectors does not wait for that one: everything is started anew."""
    sockets = requests(hijacked)
    session, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    send(sockets[INJECTOR], b"I", [end.fileno()])
    end.close()
    session.settimeout(hijacked.patience)
    assert session.recv(100)[:1] == b"N"
    sockets[INJECTOR].shutdown(socket.SHUT_RDWR)
    close(sockets)
    wait_for(lambda: all_is_well(hijacked), what="a server that serves again")
    close([session])
