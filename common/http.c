/*
 * http.c - reads a request head in one pass.
 *
 * It is a row of small functions, one for each rule of the grammar (RFC 9112), that move one
 * cursor to the right. Each returns
 * - OK: the rule matched, and the cursor stands behind it;
 * - MORE: the bytes ended before that could be said;
 * - less than 0: the status to refuse with, negated.
 *
 * "The same bytes, the same answer, however they were cut" rests on one habit: a rule decides at
 * the first byte that settles it and never looks further right. So an answer on the first bytes
 * is the answer on everything that begins with them. What only the whole head can tell (no Host,
 * two framings, a body too large) is decided in finish().
 */
#include "http.h"

#include <arpa/inet.h>
#include <string.h>

#include "http_text.h"

enum { MORE = 0, OK = 1 };
enum { LINE_ROOM = HTTP_MAX_LINE + 2 }; /* a request line with its CRLF */

/* Leaves the calling rule unless the inner one matched. */
#define TRY(rule)                       \
	do {                            \
		int result_ = (rule);   \
		if (result_ != OK)      \
			return result_; \
	} while (0)

struct parser {
	const char *at; /* the next byte to read */
	const char *end;
	struct http_request *req;
	int fields; /* seen so far */
	/* Seen in them: */
	bool host, length, coding;
	bool chunked, unknown_coding;
	bool close, persist;
	bool unknown_expectation;
};

/* Exactly these bytes. */
static inline int literal(struct parser *p, const char *bytes)
{
	for (; *bytes; bytes++, p->at++) {
		if (p->at == p->end)
			return MORE;
		if (*p->at != *bytes)
			return -400;
	}
	return OK;
}

static inline int digit(struct parser *p, int *value)
{
	if (p->at == p->end)
		return MORE;
	if (!is(*p->at, DIGIT))
		return -400;
	*value = *p->at++ - '0';
	return OK;
}

/* HTTP-version CRLF (RFC 9112 section 2.3) */
static int version(struct parser *p)
{
	int major, minor;

	TRY(literal(p, "HTTP/"));
	TRY(digit(p, &major));
	TRY(literal(p, "."));
	TRY(digit(p, &minor));
	TRY(literal(p, "\r\n"));
	p->req->minor_version = minor > 0;
	return major == 1 ? OK : -505;
}

/* "http://" or "https://", in any case. */
static int scheme(struct parser *p)
{
	for (const char *word = "http"; *word; word++, p->at++) {
		if (p->at == p->end)
			return MORE;
		if (lower(*p->at) != *word)
			return -400;
	}
	if (p->at < p->end && lower(*p->at) == 's')
		p->at++;
	return literal(p, "://");
}

/* What stands in brackets. Of IPvFuture no version exists: refused (RFC 3986 section 3.2.2). */
static bool valid_ipv6(struct http_text t)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr ignored;

	if (t.len >= sizeof(address))
		return false;
	memcpy(address, t.at, t.len);
	address[t.len] = '\0';
	return inet_pton(AF_INET6, address, &ignored) == 1;
}

/* uri-host [ ":" port ] (RFC 9110 section 7.2), the host not empty. Userinfo has no place here. */
static bool valid_authority(struct http_text t, bool needs_port)
{
	const char *at = t.at, *end = t.at + t.len, *close;

	if (t.len > 0 && *at == '[') {
		close = memchr(at, ']', t.len);
		if (!close || !valid_ipv6(text(at + 1, close)))
			return false;
		at = close + 1;
	} else {
		while ((at = span(at, end, REGNAME)) < end && *at == '%') {
			if (end - at < 3 || !is(at[1], HEX) || !is(at[2], HEX))
				return false;
			at += 3;
		}
	}
	if (at == t.at)
		return false;
	if (at == end)
		return !needs_port;
	return *at == ':' && span(at + 1, end, DIGIT) == end && (at + 1 < end || !needs_port);
}

