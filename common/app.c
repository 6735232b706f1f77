/*
 * app.c - the six routes, and the bytes of every reply. See app.h.
 *
 * Replies carry no Date field: RFC 9110 section 6.6.1 asks it of servers with a clock, and this
 * application pretends to have none, so that every model's reply is the same bytes every time.
 */
#include "app.h"

#include <string.h>
#include <time.h>

#include "clock.h"
#include "stats.h"

enum {
	MAX_BYTES = 1 << 30, /* of /bytes */
	MAX_PIECES = 1000000, /* of /stream */
	BLOCK_SIZE = 64 * 1024 /* the static block that /bytes repeats */
};
#define MAX_DELAY_NS   (3600 * NS_PER_SECOND)
#define MAX_COMPUTE_NS (60 * NS_PER_SECOND)

struct app_config app_config = {.db_delay_ns = 10 * NS_PER_MILLISECOND};

static const char HELLO[] = "Hello, World!";
static const char DONE[] = "{\"answer\":42}\n"; /* what the database or the computation found */
static const char STREAM_END[] = "0\r\n\r\n";

/* ---- statuses ---- */

#define STATUS(code, reason)                                        \
	{                                                           \
		code, #code " " reason, sizeof #code " " reason - 1 \
	}
static const struct status {
	int code;
	const char *line; /* of the status line, after the version; also the body of an error */
	size_t len;
} statuses[STATS_STATUSES] = {
	STATUS(200, "OK"),
	STATUS(400, "Bad Request"),
	STATUS(404, "Not Found"),
	STATUS(405, "Method Not Allowed"),
	STATUS(408, "Request Timeout"),
	STATUS(413, "Content Too Large"),
	STATUS(414, "URI Too Long"),
	STATUS(417, "Expectation Failed"),
	STATUS(431, "Request Header Fields Too Large"),
	STATUS(501, "Not Implemented"),
	STATUS(503, "Service Unavailable"),
	STATUS(505, "HTTP Version Not Supported"),
	STATUS(500, "Internal Server Error"), /* last: any status the table does not know */
};

int app_status_at(unsigned index)
{
	return index < STATS_STATUSES ? statuses[index].code : 0;
}

unsigned app_status_index(int status)
{
	unsigned i = 0;

	while (statuses[i].code != status && statuses[i].code != 500)
		i++;
	return i;
}

/* ---- parameters ---- */

/*
 * Reads a decimal number that fills the text, "10" or "2.5", in `unit`s, into *value.
 * False when it is no such number or more than `max`.
 */
static bool decimal(struct http_text text, uint64_t unit, uint64_t max, uint64_t *value)
{
	uint64_t sum = 0, place = unit;
	size_t i = 0;

	for (; i < text.len && text.at[i] >= '0' && text.at[i] <= '9'; i++) {
		sum = sum * 10 + (uint64_t)(text.at[i] - '0') * unit;
		if (sum > max)
			return false;
	}
	if (i == 0)
		return false;
	if (i < text.len && text.at[i] == '.' && unit > 1) {
		size_t point = i++;

		for (; i < text.len && text.at[i] >= '0' && text.at[i] <= '9'; i++)
			sum += (uint64_t)(text.at[i] - '0') * (place /= 10);
		if (i == point + 1)
			return false;
	}
	*value = sum;
	return i == text.len && sum <= max;
}

/* Looks the parameter up in "a=1&b=2". Leaves *value alone when it is not there. */
static bool parameter(struct http_text query, char name0, char name1, uint64_t unit, uint64_t max,
		      uint64_t *value)
{
	const char *at = query.at, *end = query.at + query.len;
	size_t name_len = name1 ? 2 : 1;

	while (at < end) {
		const char *stop = memchr(at, '&', (size_t)(end - at));

		if (!stop)
			stop = end;
		if ((size_t)(stop - at) > name_len && at[0] == name0 &&
		    (!name1 || at[1] == name1) && at[name_len] == '=') {
			const char *from = at + name_len + 1;

			return decimal((struct http_text){from, (size_t)(stop - from)}, unit, max,
				       value);
		}
		at = stop < end ? stop + 1 : end;
	}
	return true;
}

