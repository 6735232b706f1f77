/*
 * http_body.c - skips a request body as it arrives, in pieces of any size.
 *
 * A body is never kept, so unlike a head it cannot be read again from its start: it wants a state
 * machine, whose state fits in the 16 bytes of struct http_body. FIXED and DATA take as many bytes
 * as there are; every other state takes one.
 */
#include "http.h"
#include "http_text.h"

_Static_assert(sizeof(struct http_body) <= 16, "every connection holds one");

/* What a plain chunk has around its data, at most; only what is beyond it is noise. */
enum { CHUNK_FREE = 16 };

/* What comes next. */
enum state {
	DONE, /* nothing; 0, see http_body_done() */
	FIXED, /* the data of a body with Content-Length */
	SIZE, /* the first digit of a chunk's size */
	SIZE_MORE, /* more digits, or what ends them */
	EXT_GAP, /* ";" at last: blanks have come */
	EXT, /* the name of an extension */
	EXT_NAME, /* more of the name, or what ends it */
	NAME_GAP, /* "=" or ";" at last */
	EXT_EQUALS, /* the value of an extension */
	EXT_VALUE, /* more of the value, a token */
	QUOTED, /* more of the value, a quoted string */
	ESCAPED, /* in it, the byte behind a backslash */
	UNQUOTED, /* what ends the extension */
	SIZE_LF, /* LF of the size line */
	DATA, /* the data of a chunk */
	DATA_CR, /* CR behind the data */
	DATA_LF, /* and LF */
	TRAILER, /* a trailer field, or the last line */
	TRAILER_NAME, /* more of its name, or ":" */
	TRAILER_VALUE, /* more of its value, or CR */
	TRAILER_LF, /* LF behind it */
	LAST_LF /* LF of the last line */
};

/* On this byte, or on a byte of this class, go there. */
struct step {
	uint16_t on;
	uint8_t to;
};
#define A(class) ((class) << 8)

/*
 * The grammar of RFC 9112 section 7.1, a row a state; the first step that fits is taken, and where
 * none fits the body is malformed.
 */
static const struct step grammar[][5] = {
	[SIZE] = {{A(HEX), SIZE_MORE}},
	[SIZE_MORE] = {{A(HEX), SIZE_MORE}, {'\r', SIZE_LF}, {';', EXT}, {A(BLANK), EXT_GAP}},
	[EXT_GAP] = {{A(BLANK), EXT_GAP}, {';', EXT}},
	[EXT] = {{A(BLANK), EXT}, {A(TOKEN), EXT_NAME}},
	[EXT_NAME] = {{A(TOKEN), EXT_NAME},
		      {'=', EXT_EQUALS},
		      {';', EXT},
		      {A(BLANK), NAME_GAP},
		      {'\r', SIZE_LF}},
	[NAME_GAP] = {{A(BLANK), NAME_GAP}, {'=', EXT_EQUALS}, {';', EXT}},
	[EXT_EQUALS] = {{A(BLANK), EXT_EQUALS}, {A(TOKEN), EXT_VALUE}, {'"', QUOTED}},
	[EXT_VALUE] = {{A(TOKEN), EXT_VALUE}, {';', EXT}, {A(BLANK), EXT_GAP}, {'\r', SIZE_LF}},
	[QUOTED] = {{'"', UNQUOTED}, {'\\', ESCAPED}, {A(TEXT), QUOTED}},
	[ESCAPED] = {{A(TEXT), QUOTED}},
	[UNQUOTED] = {{';', EXT}, {A(BLANK), EXT_GAP}, {'\r', SIZE_LF}},
	[SIZE_LF] = {{'\n', DATA}},
	[DATA_CR] = {{'\r', DATA_LF}},
	[DATA_LF] = {{'\n', SIZE}},
	[TRAILER] = {{A(TOKEN), TRAILER_NAME}, {'\r', LAST_LF}},
	[TRAILER_NAME] = {{A(TOKEN), TRAILER_NAME}, {':', TRAILER_VALUE}},
	[TRAILER_VALUE] = {{A(TEXT), TRAILER_VALUE}, {'\r', TRAILER_LF}},
	[TRAILER_LF] = {{'\n', TRAILER}},
	[LAST_LF] = {{'\n', DONE}},
};

void http_body_begin(struct http_body *body, const struct http_request *req)
{
	*body = (struct http_body){.left = (uint32_t)req->content_length};
	if (req->chunked)
		body->state = SIZE;
	else if (body->left > 0)
		body->state = FIXED;
}

static const struct step *find_step(unsigned state, char c)
{
	const struct step *step = grammar[state];

	for (size_t i = 0; i < sizeof(grammar[0]) / sizeof(*step) && step[i].on; i++)
		if (step[i].on == (unsigned char)c || is(c, step[i].on >> 8))
			return &step[i];
	return NULL;
}

static uint32_t hex_value(char c)
{
	return (uint32_t)(is(c, DIGIT) ? c - '0' : lower(c) - 'a' + 10);
}

/* Takes one byte of what frames the chunks. */
static int take_step(struct http_body *body, char c)
{
	const struct step *step = find_step(body->state, c);

	if (!step)
		return -400;
	if (++body->noise > HTTP_MAX_NOISE)
		return -431;
	body->state = step->to;
	if (step->to == SIZE_MORE) {
		body->left = body->left * 16 + hex_value(c);
		if (body->total + body->left > HTTP_MAX_BODY) /* long before it can overflow */
			return -413;
	} else if (step->to == DATA && body->left == 0) {
		body->state = TRAILER;
	} else if (step->to == DATA) {
		body->total += body->left;
		body->noise -= body->noise < CHUNK_FREE ? body->noise : CHUNK_FREE;
	}
	return 0;
}

int http_body_skip(struct http_body *body, const char *buf, size_t len)
{
	size_t used = 0, n;
	int status;

	while (used < len && body->state != DONE) {
		if (body->state != FIXED && body->state != DATA) {
			status = take_step(body, buf[used]);
			if (status < 0)
				return status;
			used++;
			continue;
		}
		n = len - used < body->left ? len - used : body->left;
		used += n;
		body->left -= (uint32_t)n;
		if (body->left == 0)
			body->state = body->state == DATA ? DATA_CR : DONE;
	}
	return (int)used;
}
