"""A client made of a raw socket, and a reader of responses that forgives nothing.

The cases send bytes, not requests, so they can send what no HTTP library would. The reader checks
every response against what all six servers promise: HTTP/1.1 in the status line, well-formed
fields, no others than the few that are agreed on and none of them twice, and a body framed in
exactly one way.
"""

import json
import re
import socket
import struct
import time

from harness import SLOW, Failure, check, equal, shorten

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([A-Za-z][ -~]*)")
FIELD_LINE = re.compile(rb"([A-Za-z][A-Za-z0-9-]*): ([!-~](?:[ -~]*[!-~])?)")
# All that is ever sent. No Date and no Server: replies are the same bytes every time, from every model.
FIELD_NAMES = {b"Content-Type", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Allow"}
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Response:
    """One response. `raw` is every byte of it; `chunks` is None unless the body was chunked."""

    def __init__(self, status, reason, fields):
        self.status = status
        self.reason = reason
        self.fields = fields  # lower-case name -> value
        self.body = b""
        self.chunks = None
        self.raw = b""

    def json(self):
        equal(self.fields.get("content-type"), "application/json", "Content-Type")
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Failure(f"body is not JSON ({error}): {shorten(self.body)}") from None

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.fields} {shorten(self.body, 80)}>"


class Reader:
    """Reads responses from a source of bytes: fill() returns some more, or b"" at the end."""

    def __init__(self, fill):
        self.fill = fill
        self.buffer = bytearray()
        self.taken = bytearray()  # what the response now being read consists of

    def _more(self, doing):
        data = self.fill()
        if not data:
            raise Failure(f"connection ended {doing}; so far: {shorten(bytes(self.taken + self.buffer))}")
        self.buffer += data

    def _take(self, count):
        piece = bytes(self.buffer[:count])
        del self.buffer[:count]
        self.taken += piece
        return piece

    def line(self, doing):
        while True:
            end = self.buffer.find(b"\n")
            if end >= 0:
                line = self._take(end + 1)
                check(line.endswith(b"\r\n"), f"line without CR {doing}: {shorten(line)}")
                return line[:-2]
            check(len(self.buffer) < 65536, f"endless line {doing}")
            self._more(doing)

    def exactly(self, count, doing):
        while len(self.buffer) < count:
            self._more(doing)
        return self._take(count)

    def response(self, head=False, until_end=False):
        """head: the request was HEAD. until_end: a reply to HTTP/1.0 whose body the close ends."""
        self.taken.clear()
        line = self.line("before a status line")
        match = STATUS_LINE.fullmatch(line)
        check(match, f"malformed status line {shorten(line)}")
        response = Response(int(match[1]), match[2].decode(), {})
        while True:
            line = self.line("inside a response head")
            if not line:
                break
            match = FIELD_LINE.fullmatch(line)
            check(match, f"malformed field line {shorten(line)}")
            check(match[1] in FIELD_NAMES, f"field {shorten(line)}: such a field is never sent, or not in this spelling")
            name = match[1].decode().lower()
            check(name not in response.fields, f"field {name} twice")
            response.fields[name] = match[2].decode()
        self._check_head(response, until_end)
        if response.status >= 200 and not head:
            self._body(response, until_end)
        response.raw = bytes(self.taken)
        return response

    @staticmethod
    def _check_head(response, until_end):
        fields = response.fields
        if response.status < 200:
            equal(fields, {}, "fields of an interim response")
            return
        lengths = [name for name in ("content-length", "transfer-encoding") if name in fields]
        expected = 0 if until_end else 1
        check(len(lengths) == expected, f"body framed by {lengths} in {fields}")
        check("content-type" in fields, f"no Content-Type in {fields}")
        if "content-length" in fields:
            check(re.fullmatch("0|[1-9][0-9]*", fields["content-length"]), f"malformed Content-Length in {fields}")
        if "transfer-encoding" in fields:
            equal(fields["transfer-encoding"], "chunked", "Transfer-Encoding")
        if "connection" in fields:
            check(fields["connection"] in ("close", "keep-alive"), f"Connection: {fields['connection']}")
        if response.status == 405:
            equal(fields.get("allow"), "GET, HEAD", "Allow of a 405")

    def _body(self, response, until_end):
        if until_end:
            while True:
                data = self.fill()
                if not data:
                    break
                self.buffer += data
            response.body = self._take(len(self.buffer))
        elif "content-length" in response.fields:
            response.body = self.exactly(int(response.fields["content-length"]), "inside a body")
        else:
            response.chunks = []
            while True:
                piece = self.chunk()
                if not piece:
                    break
                response.chunks.append(piece)
            response.body = b"".join(response.chunks)

    def chunk(self):
        """One chunk's data; b"" for the last chunk, which must have no trailer."""
        line = self.line("before a chunk size")
        check(CHUNK_SIZE.fullmatch(line), f"malformed chunk size {shorten(line)}")
        data = self.exactly(int(line, 16), "inside a chunk")
        equal(self.exactly(2, "after a chunk"), b"\r\n", "bytes after a chunk")
        return data