/* ---- routes ---- */

static bool path_is(const struct http_request *req, const char *path, size_t len)
{
	return req->path.len == len && memcmp(req->path.at, path, len) == 0;
}
#define PATH_IS(req, literal) path_is(req, literal, sizeof literal - 1)

static bool milliseconds(const struct http_request *req, uint64_t *delay_ns)
{
	return parameter(req->query, 'm', 's', NS_PER_MILLISECOND, MAX_DELAY_NS, delay_ns);
}

static void status_reply(int status, struct reply *out)
{
	out->status = (uint16_t)status;
	out->body = BODY_STATUS;
}

void app_handle(const struct http_request *req, struct reply *out)
{
	bool good = true;

	*out = (struct reply){
		.status = 200,
		.head_only = req->method == HTTP_HEAD,
		.keep_alive = req->keep_alive,
		.http10 = req->minor_version == 0,
	};
	if (req->method == HTTP_OTHER) {
		status_reply(405, out);
	} else if (PATH_IS(req, "/")) {
		out->body = BODY_HELLO;
	} else if (PATH_IS(req, "/db")) {
		out->body = BODY_DONE;
		out->delay_ns = app_config.db_delay_ns;
		good = milliseconds(req, &out->delay_ns);
	} else if (PATH_IS(req, "/cpu")) {
		out->body = BODY_DONE;
		out->compute_ns = NS_PER_MILLISECOND;
		good = parameter(req->query, 'u', 's', 1000, MAX_COMPUTE_NS, &out->compute_ns);
	} else if (PATH_IS(req, "/bytes")) {
		out->body = BODY_BYTES;
		out->length = 1024;
		good = parameter(req->query, 'n', 0, 1, MAX_BYTES, &out->length);
	} else if (PATH_IS(req, "/stream")) {
		out->body = BODY_STREAM;
		out->length = 10;
		out->delay_ns = 100 * NS_PER_MILLISECOND;
		good = parameter(req->query, 'n', 0, 1, MAX_PIECES, &out->length) &&
		       milliseconds(req, &out->delay_ns);
		if (out->http10)
			out->keep_alive =
				false; /* without chunks only the end says it is the end */
	} else if (PATH_IS(req, "/stats")) {
		out->body = BODY_STATS;
	} else {
		status_reply(404, out);
	}
	if (!good) {
		out->delay_ns = out->compute_ns = 0;
		status_reply(400, out);
	}
}

void app_refuse(int status, struct reply *out)
{
	*out = (struct reply){0};
	status_reply(status, out);
}

/* ---- bytes ---- */

static char *put(char *to, const char *text, size_t len)
{
	memcpy(to, text, len);
	return to + len;
}
#define PUT(to, literal) put(to, literal, sizeof literal - 1)

static char *put_number(char *to, uint64_t n)
{
	char digits[20];
	size_t len = 0;

	do
		digits[sizeof digits - ++len] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	return put(to, digits + sizeof digits - len, len);
}

static char *put_type(char *to, const struct reply *reply)
{
	if (reply->body == BODY_DONE || reply->body == BODY_STATS)
		return PUT(to, "Content-Type: application/json\r\n");
	if (reply->body == BODY_BYTES)
		return PUT(to, "Content-Type: application/octet-stream\r\n");
	return PUT(to, "Content-Type: text/plain\r\n");
}

static char *put_framing(char *to, const struct reply *reply, uint64_t length)
{
	if (reply->body != BODY_STREAM)
		to = PUT(put_number(PUT(to, "Content-Length: "), length), "\r\n");
	else if (!reply->http10)
		to = PUT(to, "Transfer-Encoding: chunked\r\n");
	if (!reply->keep_alive)
		to = PUT(to, "Connection: close\r\n");
	else if (reply->http10)
		to = PUT(to, "Connection: keep-alive\r\n");
	return PUT(to, "\r\n");
}

