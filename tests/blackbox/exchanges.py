"""The fixed list of requests, well-formed and not, that all models must answer with the same bytes.

Data only; cases_transcript.py sends it. Each entry is sent on a fresh connection that is then
half-closed, and says which statuses must come back, in order. Several answers are listed only where
the RFC or the contract leaves the choice to the server; the models still have to choose alike.

GET is what a refused request is followed by in the same write: if it were answered, the server
would have gone on behind bytes that it could not understand, and that is request smuggling
(RFC 9112 section 11.2).
"""

from dataclasses import dataclass

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
GET10 = b"GET / HTTP/1.0\r\n\r\n"
TLS_HELLO = bytes.fromhex(
    "16030100c8010000c40303a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9020"
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff0004130113020100"
)


@dataclass(frozen=True)
class Exchange:
    group: str
    name: str
    request: bytes
    allowed: tuple  # of tuples of statuses; a negative status is a reply to HEAD
    any_pace: bool = True  # sent one byte at a time, too


EXCHANGES = []


def add(group, name, request, *allowed, any_pace=True):
    """allowed: each a status or a tuple of statuses."""
    if isinstance(request, str):
        request = request.encode("latin-1")
    if any(known.group == group and known.name == name for known in EXCHANGES):
        raise ValueError(f"two exchanges are called {group}: {name}")
    EXCHANGES.append(
        Exchange(group, name, request, tuple(a if isinstance(a, tuple) else (a,) for a in allowed), any_pace)
    )


def get(target="/", fields="Host: a\r\n", version="HTTP/1.1", method="GET"):
    return f"{method} {target} {version}\r\n{fields}\r\n".encode("latin-1")


def post(fields, body=""):
    return f"POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}".encode("latin-1")


def refused(group, name, request, *statuses, **how):
    """A request after which nothing may be answered any more."""
    if isinstance(request, str):
        request = request.encode("latin-1")
    add(group, name, request + GET, *(statuses or (400,)), **how)


def chunked(body, fields=""):
    return post(f"Transfer-Encoding: chunked\r\n{fields}", body)


# -- routes and methods ----------------------------------------------------------------------------

for path in ("/", "/?", "/?x=1&y=2", "/db?ms=1", "/db?x=1&ms=1", "/db?ms=1&x=1", "/db?ms=0", "/db", "/cpu?us=10", "/cpu?us=0"):
    add("routes", f"GET {path}", get(path), 200)
for count in (0, 1, 2, 4095, 4096, 65535, 65536, 65537, 300000):
    add("routes", f"GET /bytes?n={count}", get(f"/bytes?n={count}"), 200)
for query in ("n=1&ms=0", "n=3&ms=1", "n=100&ms=0", "n=0&ms=0"):
    add("routes", f"GET /stream?{query}", get(f"/stream?{query}"), 200)
for path in ("/nope", "/db/", "/DB", "//", "/index.html", "/bytesx", "/statsx"):
    add("routes", f"GET {path} is not found, and the connection goes on", get(path) + GET, (404, 200))
for path in ("/", "/db?ms=1", "/cpu?us=10", "/bytes?n=300000", "/stream?n=3&ms=1"):
    add("methods", f"HEAD {path}", get(path, method="HEAD") + GET, (-200, 200))
add("methods", "HEAD of an unknown path", get("/nope", method="HEAD") + GET, (-404, 200))
for method in ("get", "Get", "POST", "PUT", "DELETE", "TRACE", "PATCH", "PROPFIND", "GETS", "GE", "FROB!#$%&'*+-.^_`|~9"):
    add("methods", f"{method} is not allowed, and the connection goes on", get(method=method) + GET, (405, 200))
add("methods", "OPTIONS *", get("*", method="OPTIONS") + GET, (405, 200))
add("methods", "CONNECT a:80", get("a:80", "Host: a:80\r\n", method="CONNECT") + GET, (405, 200))
add("methods", "POST with a body that is skipped", post("Content-Length: 5\r\n", "hello") + GET, (405, 200))
add("methods", "POST whose body looks like a request", post(f"Content-Length: {len(GET)}\r\n", GET.decode()) + GET, (405, 200))
for target in ("/db?ms=abc", "/db?ms=", "/db?ms=-1", "/db?ms=99999999999999999999", "/db?ms=1x", "/cpu?us=-5",
               "/cpu?us=99999999999999999999", "/bytes?n=abc", "/bytes?n=-1", "/bytes?n=1073741825",
               "/bytes?n=18446744073709551617", "/stream?n=x&ms=1", "/stream?n=-1&ms=0"):
    add("parameters", f"GET {target} is a bad parameter", get(target) + GET, (400, 200), (400,))

