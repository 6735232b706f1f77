"""What a reader must know of the machine to judge a figure: the header lines of every TSV."""

import os
import platform
import resource
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _file(path, default="unknown"):
    try:
        with open(path, encoding="utf-8") as file:
            return " ".join(file.read().split())
    except OSError:
        return default


def _command(*argv):
    try:
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _line(path, key):
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith(key):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return "unknown"


def cpu():
    """The CPU's name, as /proc knows it (some machines, mostly not x86, give none)."""
    name = _line("/proc/cpuinfo", "model name")
    return platform.machine() if name == "unknown" else name


def git():
    """"0123abc" or "0123abc (with uncommitted changes)"."""
    revision = _command("git", "rev-parse", "--short=12", "HEAD")
    if revision is None:
        return "unknown (not a git checkout)"
    changed = _command("git", "status", "--porcelain", "--untracked-files=no")
    return revision + (" (with uncommitted changes)" if changed else "")


def descriptors():
    """The most descriptors that a process here may have (the hard limit)."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def raise_descriptors():
    """Takes for this process, and so for all it starts, as many descriptors as are allowed."""
    hard = descriptors()
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def load():
    """How many processes wanted a CPU during the last minute, before we began."""
    return os.getloadavg()[0]


def facts(build, mode, command):
    """The header, in order. `build` is the directory of the binaries, `command` the exact command line."""
    memory_kb = _line("/proc/meminfo", "MemTotal").split()[0]
    sysctl = "/proc/sys/"
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "mode": mode,
        "command": command,
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": int(memory_kb) // 1024 if memory_kb.isdigit() else "unknown",
        "load_at_start": f"{load():.2f}",
        "limit_nofile": descriptors(),
        "pid_max": _file(sysctl + "kernel/pid_max"),
        "somaxconn": _file(sysctl + "net/core/somaxconn"),
        "port_range": _file(sysctl + "net/ipv4/ip_local_port_range").replace(" ", "-"),
        "tcp_max_tw_buckets": _file(sysctl + "net/ipv4/tcp_max_tw_buckets"),
        "io_uring_disabled": _file(sysctl + "kernel/io_uring_disabled"),
        "build": _command(os.path.join(build, "epoll"), "--version") or "unknown",
        "git": git(),
        "gnuplot": _command("gnuplot", "--version") or "unknown",
    }


def short(facts_):
    """"AMD EPYC, 2 cores, Linux 6.18": for a chart's subtitle."""
    kernel = facts_.get("kernel", "").split()
    version = ".".join(kernel[1].split(".")[:2]).split("-")[0] if len(kernel) > 1 else ""
    name = facts_.get("cpu", "unknown CPU").replace("(R)", "").replace("(TM)", "")
    name = name.partition(" @ ")[0].partition(" with ")[0].strip()
    cores = facts_.get("cores", "?")
    return f"{name}, {cores} core{'' if cores == '1' else 's'}, {' '.join(kernel[:1])} {version}".strip()