static int authority(struct parser *p, bool needs_port)
{
	const char *from = p->at;

	while (p->at < p->end && *p->at != '/' && (is(*p->at, TARGET) || *p->at == '%'))
		p->at++;
	if (p->at == p->end)
		return MORE;
	return valid_authority(text(from, p->at), needs_port) ? OK : -400;
}

static int path_and_query(struct parser *p)
{
	const char *from = p->at, *at = from, *query = NULL;

	while ((at = span(at, p->end, TARGET)) < p->end) {
		if (*at == '%') {
			for (int i = 1; i <= 2; i++) {
				if (at + i == p->end)
					return MORE;
				if (!is(at[i], HEX))
					return -400;
			}
			at += 3;
		} else if (*at == '?') {
			if (!query)
				query = at;
			at++;
		} else {
			break;
		}
	}
	if (at == p->end)
		return MORE;
	p->req->path = text(from, query ? query : at);
	p->req->query = text(query ? query + 1 : at, at);
	p->at = at;
	return OK;
}

/* The four forms of RFC 9112 section 3.2. */
static int target(struct parser *p, struct http_text method)
{
	struct http_text root;

	p->req->path = p->req->query = text(p->at, p->at);
	if (p->at == p->end)
		return MORE;
	if (equals(method, "CONNECT"))
		return authority(p, true);
	if (*p->at == '/')
		return path_and_query(p);
	if (*p->at == '*' && equals(method, "OPTIONS"))
		return literal(p, "*");
	TRY(scheme(p));
	root = text(p->at - 1, p->at); /* an empty path means "/": the last one of "://" will do */
	TRY(authority(p, false));
	TRY(path_and_query(p));
	if (p->req->path.len == 0)
		p->req->path = root;
	return OK;
}

/* method SP request-target SP HTTP-version CRLF */
static int request_line(struct parser *p)
{
	struct http_text method = text(p->at, span(p->at, p->end, TOKEN));

	p->at += method.len;
	if (p->at == p->end)
		return MORE;
	if (method.len == 0)
		return -400;
	p->req->method = HTTP_OTHER;
	if (equals(method, "GET"))
		p->req->method = HTTP_GET;
	else if (equals(method, "HEAD"))
		p->req->method = HTTP_HEAD;
	TRY(literal(p, " "));
	TRY(target(p, method));
	TRY(literal(p, " "));
	return version(p);
}

/* The same, seeing no more bytes than it may have: a line that wants more is too long. */
static int bounded_request_line(struct parser *p)
{
	const char *end = p->end;
	bool full = end - p->at >= LINE_ROOM;
	int result;

	if (full)
		p->end = p->at + LINE_ROOM;
	result = request_line(p);
	p->end = end;
	return result == MORE && full ? -414 : result;
}

/* Takes the next element off a list; empty ones do not count (RFC 9110 section 5.6.1). */
static bool next_element(struct http_text *list, struct http_text *element)
{
	const char *at = list->at, *end = list->at + list->len, *from;

	while (at < end && (*at == ',' || is(*at, BLANK)))
		at++;
	for (from = at; at < end && *at != ',';)
		at++;
	*element = trimmed(text(from, at));
	*list = text(at, end);
	return element->len > 0;
}

static int host(struct parser *p, struct http_text value)
{
	if (p->host)
		return -400;
	p->host = true;
	return value.len == 0 || valid_authority(value, false) ? OK : -400;
}

/* Even a second Content-Length that says the same is refused, and so is "5, 5". */
static int content_length(struct parser *p, struct http_text value)
{
	uint64_t n = 0;

	if (p->length || value.len == 0 ||
	    span(value.at, value.at + value.len, DIGIT) != value.at + value.len)
		return -400;
	p->length = true;
	for (size_t i = 0; i < value.len && n <= HTTP_MAX_BODY; i++) /* too large stays too large */
		n = n * 10 + (uint64_t)(value.at[i] - '0');
	p->req->content_length = n;
	return OK;
}

static int transfer_encoding(struct parser *p, struct http_text list)
{
	struct http_text coding;

	p->coding = true;
	while (next_element(&list, &coding)) {
		if (p->chunked) /* twice, or not the last one */
			return -400;
		if (equals_nocase(coding, "chunked"))
			p->chunked = true;
		else
			p->unknown_coding = true;
	}
	return OK;
}

