"""What a user's mail program does beyond smtp_client.Client: TLS on the connection, and AUTH."""

import base64
import ssl

from smtp_client import Client, as_bytes


def any_certificate():
    """What certificates are worth is other tests' matter."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def start_tls(client: Client, name="client.example"):
    """STARTTLS on a connection that has said EHLO, and EHLO again. Returns the reply to that."""
    assert client.command("STARTTLS").code == 220
    assert not client.pending
    client.socket = any_certificate().wrap_socket(client.socket)
    answer = client.command(f"EHLO {name}")
    assert answer.code == 250, f"EHLO: {answer}"
    return answer


def encrypted(instance, port=None, source=None):
    """A connection to the port for users (or PORT), with TLS begun and EHLO said."""
    client = instance.session(source, port=port or instance.submission_port)
    start_tls(client)
    return client


def word(data):
    return base64.b64encode(as_bytes(data)).decode()


def plain(user, password, identity=""):
    """The octets of PLAIN, in base64."""
    return word(b"\0".join(map(as_bytes, (identity, user, password))))


def log_in(client: Client, user, password):
    answer = client.command(f"AUTH PLAIN {plain(user, password)}")
    assert answer.code == 235, f"AUTH: {answer}"


def logged_in(instance, user="alice", password="right", **more):
    client = encrypted(instance, **more)
    log_in(client, user, password)
    return client
