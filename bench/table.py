"""The benchmark's table as people read it. Called by bench.py; takes verdicts.Line, returns text."""

HEADINGS = {
    "servers": "Servers, kept-alive connections: requests/s and the server's CPU a request",
    "generator": "Generators, both driving the floor: requests/s and their own CPU a request",
    "memory": "User memory of an idle connection that has been served, in bytes",
    "close": "One request a connection (--close)",
}


def rate(value):
    return f"{round(value):,}"


def ratio(value):
    """"0.97 (0.95-1.01)": the median, and the least and greatest round."""
    return f"{value.median:.2f} ({value.least:.2f}-{value.greatest:.2f})"


def aligned(rows):
    """Lines of cells under each other: the first column to the left, the last as it is, others to the right."""
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows)))]
    text = []
    for row in rows:
        cells = [cell.ljust(widths[0]) if i == 0 else cell if i == len(row) - 1 else cell.rjust(widths[i])
                 for i, cell in enumerate(row)]
        text.append(("  " + "  ".join(cells)).rstrip())
    return text


def compared(lines):
    """Comparisons with one peer, under one target."""
    cells = [("", "C", "requests/s", f"{lines[0].peer}'s", "ratio (spread)", "CPU us", f"{lines[0].peer}'s",
              "ratio (spread)", f"limit/{lines[0].peer}'s", "verdict")]
    for line in lines:
        f = line.figures
        if not f:
            cells.append((line.subject, rate(line.connections), *["-"] * 7, line.verdict))
            continue
        cells.append((line.subject, rate(line.connections), rate(f["requests_per_s"].median),
                      rate(f["peer_requests_per_s"].median), ratio(f["requests_per_s_ratio"]),
                      f"{f['cpu_us'].median:.2f}", f"{f['peer_cpu_us'].median:.2f}", ratio(f["cpu_ratio"]),
                      line.limit, line.verdict))
    targets = dict.fromkeys(line.target for line in lines)
    if len(targets) == 1:
        words = [next(iter(targets))]
    else:
        words = [f"at {rate(line.connections)}: {line.target}" for line in lines]
    return [f"  against {lines[0].peer}; target {'; '.join(words)}", *aligned(cells)]


def memory(lines):
    def bytes_of(spread):
        return f"{rate(spread.median)} ({rate(spread.least)}-{rate(spread.greatest)})"

    cells = [("", "C", "Pss slope", "difference", "private slope", "difference", "page tables",
              "kernel stacks", "verdict")]
    for line in lines:
        f = line.figures
        if not f:
            cells.append((line.subject, *["-"] * 7, line.verdict))
            continue
        cells.append((line.subject, rate(line.connections),
                      *(bytes_of(f[key]) for key in ("pss_slope", "pss_difference", "private_slope",
                                                     "private_difference")),
                      rate(f["page_tables_slope"].median), rate(f["kernel_stacks_slope"].median),
                      line.verdict))
    return [f"  target {next(line.target for line in lines if line.target)} for epoll and io_uring, by the "
            "greatest of the four figures of user memory", *aligned(cells)]


def close(lines):
    cells = [("", "C", "connections/s (spread)", "CPU us a connection", "the generator's", "limit",
              "verdict")]
    for line in lines:
        f = line.figures
        if not f:
            cells.append((line.subject, *["-"] * 5, line.verdict))
            continue
        speed = f["requests_per_s"]
        cells.append((line.subject, rate(line.connections),
                      f"{rate(speed.median)} ({rate(speed.least)}-{rate(speed.greatest)})",
                      f"{f['server_cpu_us'].median:.1f}", f"{f['generator_cpu_us'].median:.1f}",
                      line.limit, line.verdict))
    return aligned(cells)


def section(name, lines):
    """The text of one section."""
    text = [HEADINGS[name]]
    if name in ("servers", "generator"):
        for peer in dict.fromkeys(line.peer for line in lines):
            text += compared([line for line in lines if line.peer == peer])
    else:
        text += {"memory": memory, "close": close}[name](lines)
    return "\n".join(text) + "\n"