static int connection(struct parser *p, struct http_text list)
{
	struct http_text option;

	while (next_element(&list, &option)) {
		p->close |= equals_nocase(option, "close");
		p->persist |= equals_nocase(option, "keep-alive");
	}
	return OK;
}

static int expect(struct parser *p, struct http_text list)
{
	struct http_text expectation;

	if (p->req->minor_version == 0)
		return OK; /* must be ignored (RFC 9110 section 10.1.1) */
	while (next_element(&list, &expectation)) {
		if (equals_nocase(expectation, "100-continue"))
			p->req->expect_continue = true;
		else
			p->unknown_expectation = true;
	}
	return OK;
}

static int understand(struct parser *p, struct http_text name, struct http_text value)
{
	if (equals_nocase(name, "host"))
		return host(p, value);
	if (equals_nocase(name, "connection"))
		return connection(p, value);
	if (equals_nocase(name, "content-length"))
		return content_length(p, value);
	if (equals_nocase(name, "transfer-encoding"))
		return transfer_encoding(p, value);
	if (equals_nocase(name, "expect"))
		return expect(p, value);
	return OK;
}

/* field-name ":" OWS field-value OWS CRLF (RFC 9112 section 5). A folded line (obs-fold) begins
 * with a blank, and so has no name. */
static int field(struct parser *p)
{
	struct http_text name = text(p->at, span(p->at, p->end, TOKEN)), value;

	if (++p->fields > HTTP_MAX_FIELDS)
		return -431;
	p->at += name.len;
	if (p->at == p->end)
		return MORE;
	if (name.len == 0)
		return -400;
	TRY(literal(p, ":"));
	p->at = span(p->at, p->end, BLANK);
	value = text(p->at, span(p->at, p->end, TEXT));
	p->at += value.len;
	TRY(literal(p, "\r\n"));
	return understand(p, name, trimmed(value));
}

/* What only the whole head can tell. A malformed head (400) comes before one that is merely
 * unwelcome. */
static int finish(struct parser *p)
{
	struct http_request *req = p->req;

	if (!p->host && req->minor_version > 0)
		return -400;
	if (p->coding && (p->length || !p->chunked || req->minor_version == 0))
		return -400; /* RFC 9112 sections 6.1 and 6.3: the shapes of smuggling */
	if (p->unknown_coding)
		return -501;
	if (req->content_length > HTTP_MAX_BODY)
		return -413;
	if (p->unknown_expectation)
		return -417;
	req->chunked = p->chunked;
	req->keep_alive = !p->close && (req->minor_version > 0 || p->persist);
	return OK;
}

static int head(struct parser *p)
{
	/* One empty line is forgiven (RFC 9112 section 2.2). */
	if (p->at < p->end && *p->at == '\r')
		TRY(literal(p, "\r\n"));
	TRY(bounded_request_line(p));
	while (p->at < p->end && *p->at != '\r')
		TRY(field(p));
	TRY(literal(p, "\r\n"));
	return finish(p);
}

/* Whether the bytes since the last look can have changed its "not complete yet": a line ended, or
 * a limit is reached. (The 2 are for an empty line before the request line.) */
static bool worth_a_look(const char *buf, size_t len, size_t already)
{
	return already == 0 || len >= HTTP_MAX_HEAD ||
	       (already < LINE_ROOM + 2 && len >= LINE_ROOM + 2) ||
	       (already < len && memchr(buf + already, '\n', len - already));
}

int http_parse(const char *buf, size_t len, size_t already, struct http_request *out)
{
	bool full = len >= HTTP_MAX_HEAD;
	struct parser p = {.at = buf, .end = buf + (full ? HTTP_MAX_HEAD : len), .req = out};
	int result;

	if (!worth_a_look(buf, len, already))
		return 0;
	*out = (struct http_request){0};
	result = head(&p);
	if (result == OK)
		return (int)(p.at - buf);
	return result == MORE && full ? -431 : result;
}