size_t app_render_size(const struct reply *reply)
{
	return APP_MAX_HEAD + (reply->body == BODY_STATS ? APP_MAX_STATS : APP_MAX_TEXT);
}

/* The body of a reply that has a short text for one, NULL where it has not. `scratch` is where the
 * head cannot reach. */
static const char *text_of(const struct reply *reply, const struct status *status, char *scratch,
			   size_t *len)
{
	switch (reply->body) {
	case BODY_HELLO:
		*len = sizeof HELLO - 1;
		return HELLO;
	case BODY_DONE:
		*len = sizeof DONE - 1;
		return DONE;
	case BODY_STATS:
		*len = stats_json(scratch, APP_MAX_STATS);
		return scratch;
	case BODY_STATUS:
		*len = status->len;
		return status->line;
	default:
		*len = 0;
		return NULL;
	}
}

size_t app_render(const struct reply *reply, char *buf)
{
	const struct status *status = &statuses[app_status_index(reply->status)];
	size_t text_len;
	const char *text = text_of(reply, status, buf + APP_MAX_HEAD, &text_len);
	char *to = PUT(buf, "HTTP/1.1 ");

	to = PUT(put(to, status->line, status->len), "\r\n");
	if (reply->status == 405)
		to = PUT(to, "Allow: GET, HEAD\r\n");
	to = put_type(to, reply);
	to = put_framing(to, reply, text ? text_len : reply->length);
	if (reply->head_only)
		return (size_t)(to - buf);
	if (text) {
		memmove(to, text, text_len); /* of /stats it lies in this same buffer */
		to += text_len;
	} else if (reply->body == BODY_STREAM && reply->length == 0 && !reply->http10) {
		to = PUT(to, STREAM_END);
	}
	return (size_t)(to - buf);
}

size_t app_block(const struct reply *reply, uint64_t offset, const char **span)
{
	/* 64 bytes of a recognisable pattern, BLOCK_SIZE of them, laid down by the compiler. */
#define ROW	 "The quick brown server jumps over the lazy client, never waiting"
#define ROWS_8	 ROW ROW ROW ROW ROW ROW ROW ROW
#define ROWS_64	 ROWS_8 ROWS_8 ROWS_8 ROWS_8 ROWS_8 ROWS_8 ROWS_8 ROWS_8
#define ROWS_512 ROWS_64 ROWS_64 ROWS_64 ROWS_64 ROWS_64 ROWS_64 ROWS_64 ROWS_64
	static const char block[] = ROWS_512 ROWS_512;
	_Static_assert(sizeof block - 1 == BLOCK_SIZE, "the row must be 64 bytes");
	uint64_t in_block = BLOCK_SIZE - offset % BLOCK_SIZE, left = reply->length - offset;

	*span = block + offset % BLOCK_SIZE;
	return left < in_block ? left : in_block;
}

size_t app_piece(const struct reply *reply, uint64_t index, char *buf)
{
	char text[32], *end = PUT(put_number(PUT(text, "piece "), index + 1), "\n");
	size_t len = (size_t)(end - text);
	char *to = buf;

	if (reply->http10)
		return (size_t)(put(to, text, len) - buf);
	if (len >= 16)
		*to++ = "0123456789abcdef"[len / 16];
	*to++ = "0123456789abcdef"[len % 16];
	to = PUT(put(PUT(to, "\r\n"), text, len), "\r\n");
	if (index + 1 == reply->length)
		to = PUT(to, STREAM_END);
	return (size_t)(to - buf);
}

void app_compute(uint64_t compute_ns)
{
	struct timespec ts;
	uint64_t now_ns, end_ns = 0;

	/* CPU time of this thread, not time on the wall: on a busy core it takes longer. */
	do {
		if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) < 0)
			return;
		now_ns = (uint64_t)ts.tv_sec * NS_PER_SECOND + (uint64_t)ts.tv_nsec;
		if (!end_ns)
			end_ns = now_ns + compute_ns;
	} while (now_ns < end_ns);
}
