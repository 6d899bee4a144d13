"""The table of `make crash`: one row a sweep, whatever was cut, refused or torn in it.

    from rows import Row, add            # a program of `make crash` adds its rows to --rows FILE
    rows.py FILE                         # prints all of them, as Markdown
"""

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

KINDS = ("lost", "partial", "doubled", "hung", "other")


class Broken(str):
    """A broken promise: what it says, and which of KINDS it is."""

    kind = "other"

    def __new__(cls, kind, text):
        made = super().__new__(cls, text)
        made.kind = kind
        return made


@dataclass
class Row:
    name: str
    tried: int  # disk states or faults
    distinct: int  # of these, those that differ from all others
    broken: dict = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    seconds: float = 0

    def count(self, complaints):
        """Adds the list of COMPLAINTS: Broken, or other text."""
        for one in complaints:
            self.broken[getattr(one, "kind", "other")] += 1
        return self


def add(path, row):
    """Appends ROW to the file PATH, from which the table is made."""
    if path:
        with open(path, "a", encoding="utf-8") as rows:
            rows.write(json.dumps(asdict(row)) + "\n")


def table(rows):
    rows = [*rows, Row("all", sum(row.tried for row in rows), sum(row.distinct for row in rows),
                       {kind: sum(row.broken[kind] for row in rows) for kind in KINDS},
                       sum(row.seconds for row in rows))]
    heads = ["", "tried", "distinct", *KINDS, "seconds"]
    cells = [[row.name, f"{row.tried:,}", f"{row.distinct:,}",
              *(f"{row.broken[kind]:,}" for kind in KINDS), f"{row.seconds:,.0f}"] for row in rows]
    widths = [max(len(line[at]) for line in [heads, *cells]) for at in range(len(heads))]

    def line(texts):
        first, *others = texts
        padded = [first.ljust(widths[0]),
                  *(text.rjust(width) for text, width in zip(others, widths[1:]))]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (width + 1) + ("-" if at == 0 else ":")
                          for at, width in enumerate(widths)) + "|"
    return "\n".join([line(heads), rule, *map(line, cells)])


def main():
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    rows = [Row(**json.loads(line)) for line in lines]
    print(table(rows))
    return 1 if any(any(row.broken.values()) for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
