/*
 * response.h - an incremental parser of HTTP/1.x responses: is this answer whole and well formed?
 *
 * Called by client.c with whatever recv() brought, in pieces of any size. It stores no byte of the
 * response (a body of 1 GiB is counted, not kept), allocates nothing and reads no clock.
 *
 * It is strict, because it judges servers: line ends are CRLF, both Content-Length and
 * Transfer-Encoding in one response is an error, as are folded fields (RFC 9112
 * sections 2.2, 5.2, 6.3). An interim response (1xx, RFC 9110 section 15.2) is read and skipped.
 */
#ifndef LOADGEN_RESPONSE_H
#define LOADGEN_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum response_result { RESPONSE_MORE, RESPONSE_DONE, RESPONSE_BAD };

enum { RESPONSE_MAX_HEAD = 65536, RESPONSE_NAME = 24, RESPONSE_VALUE = 64 };

struct response {
	uint64_t left; /* bytes left of the body or of the present chunk */
	uint64_t length; /* what Content-Length says */
	uint32_t head_len; /* bytes of status line and fields, of interim responses too */
	uint16_t status;
	uint8_t state;
	uint8_t minor_version;
	bool head_only; /* the request was HEAD: no body follows whatever the fields say */
	bool has_length, chunked;
	bool says_close, says_keep_alive;
	bool keep_alive; /* once the head is read: whether the connection goes on afterwards */
	bool until_eof; /* once the head is read: the body ends where the connection does */
	bool head_done; /* status, keep_alive, until_eof, length are final */
	uint8_t name_len, value_len, digits;
	char name[RESPONSE_NAME]; /* of the field being read, in lower case, cut off */
	char value[RESPONSE_VALUE]; /* likewise, without white space around it */
};

/* Prepares for the answer to one request. */
void response_begin(struct response *r, bool head_only);

/*
 * Takes len bytes. *used is how many of them belong to the response: less than len only when
 * it ended within them (RESPONSE_DONE; what follows does not belong to it) or is malformed
 * (RESPONSE_BAD). RESPONSE_MORE: all were used and more are expected. After DONE or BAD only
 * response_begin may be called.
 */
enum response_result response_feed(struct response *r, const char *buf, size_t len, size_t *used);

/* The connection ended. Returns RESPONSE_DONE if that is how this response says it ends, else
 * RESPONSE_MORE: it is cut off. */
enum response_result response_eof(const struct response *r);

#endif