# -- request line (RFC 9112 section 3) ---------------------------------------------------------------

add("request line", "one empty line before it", b"\r\n" + GET, 200)
add("request line", "one empty line before the second", GET + b"\r\n" + GET, (200, 200))
add("request line", "three empty lines before it", b"\r\n\r\n\r\n" + GET, 200, 400)
add("request line", "HTTP/1.2 counts as 1.1", get(version="HTTP/1.2") + GET, (200, 200))
add("request line", "HTTP/1.9 counts as 1.1", get(version="HTTP/1.9") + GET, (200, 200))
for version in ("HTTP/2.0", "HTTP/3.0", "HTTP/9.9"):
    refused("request line", f"{version} is not supported", get(version=version), 505)
refused("request line", "HTTP/0.9 spelled out", get(version="HTTP/0.9"), 400, 505)
# Two faults in one line, the version and an asterisk without OPTIONS; no rule says which comes first.
refused("request line", "HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, 400)
refused("request line", "HTTP/0.9 without a version", b"GET /\r\n")
for version in ("http/1.1", "HTTP/1", "HTTP/1.", "HTTP/1.1x", "HTTP/11.1", "HTTP/1.10", "HTTP/01.1", "HTTP/ 1.1", "HTTP 1.1", "HTTPS/1.1", "FTP/1.1", "HTTP/x.y"):
    refused("request line", f"version {version!r}", get(version=version))
for name, line in {
    "two spaces before the target": "GET  / HTTP/1.1",
    "two spaces after the target": "GET /  HTTP/1.1",
    "a tab for a space": "GET\t/ HTTP/1.1",
    "a tab after the target": "GET /\tHTTP/1.1",
    "a space before the method": " GET / HTTP/1.1",
    "a space at its end": "GET / HTTP/1.1 ",
    "a space in the target": "GET /a b HTTP/1.1",
    "no target": "GET HTTP/1.1",
    "an empty target": "GET  HTTP/1.1",
    "only a method": "GET",
    "no method": "/ HTTP/1.1",
    "a method that is no token": "G@T / HTTP/1.1",
    "a method with a colon": "GET: / HTTP/1.1",
    "NUL in the target": "GET /\0 HTTP/1.1",
    "a control character in the target": "GET /\x01 HTTP/1.1",
    "DEL in the target": "GET /\x7f HTTP/1.1",
    "a byte above 127 in the target": "GET /\xe4 HTTP/1.1",
    "a fragment in the target": "GET /#top HTTP/1.1",
    "a target without a slash": "GET db HTTP/1.1",
    "the asterisk with GET": "GET * HTTP/1.1",
    "a bare CR in the target": "GET /\r HTTP/1.1",
    "a bare CR at its end": "GET / HTTP/1.1\r",
}.items():
    refused("request line", name, f"{line}\r\nHost: a\r\n\r\n")
for target, status in {
    "http://a/": 200,
    "http://a": 200,
    "http://a/db?ms=1": 200,
    "http://a:8080/bytes?n=5": 200,
    "HTTP://a/db?ms=1": 200,
    "http://other.example/": 200,
    "http://a/nope": 404,
    "http://a?x=1": 200,
}.items():
    add("absolute form", f"GET {target}", get(target) + GET, (status, 200))
add("absolute form", "HTTP/1.0 without Host", get("http://a/", "", "HTTP/1.0"), 200)
refused("absolute form", "HTTP/1.1 without Host", get("http://a/", ""))
refused("absolute form", "without a host", get("http:///"))
refused("absolute form", "with user information (RFC 9110 section 4.2.4)", get("http://u@a/"), 400)

# -- line ends (RFC 9112 section 2.2) ------------------------------------------------------------------

refused("line ends", "bare LF everywhere", b"GET / HTTP/1.1\nHost: a\n\n")
refused("line ends", "bare LF after the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n")
refused("line ends", "bare LF after a field", b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n")
refused("line ends", "bare LF as the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\n")
refused("line ends", "bare CR in a field value", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n")
refused("line ends", "bare CR before a hidden field", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rContent-Length: 5\r\n\r\n")
refused("line ends", "CR CR LF", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n")
refused("line ends", "CR CR LF after a field", b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n")
refused("line ends", "LF CR", b"GET / HTTP/1.1\n\rHost: a\n\r\n\r")

# -- fields (RFC 9112 section 5, RFC 9110 section 5.5) -------------------------------------------------

for name, field in {
    "no space after the colon": "X:y",
    "spaces and tabs around the value": "X: \t y \t ",
    "an empty value": "X:",
    "an empty value with a space": "X: ",
    "bytes above 127 in the value": "X: \xe4\xff",
    "a tab inside the value": "X: a\tb",
    "every token character in the name": "!#$%&'*+-.^_`|~0aZ: x",
    "the same field twice": "X: a\r\nX: b",
    "a colon in the value": "X: a:b",
}.items():
    add("fields", name, get(fields=f"Host: a\r\n{field}\r\n") + GET, (200, 200))
for name, field in {
    "a space before the colon": "X : y",
    "a tab before the colon": "X\t: y",
    "a space before the colon of Content-Length": "Content-Length : 5",
    "a space before the colon of Transfer-Encoding": "Transfer-Encoding : chunked",
    "obs-fold with a space": "X: a\r\n b",
    "obs-fold with a tab": "X: a\r\n\tb",
    "an obs-fold that hides chunked": "Transfer-Encoding:\r\n chunked",
    "an empty name": ": x",
    "no colon": "X",
    "a name with a space": "X Y: z",
    "a name with a slash": "X/Y: z",
    "a name with brackets": "X[1]: z",
    "a name with a byte above 127": "X\xe4: z",
    "a name with NUL": "X\0: z",
    "a name with a control character": "X\x0b: z",
    "a value with NUL": "X: a\0b",
    "a value with a control character": "X: a\x01b",
    "a value with a vertical tab": "X: a\x0bb",
    "a value with DEL": "X: a\x7fb",
}.items():
    refused("fields", name, get(fields=f"Host: a\r\n{field}\r\n"))
refused("fields", "white space before the first field", get(fields=" X: y\r\nHost: a\r\n"))
refused("fields", "white space before Host", get(fields=" Host: a\r\n"))

# -- Host (RFC 9112 section 3.2) -----------------------------------------------------------------------

for host in ("a", "a.example:8080", "127.0.0.1:80", "[::1]", "[::1]:8080", "A-b_c.example", "a:"):
    add("Host", f"{host!r} is a host", get(fields=f"Host: {host}\r\n"), 200)
add("Host", "an empty one", get(fields="Host:\r\n"), 200, 400)
add("Host", "its name in capitals", get(fields="HOST: a\r\n"), 200)
add("Host", "not needed in HTTP/1.0", GET10, 200)
refused("Host", "missing", get(fields=""))
refused("Host", "missing among other fields", get(fields="X: y\r\nAccept: */*\r\n"))
refused("Host", "twice", get(fields="Host: a\r\nHost: b\r\n"))
refused("Host", "twice the same", get(fields="Host: a\r\nhost: a\r\n"))
refused("Host", "twice in HTTP/1.0", get(fields="Host: a\r\nHost: b\r\n", version="HTTP/1.0"))
for host in ("a b", "a/b", "a@b", "a:b", "a:80x", "a?b", "a#b", "[::1", "http://a", "a\\b", "<a>", "a:80:80"):
    refused("Host", f"{host!r} is no host", get(fields=f"Host: {host}\r\n"))

# -- keep-alive (RFC 9112 section 9.3) -------------------------------------------------------------------

for value in ("close", "Close", "CLOSE", "foo, close", "close, foo", "keep-alive, close", "close, keep-alive", " ,, close"):
    add("keep-alive", f"HTTP/1.1 with Connection: {value} closes", get(fields=f"Host: a\r\nConnection: {value}\r\n") + GET, 200)
add("keep-alive", "close in the second of two Connection fields", get(fields="Host: a\r\nConnection: foo\r\nConnection: close\r\n") + GET, 200)
for value in ("keep-alive", "closed", "x-close", "foo", "upgrade"):
    add("keep-alive", f"HTTP/1.1 with Connection: {value} goes on", get(fields=f"Host: a\r\nConnection: {value}\r\n") + GET, (200, 200))
add("keep-alive", "HTTP/1.0 closes", GET10 + GET10, 200)
add("keep-alive", "HTTP/1.0 with Host closes", get(version="HTTP/1.0") + GET, 200)
for value in ("keep-alive", "Keep-Alive", "foo, keep-alive"):
    add("keep-alive", f"HTTP/1.0 with Connection: {value} goes on", get(fields=f"Connection: {value}\r\n", version="HTTP/1.0") + GET10, (200, 200))
add("keep-alive", "HTTP/1.0 with keep-alive and close closes", get(fields="Connection: keep-alive, close\r\n", version="HTTP/1.0") + GET10, 200)
add("keep-alive", "HTTP/1.0 keep-alive, then 1.1", get(fields="Connection: keep-alive\r\n", version="HTTP/1.0") + GET + GET10, (200, 200, 200))
add("keep-alive", "404 with close", get("/nope", "Host: a\r\nConnection: close\r\n") + GET, 404)
add("keep-alive", "HEAD with close", get(fields="Host: a\r\nConnection: close\r\n", method="HEAD") + GET, -200)
add("keep-alive", "HEAD in HTTP/1.0 with keep-alive", get("/bytes?n=9", "Connection: keep-alive\r\n", "HTTP/1.0", "HEAD") + GET10, (-200, 200))

# -- Content-Length (RFC 9112 section 6.2, 6.3) -------------------------------------------------------------

for value in ("0", "5", "5 \t", "00005"):
    add("Content-Length", f"{value!r} is a length", post(f"Content-Length: {value}\r\n", "hello"[: int(value)]) + GET, (405, 200))
add("Content-Length", "a GET with a body", get(fields="Host: a\r\nContent-Length: 5\r\n") + b"hello" + GET, (200, 200))
add("Content-Length", "HTTP/1.0 with a body", get(fields="Content-Length: 5\r\nConnection: keep-alive\r\n", version="HTTP/1.0") + b"hello" + GET10, (200, 200))
refused("Content-Length", "twice and equal", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"))
refused("Content-Length", "twice and different", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"))
refused("Content-Length", "twice in different case", post("Content-Length: 5\r\ncontent-length: 0\r\n", "hello"))
for value in ("5, 5", "5,6", "+5", "-5", "-0", "5 5", "0x5", "", "5;", "5.0", "5e0", "five", "'5'", "5\t5", "\xb2", "5_0"):
    refused("Content-Length", f"{value!r} is no length", post(f"Content-Length: {value}\r\n", "hello"))
for value in ("4294967301", "9223372036854775813", "18446744073709551621", "9" * 40):
    refused("Content-Length", f"{value}, which must not wrap round to 5", post(f"Content-Length: {value}\r\n", "hello"), 413, 400)

# -- Transfer-Encoding (RFC 9112 section 6.1, 6.3, 7.1) -------------------------------------------------------

WIKI = "4\r\nWiki\r\n6\r\npedia \r\n0\r\n\r\n"
for name, fields in {
    "chunked": "Transfer-Encoding: chunked\r\n",
    "Chunked": "Transfer-Encoding: Chunked\r\n",
    "white space around chunked": "Transfer-Encoding: \t chunked \t\r\n",
}.items():
    add("Transfer-Encoding", f"{name} is read and thrown away", post(fields, WIKI) + GET, (405, 200))
add("Transfer-Encoding", "a GET with a chunked body", get(fields="Host: a\r\nTransfer-Encoding: chunked\r\n") + WIKI.encode() + GET, (200, 200))
for name, fields, statuses in (
    ("and Content-Length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", (400,)),
    ("after Content-Length", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", (400,)),
    ("and Content-Length: 0", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", (400,)),
    ("gzip", "Transfer-Encoding: gzip\r\n", (400,)),
    ("identity", "Transfer-Encoding: identity\r\n", (400,)),
    ("xchunked", "Transfer-Encoding: xchunked\r\n", (400,)),
    ("chunkedx", "Transfer-Encoding: chunkedx\r\n", (400,)),
    ("chunked, gzip", "Transfer-Encoding: chunked, gzip\r\n", (400,)),
    ("chunked, identity", "Transfer-Encoding: chunked, identity\r\n", (400,)),
    ("chunked, chunked", "Transfer-Encoding: chunked, chunked\r\n", (400,)),
    ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", (400,)),
    ("chunked, then identity in a second field", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", (400,)),
    ("empty", "Transfer-Encoding:\r\n", (400,)),
    ("quoted", 'Transfer-Encoding: "chunked"\r\n', (400,)),
    ("with a vertical tab", "Transfer-Encoding: \x0bchunked\r\n", (400,)),
    ("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n", (501,)),
    ("gzip, then chunked in a second field", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", (501,)),
    ("chunked with a parameter", "Transfer-Encoding: chunked;q=1\r\n", (400, 501)),
    ("chunked in two words", "Transfer-Encoding: chunked foo\r\n", (400, 501)),
):
    refused("Transfer-Encoding", name, post(fields, WIKI), *statuses)
refused("Transfer-Encoding", "in HTTP/1.0", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + WIKI.encode())
refused("Transfer-Encoding", "in HTTP/1.0 with keep-alive", b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + WIKI.encode())

for name, body in {
    "an empty body": "0\r\n\r\n",
    "leading zeros": "0004\r\nWiki\r\n000\r\n\r\n",
    "hex digits in both cases": "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "an extension": "4;a\r\nWiki\r\n0\r\n\r\n",
    "extensions with values": "4;a=b;c=d\r\nWiki\r\n0;e=f\r\n\r\n",
    "a quoted extension value": '4;a="b c;d\\"e"\r\nWiki\r\n0\r\n\r\n',
    "one trailer": "4\r\nWiki\r\n0\r\nX: y\r\n\r\n",
    "three trailers": "4\r\nWiki\r\n0\r\nX: y\r\nZ:\r\nA: b\r\n\r\n",
    "a trailer that looks like framing": "4\r\nWiki\r\n0\r\nContent-Length: 100\r\n\r\n",
    "data that looks like a last chunk": "7\r\n0\r\n\r\nGE\r\n0\r\n\r\n",
}.items():
    add("chunks", f"{name}, and the next request is answered", chunked(body) + GET, (405, 200))
for name, body in {
    "no size": "\r\nWiki\r\n0\r\n\r\n",
    "0x before the size": "0x4\r\nWiki\r\n0\r\n\r\n",
    "a plus before the size": "+4\r\nWiki\r\n0\r\n\r\n",
    "a negative size": "-4\r\nWiki\r\n0\r\n\r\n",
    "a size that is no hex": "g\r\nWiki\r\n0\r\n\r\n",
    "white space before the size": " 4\r\nWiki\r\n0\r\n\r\n",
    "white space after the size": "4 \r\nWiki\r\n0\r\n\r\n",
    "only an extension": ";a\r\nWiki\r\n0\r\n\r\n",
    "bare LF after the size": "4\nWiki\r\n0\r\n\r\n",
    "bare CR after the size": "4\rWiki\r\n0\r\n\r\n",
    "bare LF after the data": "4\r\nWiki\n0\r\n\r\n",
    "no line end after the data": "4\r\nWiki0\r\n\r\n",
    "a size smaller than the data": "3\r\nWiki\r\n0\r\n\r\n",
    "a size greater than the data": "5\r\nWiki\r\n0\r\n\r\n",
    "bare LF in an extension": "4;a\nb\r\nWiki\r\n0\r\n\r\n",
    "bare CR in an extension": "4;a\rb\r\nWiki\r\n0\r\n\r\n",
    "NUL in an extension": "4;a\0b\r\nWiki\r\n0\r\n\r\n",
    "bare LF after the last chunk": "0\n\r\n",
    "bare LF as the end": "0\r\n\n",
    "bare LF after a trailer": "0\r\nX: y\n\r\n",
    "bare CR in a trailer": "0\r\nX: y\rz\r\n\r\n",
    "obs-fold in a trailer": "0\r\nX: y\r\n z\r\n\r\n",
    "a trailer without a colon": "0\r\nX\r\n\r\n",
    "a space before a trailer's colon": "0\r\nX : y\r\n\r\n",
}.items():
    refused("chunks", name, chunked(body))
for size in ("10000000000000004", "100000004", "FFFFFFFFFFFFFFFF", "F" * 40, "7FFFFFFF", "FFFFFFFF"):
    refused("chunks", f"size {size}, which must not wrap round", chunked(f"{size}\r\nWiki\r\n0\r\n\r\n"), 413, 400)

# -- Expect (RFC 9110 section 10.1.1) ---------------------------------------------------------------------
# Whether "100 Continue" comes depends on whether the body is there already, so not at any pace.

add("Expect", "100-continue with the body in the same write", post("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello") + GET, (405, 200), (100, 405, 200), any_pace=False)
add("Expect", "100-Continue in another case", get(fields="Host: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n") + b"hello" + GET, (200, 200), (100, 200, 200), any_pace=False)
add("Expect", "100-continue without a body", get(fields="Host: a\r\nExpect: 100-continue\r\n") + GET, (200, 200))
add("Expect", "100-continue in HTTP/1.0 is ignored", get(fields="Expect: 100-continue\r\nContent-Length: 5\r\n", version="HTTP/1.0") + b"hello", 200)
refused("Expect", "something else", get(fields="Host: a\r\nExpect: the-unexpected\r\n"), 417)
refused("Expect", "100-continue and something else", get(fields="Host: a\r\nExpect: 100-continue, x\r\n"), 417)

# -- limits ---------------------------------------------------------------------------------------------


def line_of(length):
    """A request line of so many bytes, its CRLF not counted."""
    return get("/?" + "a" * (length - len("GET /? HTTP/1.1")))


def head_of(length):
    """A head of so many bytes, the empty line counted, in fields of at most 4 KB."""
    fields = "Host: a\r\n"
    left = length - len("GET / HTTP/1.1\r\n") - len(fields) - len("\r\n")
    while left:
        size = left if left <= 4096 else min(4096, left - 16)
        fields += "X:" + "a" * (size - 4) + "\r\n"
        left -= size
    head = get(fields=fields)
    assert len(head) == length
    return head


add("limits", "a request line of 8190 bytes", line_of(8190) + GET, (200, 200))
add("limits", "a request line of 8192 bytes", line_of(8192) + GET, (200, 200), 414)
refused("limits", "a request line of 8193 bytes", line_of(8193), 414)
refused("limits", "a request line of 8195 bytes", line_of(8195), 414)
refused("limits", "a request line of 20000 bytes", line_of(20000), 414)
add("limits", "a request line that does not end", b"GET /" + b"a" * 9000, 414)
add("limits", "a method that does not end", b"A" * 9000, 414, 400)
add("limits", "a head of 16384 bytes", head_of(16384) + GET, (200, 200))
refused("limits", "a head of 16385 bytes", head_of(16385), 431)
refused("limits", "a head of 40000 bytes", head_of(40000), 431)
add("limits", "a field that does not end", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 17000, 431)
add("limits", "100 fields", get(fields="Host: a\r\n" + "X: y\r\n" * 99) + GET, (200, 200))
refused("limits", "101 fields", get(fields="Host: a\r\n" + "X: y\r\n" * 100), 431)
refused("limits", "a body one byte over 1 MiB", post("Content-Length: 1048577\r\n"), 413)
refused("limits", "a chunk one byte over 1 MiB", chunked("100001\r\n"), 413)
add("limits", "a body of exactly 1 MiB", post("Content-Length: 1048576\r\n", "x" * 1048576) + GET, (405, 200), any_pace=False)
add("limits", "a chunk of exactly 1 MiB", chunked("100000\r\n" + "x" * 1048576 + "\r\n0\r\n\r\n") + GET, (405, 200), any_pace=False)
refused("limits", "chunks that together are one byte over 1 MiB", chunked("80000\r\n" + "x" * 524288 + "\r\n80001\r\n"), 413, any_pace=False)

# -- no HTTP at all, and requests that end too early ------------------------------------------------------

refused("no HTTP", "a TLS hello", TLS_HELLO + b"\r\n\r\n")
add("no HTTP", "a TLS hello alone", TLS_HELLO, 400)
refused("no HTTP", "binary garbage", bytes((i * 167 + 13) % 256 for i in range(600)) + b"\r\n\r\n")
refused("no HTTP", "NULs", b"\0" * 64 + b"\r\n\r\n")
refused("no HTTP", "UTF-8 text", "grüß gott\r\n\r\n".encode())
refused("no HTTP", "an SSH banner", b"SSH-2.0-OpenSSH_9.2\r\n")
refused("no HTTP", "SMTP", b"EHLO example.org\r\n")
refused("no HTTP", "a response", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
add("cut short", "nothing at all", b"", ())
add("cut short", "after a request", GET, 200)
for name, request in {
    "in the method": b"GE",
    "in the request line": b"GET / HTT",
    "after the request line": b"GET / HTTP/1.1\r\n",
    "in a field": b"GET / HTTP/1.1\r\nHost: a\r\nX: y",
    "before the last line end": b"GET / HTTP/1.1\r\nHost: a\r\n",
    "before the last LF": b"GET / HTTP/1.1\r\nHost: a\r\n\r",
    "before the body": post("Content-Length: 5\r\n"),
    "in the body": post("Content-Length: 5\r\n", "hel"),
    "in a chunk size": chunked("4"),
    "in a chunk": chunked("4\r\nWi"),
    "before the last chunk": chunked("4\r\nWiki\r\n"),
    "in the trailers": chunked("0\r\nX: y\r\n"),
}.items():
    add("cut short", name, request, 400, ())
    add("cut short", f"{name} of the second request", GET + request, (200, 400), 200)
