"""1000 messages over ten connections at once: all there, each exactly once."""

import re
import subprocess

import pytest
from instance import DOMAIN, SENDER, wait_for

COUNT = 1000


@pytest.mark.needs("smtp-source")
@pytest.mark.parametrize("options", [[], ["-d"]], ids=["a-connection-each", "ten-connections"])
def test_thousand_messages(server, options):
    subprocess.run(
        ["smtp-source", *options, "-s", "10", "-m", str(COUNT), "-l", "4096", "-f", SENDER,
         "-t", f"alice@{DOMAIN}", f"127.0.0.1:{server.port}"],
        check=True,
        timeout=300,
    )  # fmt: skip
    messages = server.wait_for_mail("alice", COUNT, timeout=120)
    names = [re.search(rb"^Message-Id: (\S+)", message, re.M | re.I).group(1) for message in messages]
    assert len(set(names)) == COUNT
    server.wait_for_empty_queue()

    def logged():
        text = server.log_text()
        return {name for name in re.findall(r"\bid=(\w{20})\b", text)}

    identities = {
        re.search(rb"\bid (\w{20})\b", message).group(1).decode() for message in messages
    }
    assert len(identities) == COUNT
    wait_for(lambda: identities <= logged(), what="a log line for each queue id")
