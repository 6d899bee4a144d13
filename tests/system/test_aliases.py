"""Aliases on their whole way: SMTP, queue, the local agent, the injector's socket, mailboxes."""

from instance import DOMAIN

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
CONTROL = {
    "users": "alice\nbob\npostmaster:alice\n",
    "aliases": "staff: alice, bob\nlist: :include:members\nowner-list: alice\n",
    "members": "# of the list\nbob\n",
}


def test_an_alias_has_several_targets(server):
    server.send(b"Subject: hello\n\nbody\n", f"staff@{DOMAIN}", BOB)
    for user in ("alice", "bob"):
        (message,) = server.wait_for_mail(user)
        assert message.startswith(f"Return-Path: <{BOB}>\nDelivered-To: {user}".encode())
        assert f"\nDelivered-To: staff@{DOMAIN}\n".encode() in message
        assert message.endswith(b"\nSubject: hello\n\nbody\n")


def test_a_list_has_members_and_an_owner(server):
    """The members stand in a file of this instance's own control folder."""
    server.send(b"Subject: hello\n\nbody\n", f"list@{DOMAIN}", ALICE)
    (message,) = server.wait_for_mail("bob")
    assert message.startswith(f"Return-Path: <owner-list@{DOMAIN}>\n".encode())
    assert not server.mailbox("alice")
