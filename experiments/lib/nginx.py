"""nginx as a guest of an experiment: one process, our port, our core, and the same answer.

It has a configuration of its own in a temporary directory and touches nothing of the machine's. It runs as our
child in the foreground, without a master, so that its pid is the server's and it ends with us.
"""

import contextlib
import os
import shutil
import socket
import tempfile
import time

from . import processes

_CONFIGURATION = """
daemon off;
master_process off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log error;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    tcp_nodelay on;
    default_type text/plain;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ return 200 "Hello, World!"; }}
    }}
}}
"""


def program():
    """Where nginx is, or None. Debian keeps it where only root looks."""
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


class Nginx:
    """What lab.generate needs of a server."""

    model = "nginx"

    def __init__(self, process, port):
        self.process, self.port, self.pid = process, port, process.pid
        self.url = f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def running(lab, connections):
    """nginx for the length of a with statement, with twice the room: when less than a sixteenth of it is
    free, nginx begins to close idle connections. Raises processes.Broken with what it complained about."""
    port, core = lab.place()
    with tempfile.TemporaryDirectory(prefix="six-nginx-") as directory, \
            tempfile.TemporaryFile() as errors:
        path = os.path.join(directory, "nginx.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(_CONFIGURATION.format(directory=directory, port=port,
                                             connections=2 * connections + 512))
        child = processes.start([program(), "-p", directory, "-c", path,
                                 "-e", os.path.join(directory, "error.log")],
                                stdout=errors, stderr=errors)
        try:
            if core is not None:
                os.sched_setaffinity(child.pid, {core})
            _await(child, port, errors)
            yield Nginx(child, port)
        finally:
            processes.end(child)


def _await(child, port, errors, patience_s=5.0):
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if child.poll() is not None:
            raise processes.Broken("nginx did not start: "
                                   + (processes.last_line(errors) or f"exit status {child.returncode}"))
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.005)
    raise processes.Broken(f"nginx did not listen within {patience_s:.0f} s")
