"""The table of tests/bench/run, in Markdown: medians, the ratio to the peer, aim and verdict."""

import statistics

from rows import PEER

PEERS = ("postfix", "opensmtpd")
NAMES = {
    "postfix": "Postfix",
    "opensmtpd": "OpenSMTPD",
    "ekiden": "Ekiden",
    "ekiden/systemd": "systemd",
    "ekiden/tcpserver": "tcpserver",
    "ekiden/each": "Accept=yes",
}


def median(runs):
    """Of each figure. A figure that a run lacks is not counted."""
    found = {}
    for key in {key for run in runs for key in run}:
        values = [run[key] for run in runs if run.get(key) is not None]
        found[key] = statistics.median(values) if values else None
    return found


def shown(value, digits):
    return "–" if value is None else f"{value:.{digits}f}"


def ratio(figure, figures, name):
    """How many times as good as the peer; above 1 is better, whatever the figure."""
    mine, theirs = (figures.get(one, {}).get(figure.key) for one in (name, PEER))
    if not mine or not theirs:
        return "–"
    return f"{theirs / mine if figure.less_is_better else mine / theirs:.2f}"


def verdict(figure, figures, name):
    if not figure.aim:
        return ""
    try:
        return "yes" if figure.aim.met(figures, name) else "**no**"
    except (KeyError, TypeError):  # a server that it takes is not there, or has no such figure
        return "?"


def lines(row, figures, names, judged):
    """One line for each figure of ROW. FIGURES: medians by server; JUDGED: whose aims they are."""
    for figure in row.figures:
        values = [shown(figures.get(name, {}).get(figure.key), figure.digits) for name in names]
        yield [figure.title, *values, *(judgement(figure, figures, judged) if judged else ())]


def judgement(figure, figures, name):
    aim = figure.aim.text if figure.aim else ""
    return ratio(figure, figures, name), aim, verdict(figure, figures, name)


JUDGEMENT = ("ratio", "aim", "met")


def markdown(found, judging=True):
    """FOUND: [(row, figures by server)]. The whole table as text; peers come first. JUDGING: with
    the ratio to the peer, aims, and whether the first that is no peer meets them."""
    names = list(dict.fromkeys(name for _, figures in found for name in figures))
    names.sort(key=lambda name: name not in PEERS)
    judged = next((name for name in names if name not in PEERS), None) if judging else None
    last = JUDGEMENT if judged else ()
    body = [["", *(NAMES.get(name, name) for name in names), *last]]
    for row, figures in found:
        body.append([f"**{row.title}**", *[""] * (len(body[0]) - 1)])
        body += lines(row, figures, names, judged)
    wide = [max(map(len, column)) for column in zip(*body)]
    numbers = 1 + len(names) + (1 if judged else 0)
    text = [line(cells, wide, numbers) for cells in body]
    rule = ["-" * width for width in wide]
    rule[1:numbers] = [dashes[1:] + ":" for dashes in rule[1:numbers]]
    return "\n".join([text[0], "| " + " | ".join(rule) + " |", *text[1:]]) + "\n"


def line(cells, wide, numbers):
    """Numbers, which are in front of place NUMBERS, stand at the right."""
    parts = [cell.rjust(width) if 0 < place < numbers else cell.ljust(width)
             for place, (cell, width) in enumerate(zip(cells, wide))]  # fmt: skip
    return "| " + " | ".join(parts) + " |"


END = "<!-- end -->"


def put(path, program, text):
    """Writes TEXT into the file PATH, between the marks of PROGRAM that are there."""
    mark = f"<!-- {program} -->"
    before, begin, rest = path.read_text().partition(mark)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path}: it has no {mark} with {END} behind it")
    path.write_text(f"{before}{mark}\n\n{text}\n{END}{after}")
