"""trace_calls.py - the system calls a server makes for one client, for the excerpts in the docs.

Called by sync.py. Starts build/MODEL under strace, asks for /db?ms=20 (or the path among the options) once on one
connection, and keeps the calls between the client's coming and its leaving, with the numbers that differ from run to run made plain. Where threads or processes
share the work, each line begins with who makes the call: [main], [thread], [child].
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
# What is part of the way of waiting. Memory, signals and start-up are not.
CALLS = ("accept4,recvfrom,sendto,close,shutdown,select,pselect6,poll,ppoll,epoll_create1,epoll_ctl,epoll_pwait2,"
         "epoll_wait,io_uring_enter,clock_nanosleep,clone,clone3,fork,vfork")


class Missing(subprocess.SubprocessError):
    pass


def plain(line):
    """One line of strace without what differs from run to run."""
    line = re.sub(r"0x[0-9a-f]{6,}", "0x...", line)
    line = re.sub(r"sin_port=htons\(\d+\)", "sin_port=...", line)
    line = re.sub(r"tv_sec=\d+, tv_nsec=\d+", "...", line)
    line = re.sub(r"\{tv_sec=\.\.\.\}|\{\.\.\.\}", "{...}", line)
    line = re.sub(r'"((?:[^"\\]|\\.){24})(?:[^"\\]|\\.)*"(\.\.\.)?', r'"\1"...', line)
    line = re.sub(r"^(clone3?)\(.*\b(CLONE_VM|SIGCHLD)\b.*\) = \d+.*", r"\1(... \2 ...) = ...", line)
    line = re.sub(r"(\{fd=-1\}, )+", "{fd=-1}, ..., ", line)
    line = re.sub(r"\s+(?=[,)])", "", re.sub(r"\s+", " ", line)).rstrip()
    return line if len(line) <= 110 else line[:107] + "..."


def names(text):
    """The calls of each task, in order: how two tasks' calls mix is another at each run."""
    calls = {}
    for match in re.finditer(r"^(?:\[(\w+)\] +)?(\w+)\(", text, re.M):
        calls.setdefault(match[1], []).append(match[2])
    return calls


def same_calls(old, new):
    return names(old) == names(new)


def ask(port, path):
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: lab\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"\n") or b"\r\n\r\n" not in answer[:-1]:
            some = client.recv(4096)
            if not some:
                break
            answer += some
        time.sleep(0.1)  # a client that stays a moment: the server waits for it once more


def excerpt(model, options):
    """The calls as text, without a final newline. An option that begins with / is what to ask for."""
    path = next((option for option in options if option.startswith("/")), "/db?ms=20")
    options = [option for option in options if not option.startswith("/")]
    if not shutil.which("strace"):
        raise Missing("strace is not installed (make deps)")
    with tempfile.NamedTemporaryFile("r", suffix=".strace") as log:
        server = subprocess.Popen(
            ["strace", "-f", "-qq", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", log.name,
             os.path.join(ROOT, "build", model), "--port", "0", *options],
            stdout=subprocess.PIPE, text=True, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
        try:
            ready = server.stdout.readline()
            found = re.search(r":(\d+) \(pid (\d+)\)", ready)
            if not found:
                raise Missing(f"build/{model} did not start; run make all")
            ask(int(found[1]), path)
            time.sleep(0.3)
            os.kill(int(found[2]), signal.SIGTERM)
            server.wait(10)
        finally:
            if server.poll() is None:
                server.kill()
            server.stdout.close()
        return "\n".join(between(log.read().splitlines()))


def whole(lines):
    """(pid, call) of each line, calls that strace had to print in two pieces put together again at their end."""
    begun, calls = {}, []
    for line in lines:
        pid, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            begun[pid] = call[:-len("<unfinished ...>")]
        elif not call.startswith(("+++", "---")):
            resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", call)
            calls.append((pid, begun.pop(pid, "") + resumed[1] if resumed else call))
    return calls


def between(lines):
    """From the call that brings the client to the one that closes its socket when all is said."""
    calls = whole(lines)
    first = next((i for i, (_, call) in enumerate(calls) if re.match(r"accept4\b.*= \d+$", call)), None)
    if first is None:  # io_uring accepts and sends in the ring
        first = next((i for i, (_, call) in enumerate(calls) if call.startswith("io_uring_enter")), 0)
    sent = next((i for i in range(first, len(calls)) if calls[i][1].startswith("sendto")), first)
    last = next((i for i in range(sent, len(calls)) if calls[i][1].startswith("close(")), len(calls) - 1)
    calls = calls[first:last + 1]
    main = calls[0][0]
    other = "[child]  " if any("SIGCHLD" in call for _, call in calls) else "[thread] "
    if all(pid == main for pid, _ in calls):
        return [plain(call) for _, call in calls]
    return [("[main]   " if pid == main else other) + plain(call) for pid, call in calls]


if __name__ == "__main__":
    print(excerpt(sys.argv[1], sys.argv[2:]))