def read_all(data, heads=()):
    """All responses in a recording. heads: the indexes of those that answer a HEAD."""
    source = [data]
    reader = Reader(lambda: source.pop() if source else b"")
    responses = []
    while reader.buffer or source and source[0]:
        responses.append(reader.response(head=len(responses) in heads))
    return responses


class Client(Reader):
    """A connection. Every wait has an end: TimeoutError after `timeout` seconds becomes a Failure."""

    def __init__(self, host, port, timeout=10.0, receive_buffer=None):
        super().__init__(self._receive)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(timeout * SLOW)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if receive_buffer is not None:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.sock.connect((host, port))
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close()

    def _receive(self):
        try:
            return self.sock.recv(262144)
        except socket.timeout:
            raise Failure(
                f"nothing came for {self.sock.gettimeout():g} s; so far: {shorten(bytes(self.taken + self.buffer))}"
            ) from None
        except ConnectionError as error:
            raise Failure(
                f"connection broken ({error}); so far: {shorten(bytes(self.taken + self.buffer))}"
            ) from None

    def send(self, data):
        try:
            self.sock.sendall(data)
        except socket.timeout:
            raise Failure(f"the server took no bytes for {self.sock.gettimeout():g} s") from None
        except ConnectionError as error:
            raise Failure(f"connection broken while sending ({error})") from None

    def send_slowly(self, data, pause=0.0):
        """One byte a segment."""
        for index in range(len(data)):
            self.send(data[index : index + 1])
            time.sleep(pause)

    def finish(self):
        """Half-close: no more requests, but the replies are still wanted."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise Failure(f"connection broken before the half-close ({error})") from None

    def close(self):
        self.sock.close()

    def reset(self):
        """Ends the connection with RST instead of FIN (socket(7), SO_LINGER)."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def rest(self):
        """Every byte until the server's FIN."""
        data = bytearray(self.buffer)
        self.buffer.clear()
        while True:
            self.taken[:] = data[-300:]
            piece = self._receive()
            if not piece:
                return bytes(data)
            data += piece

    def expect_end(self):
        """The server must close now, in good order, without another byte."""
        equal(self.rest(), b"", "bytes before the close")

    def expect_silence(self, seconds):
        """Neither a byte nor a close for so long."""
        equal(bytes(self.buffer), b"", "bytes that should not have come yet")
        before = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            data = self.sock.recv(65536)
        except socket.timeout:
            return
        except ConnectionError as error:
            raise Failure(f"connection broken ({error}) within {seconds:g} s of silence") from None
        finally:
            self.sock.settimeout(before)
        raise Failure(f"{'a close' if not data else shorten(data)} within {seconds:g} s that should have been silent")

    def get(self, target="/", fields="", **how):
        """One kept-alive HTTP/1.1 exchange."""
        self.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
        return self.response(**how)

    def stats(self, close=False):
        response = self.get("/stats", "Connection: close\r\n" if close else "")
        equal(response.status, 200, "status of /stats")
        if close:
            self.expect_end()
        return response.json()
