"""What /proc says of a process: its children, CPU time, memory and threads. 0 or nothing when it is gone."""

import os

_TICKS = os.sysconf("SC_CLK_TCK")


def _read(*parts):
    try:
        with open(os.path.join("/proc", *map(str, parts)), encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _stat(pid):
    """The fields of /proc/PID/stat from the third on (proc(5)); the name before them may hold anything."""
    return _read(pid, "stat").rpartition(")")[2].split()


def children(pid):
    """Pids of the processes whose parent this is, ascending; zombies are none."""
    found = []
    for other in filter(str.isdigit, os.listdir("/proc")):
        fields = _stat(other)
        if len(fields) > 1 and fields[1] == str(pid) and fields[0] != "Z":
            found.append(int(other))
    return sorted(found)


def cpu_s(pid):
    """CPU seconds of a process, the kernel's part included, to a hundredth (the clock tick)."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS if len(fields) > 12 else 0.0


def demand_s(pid):
    """Seconds for which a process of one thread ran or wanted to run (Linux's sched-stats: on the CPU, and in its
    queue). Unlike CPU time, that does not depend on who else wants the core."""
    fields = _read(pid, "schedstat").split()
    return (int(fields[0]) + int(fields[1])) / 1e9 if len(fields) == 3 else cpu_s(pid)


def _kb(text, key):
    for line in text.splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    return 0


def memory_kb(pid):
    """{"rss": ..., "pss": ..., "private": ..., "page_tables": ...} in KiB. Pss counts shared pages in parts."""
    rollup = _read(pid, "smaps_rollup")
    return {"rss": _kb(rollup, "Rss"), "pss": _kb(rollup, "Pss"),
            "private": _kb(rollup, "Private_Clean") + _kb(rollup, "Private_Dirty"),
            "page_tables": _kb(_read(pid, "status"), "VmPTE")}


def threads(pid):
    return _kb(_read(pid, "status"), "Threads")
