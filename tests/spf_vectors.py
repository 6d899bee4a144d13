"""The test suite of RFC 7208 (openspf, 2014.04), run against a scripted name server.

The vectors are not part of this project. They are read from `../shared/vectors` beside the checkout,
or from Debian's package python3-spf: installed, or as `sh quickstart check` has fetched it.

As a program it prints how many cases of each section are right: spf_vectors.py [BUILD]
"""

import functools
import gzip
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from name_server import NameServer

NAME = "rfc7208-tests.yml"
ROOT = Path(__file__).resolve().parent.parent
MISSING = (f"the 203 cases of RFC 7208 WERE NOT RUN: there is neither ../shared/vectors/{NAME} nor "
           "Debian's package python3-spf, which quickstart could not fetch")
SECTIONS = {
    "Initial processing": 16, "Record lookup": 7, "Selecting records": 10, "Record evaluation": 12,
    "ALL mechanism syntax": 5, "PTR mechanism syntax": 8, "A mechanism syntax": 29,
    "Include mechanism semantics and syntax": 9, "MX mechanism syntax": 21,
    "EXISTS mechanism syntax": 7, "IP4 mechanism syntax": 9, "IP6 mechanism syntax": 9,
    "Semantics of exp and other modifiers": 24, "Macro expansion rules": 24,
    "Processing limits": 11, "Test cases from implementation bugs": 2,
}

# ADDRESS HELO SENDER, the RFC 7208 results that are right, and the explanation: None for any, ""
# for none of the domain's own (the suite's DEFAULT).
Case = namedtuple("Case", "name address helo sender results explanation")


def find():
    """The file, or a package that it is in; None where there is neither."""
    shared = Path("shared/vectors") / NAME
    build = (ROOT / os.environ.get("EKIDEN_BUILD", "build")).resolve()
    places = [*(parent / shared for parent in (ROOT.parent, *ROOT.parent.parents)),
              Path("/usr/share/doc/python3-spf") / f"{NAME}.gz",
              *build.glob("vectors/python3-spf_*.deb")]
    return next((path for path in places if path.is_file()), None)


def text():
    path = find()
    content = path.read_bytes()
    if path.suffix == ".deb":
        archive = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], check=True,
                                 stdout=subprocess.PIPE).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            member = next(member for member in members if member.name.endswith(f"/{NAME}.gz"))
            content = members.extractfile(member).read()
    return (content if path.suffix == ".yml" else gzip.decompress(content)).decode("latin-1")


def octets(value):
    """A string of the zone data, which was written as Latin-1 or as YAML escapes."""
    return [part.encode("latin-1") for part in (value if isinstance(value, list) else [value])]


def add_zone(zone, records, behaviours):
    """What the suite's driver makes of a zone: SPF records are TXT records too where a name has no
    TXT records of its own; NONE means that it really has none; TIMEOUT is the answer to all else.
    """
    for name, entries in zone.items():
        entries = [entry if isinstance(entry, dict) else {entry: None} for entry in entries]
        kinds = {kind for entry in entries for kind in entry}
        for entry in entries:
            for kind, value in entry.items():
                if kind in ("TXT", "SPF") and value != "NONE":
                    wanted = ["TXT"] if kind == "TXT" or "TXT" not in kinds else []
                    for each in wanted:
                        records.setdefault((name, each), []).append(octets(value) or [b""])
                elif kind == "MX":
                    records.setdefault((name, kind), []).append((value[0], value[1] or "."))
                elif kind in ("A", "AAAA", "PTR", "CNAME"):
                    records.setdefault((name, kind), []).append(value)
        if "TIMEOUT" in kinds:
            for kind in ("TXT", "A", "AAAA", "MX", "PTR"):
                if (name, kind) not in records:
                    behaviours[name.lower(), kind] = "servfail"
        elif not any(owner == name for owner, _ in records):
            records[name, "NS"] = ["ns.invalid"]  # it exists


@functools.cache
def load():
    """{section: (cases, records, behaviours)}"""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    sections = {}
    for document in yaml.load_all(text(), loader):
        records, behaviours = {}, {}
        add_zone(document["zonedata"], records, behaviours)
        cases = []
        for name, test in document["tests"].items():
            results = test["result"] if isinstance(test["result"], list) else [test["result"]]
            explanation = test.get("explanation")
            cases.append(Case(name, test["host"], test["helo"], test.get("mailfrom") or "", results,
                              "" if explanation == "DEFAULT" else explanation))
        sections[document["description"]] = (cases, records, behaviours)
    return sections


def is_right(case, answer):
    return answer.result in case.results and case.explanation in (None, answer.explanation)


def run(section, make_asker, at_once):
    """Asks all cases of a section. MAKE_ASKER: a name server -> who answers (address, helo, sender).
    All cases, and those that are wrong with their answers."""
    cases, records, behaviours = load()[section]
    with NameServer(records, behaviours) as server, ThreadPoolExecutor(at_once) as pool:
        ask = make_asker(server)
        answers = pool.map(lambda case: ask(case.address, case.helo, case.sender), cases)
        return cases, [pair for pair in zip(cases, answers) if not is_right(*pair)]


def main():
    sys.path.insert(0, str(ROOT / "tests/system"))
    from spf_asker import Asker

    build = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build").resolve()
    if not find():
        sys.exit(MISSING)
    total = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for section in load():
            cases, failed = run(section, lambda server: Asker(Path(folder), build, server), 4)
            print(f"{section:40} {len(cases) - len(failed):3} of {len(cases):3}")
            for case, answer in failed:
                print(f"    {case.name}: {answer}")
            total += len(cases)
            wrong += len(failed)
    print(f"{'all':40} {total - wrong:3} of {total:3}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
