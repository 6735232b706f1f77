"""Numbers and sentences as a reader wants them."""

import html


def count(value):
    """10000 -> "10,000"."""
    return f"{round(value):,}"


def figure(value, digits=3):
    """A number to so many significant digits, with thousands separators: 12345.6 -> "12,300"."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")
    if abs(rounded) < 1:
        return f"{rounded:.{digits}g}"
    whole = len(str(int(abs(rounded))))
    return f"{rounded:,.{max(0, digits - whole)}f}"


def milliseconds(us):
    """Microseconds as a reader wants them: "10.2 ms", "1.53 s", "85 us"."""
    if us is None:
        return "-"
    if us >= 1e6:
        return f"{figure(us / 1e6)} s"
    return f"{figure(us / 1e3)} ms" if us >= 100 else f"{figure(us)} us"


def size(nbytes):
    """Bytes, in powers of 1,024: "250 B", "3.7 KiB", "78.1 GiB"."""
    if nbytes is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(nbytes) < 1024 or unit == "GiB":
            return f"{figure(nbytes) if unit != 'B' else round(nbytes)} {unit}"
        nbytes /= 1024
    return ""


def names(items):
    """["a", "b", "c"] -> "a, b and c"."""
    items = list(items)
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]


def sentence(words):
    """Begins with a capital and ends with a full stop; capitals within stay as they are."""
    return words[:1].upper() + words[1:] + "."


def clock(seconds):
    """Seconds as m:ss."""
    seconds = max(0, int(seconds + 0.5))
    return f"{seconds // 60}:{seconds % 60:02d}"


def escape(value):
    return html.escape(str(value), quote=True)
