"""The test suite of RFC 7208 (openspf, 2014.04), as records of a scripted name server.

The vectors are not part of this project. They are taken from `../shared/vectors` beside the
checkout, or from Debian's package python3-spf, which `sh quickstart check` installs.
"""

import gzip
from collections import namedtuple
from pathlib import Path

NAME = "rfc7208-tests.yml"
HERE = Path(__file__).resolve().parent.parent
PLACES = [
    HERE.parent / "shared/vectors" / NAME,
    Path("/work/shared/vectors") / NAME,
    *(path for folder in ("/usr/share/doc", "/usr/lib/python3/dist-packages", "/usr/share")
      for path in sorted(Path(folder).glob(f"*spf*/**/{NAME}*"))),
]

# ADDRESS HELO SENDER, the RFC 7208 results that are right, and the explanation: None for any, ""
# for none of the domain's own (the suite's DEFAULT).
Case = namedtuple("Case", "section name address helo sender results explanation")


def find():
    """The file; None where there is none."""
    return next((path for path in PLACES if path.is_file()), None)


def text():
    path = find()
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("latin-1")


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


def load():
    """[(cases, records, behaviours)], one of each section."""
    import yaml

    sections = []
    for document in yaml.safe_load_all(text()):
        records, behaviours = {}, {}
        add_zone(document["zonedata"], records, behaviours)
        cases = []
        for name, test in document["tests"].items():
            results = test["result"] if isinstance(test["result"], list) else [test["result"]]
            explanation = test.get("explanation")
            cases.append(Case(document["description"], name, test["host"], test["helo"],
                              test.get("mailfrom") or "", results,
                              "" if explanation == "DEFAULT" else explanation))
        sections.append((cases, records, behaviours))
    return sections
