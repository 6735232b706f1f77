/*
 * response.c - a state machine over the bytes of a response; the contract is in response.h.
 *
 * The head is read byte by byte, the bodies in spans. Speed matters little here: client.c
 * recognises a response whose head equals the last one without coming by.
 */
#include "response.h"

#include <string.h>

enum {
	VERSION, /* "HTTP/1.x " and three digits, one byte of the pattern at a time */
	REASON,
	REASON_LF,
	FIELD_FIRST, /* the first byte of a line: a name, or the CR of the empty line */
	FIELD_NAME,
	FIELD_VALUE,
	FIELD_LF,
	HEAD_LF,
	BODY_LENGTH,
	BODY_EOF,
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	TRAILER_FIRST,
	TRAILER,
	TRAILER_LF,
	TRAILER_END_LF,
	COMPLETE,
	BAD
};

/* d is a digit of the version, s a digit of the status. */
static const char STATUS_LINE[] = "HTTP/1.d sss";

void response_begin(struct response *r, bool head_only)
{
	*r = (struct response){.head_only = head_only, .state = VERSION};
}

static bool is_token(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static uint8_t status_line(struct response *r, char c)
{
	char wanted = STATUS_LINE[r->digits++];

	if (wanted == 'd' || wanted == 's') {
		if (c < '0' || c > '9')
			return BAD;
		if (wanted == 'd')
			r->minor_version = (uint8_t)(c - '0');
		else
			r->status = (uint16_t)(r->status * 10 + (c - '0'));
	} else if (c != wanted) {
		return BAD;
	}
	if (STATUS_LINE[r->digits] != '\0')
		return VERSION;
	return r->status >= 100 && r->status < 600 ? REASON : BAD;
}

/* Whether the comma-separated list in r->value contains the token. */
static bool lists(const struct response *r, const char *token)
{
	size_t len = strlen(token), at = 0;

	while (at < r->value_len) {
		size_t start = at;

		while (at < r->value_len && r->value[at] != ',')
			at++;
		size_t end = at++;

		while (start < end && (r->value[start] == ' ' || r->value[start] == '\t'))
			start++;
		while (end > start && (r->value[end - 1] == ' ' || r->value[end - 1] == '\t'))
			end--;
		if (end - start == len && memcmp(r->value + start, token, len) == 0)
			return true;
	}
	return false;
}

static bool named(const struct response *r, const char *name)
{
	return r->name_len == strlen(name) && memcmp(r->name, name, r->name_len) == 0;
}

static bool read_length(struct response *r)
{
	uint64_t length = 0;

	if (r->value_len == 0 || r->value_len > 18) /* 18 digits cannot overflow 64 bits */
		return false;
	for (uint8_t i = 0; i < r->value_len; i++) {
		if (r->value[i] < '0' || r->value[i] > '9')
			return false;
		length = length * 10 + (uint64_t)(r->value[i] - '0');
	}
	if (r->has_length && length != r->length)
		return false; /* two of them that disagree: RFC 9112 section 6.3, rule 5 */
	r->has_length = true;
	r->length = length;
	return true;
}

/* A field is complete. Returns false if it makes the framing unsound. */
static bool field(struct response *r)
{
	while (r->value_len > 0 &&
	       (r->value[r->value_len - 1] == ' ' || r->value[r->value_len - 1] == '\t'))
		r->value_len--;
	if (named(r, "content-length"))
		return read_length(r);
	if (named(r, "transfer-encoding")) {
		if (r->chunked || !lists(r, "chunked") || r->value_len != strlen("chunked"))
			return false; /* no other coding was asked for */
		r->chunked = true;
	} else if (named(r, "connection")) {
		r->says_close |= lists(r, "close");
		r->says_keep_alive |= lists(r, "keep-alive");
	}
	return true;
}

/* The empty line was read: how the body is framed (RFC 9112 section 6.3). */
static uint8_t head_complete(struct response *r)
{
	if (r->status < 200) { /* interim: the real one follows */
		if (r->status == 101)
			return BAD; /* nobody asked for another protocol */
		struct response next = {.head_only = r->head_only, .head_len = r->head_len};

		*r = next;
		return VERSION;
	}
	if (r->chunked && (r->has_length || r->minor_version == 0))
		return BAD;
	r->keep_alive = !r->says_close && (r->minor_version > 0 || r->says_keep_alive);
	r->head_done = true;
	if (r->head_only || r->status == 204 || r->status == 304)
		return COMPLETE;
	if (r->chunked) {
		r->digits = 0;
		r->left = 0;
		return CHUNK_SIZE;
	}
	if (r->has_length) {
		r->left = r->length;
		return r->left == 0 ? COMPLETE : BODY_LENGTH;
	}
	r->until_eof = true;
	r->keep_alive = false;
	return BODY_EOF;
}

static uint8_t field_byte(struct response *r, char c)
{
	switch (r->state) {
	case FIELD_FIRST:
		if (c == '\r')
			return HEAD_LF;
		r->name_len = r->value_len = 0;
		/* fall through */
	case FIELD_NAME:
		if (c == ':' && r->name_len > 0)
			return FIELD_VALUE;
		if (!is_token((unsigned char)c))
			return BAD; /* a folded line begins with white space, so it ends here too */
		if (r->name_len < RESPONSE_NAME)
			r->name[r->name_len++] = lower(c);
		return FIELD_NAME;
	case FIELD_VALUE:
		if (c == '\r')
			return FIELD_LF;
		if (c == '\n' || c == '\0')
			return BAD;
		if (r->value_len == 0 && (c == ' ' || c == '\t'))
			return FIELD_VALUE;
		if (r->value_len < RESPONSE_VALUE)
			r->value[r->value_len++] = lower(c);
		return FIELD_VALUE;
	default: /* FIELD_LF */
		return c == '\n' && field(r) ? FIELD_FIRST : BAD;
	}
}

static uint8_t head_byte(struct response *r, char c)
{
	if (++r->head_len > RESPONSE_MAX_HEAD)
		return BAD;
	switch (r->state) {
	case VERSION:
		return status_line(r, c);
	case REASON: /* may be empty, and so may the space before it in practice */
		return c == '\r' ? REASON_LF : (c == '\n' ? BAD : REASON);
	case REASON_LF:
		return c == '\n' ? FIELD_FIRST : BAD;
	case HEAD_LF:
		return c == '\n' ? head_complete(r) : BAD;
	default:
		return field_byte(r, c);
	}
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of the chunked coding outside the data itself (RFC 9112 section 7.1). */
static uint8_t chunk_byte(struct response *r, char c)
{
	switch (r->state) {
	case CHUNK_SIZE:
		if (hex(c) >= 0) {
			r->left = r->left * 16 + (uint64_t)hex(c);
			return ++r->digits > 15 ? BAD : CHUNK_SIZE;
		}
		if (r->digits == 0)
			return BAD;
		return c == '\r' ? CHUNK_SIZE_LF : (c == ';' || c == ' ' ? CHUNK_EXTENSION : BAD);
	case CHUNK_EXTENSION:
		return c == '\r' ? CHUNK_SIZE_LF : (c == '\n' ? BAD : CHUNK_EXTENSION);
	case CHUNK_SIZE_LF:
		if (c != '\n')
			return BAD;
		return r->left == 0 ? TRAILER_FIRST : CHUNK_DATA;
	case CHUNK_DATA_CR:
		return c == '\r' ? CHUNK_DATA_LF : BAD;
	case CHUNK_DATA_LF:
		r->digits = 0;
		return c == '\n' ? CHUNK_SIZE : BAD;
	case TRAILER_FIRST:
		return c == '\r' ? TRAILER_END_LF : (c == '\n' ? BAD : TRAILER);
	case TRAILER:
		return c == '\r' ? TRAILER_LF : (c == '\n' ? BAD : TRAILER);
	case TRAILER_LF:
		return c == '\n' ? TRAILER_FIRST : BAD;
	default: /* TRAILER_END_LF */
		return c == '\n' ? COMPLETE : BAD;
	}
}

/* Takes a span of body data; returns its length. */
static size_t body_span(struct response *r, size_t len)
{
	if (r->state == BODY_EOF)
		return len;
	size_t n = len < r->left ? len : (size_t)r->left;

	r->left -= n;
	if (r->left == 0)
		r->state = r->state == BODY_LENGTH ? COMPLETE : CHUNK_DATA_CR;
	return n;
}

enum response_result response_feed(struct response *r, const char *buf, size_t len, size_t *used)
{
	size_t at = 0;

	while (at < len && r->state != COMPLETE && r->state != BAD) {
		if (r->state == BODY_LENGTH || r->state == BODY_EOF || r->state == CHUNK_DATA)
			at += body_span(r, len - at);
		else if (r->state < BODY_LENGTH)
			r->state = head_byte(r, buf[at++]);
		else
			r->state = chunk_byte(r, buf[at++]);
	}
	*used = at;
	if (r->state == BAD)
		return RESPONSE_BAD;
	return r->state == COMPLETE ? RESPONSE_DONE : RESPONSE_MORE;
}

enum response_result response_eof(const struct response *r)
{
	return r->state == BODY_EOF ? RESPONSE_DONE : RESPONSE_MORE;
}
