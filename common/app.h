/*
 * app.h - the application: what each route answers, and how long it makes the
 * server wait or compute.
 *
 * Called by conn.c. It never sleeps and never waits: it SAYS how long the
 * "database" takes, and each model shows its own way to wait for it.
 */
#ifndef SIX_APP_H
#define SIX_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"

enum {
	APP_MAX_HEAD = 256, /* bytes of a reply's head, and of a piece of a stream */
	APP_MAX_TEXT = 64, /* bytes of a short body */
	APP_MAX_STATS = 2048 /* bytes of the body of /stats */
};

enum reply_body { BODY_HELLO, BODY_DONE, BODY_BYTES, BODY_STREAM, BODY_STATS, BODY_STATUS };

/*
 * What will be answered, decided when the request was understood. It is a
 * description, not the bytes: a request that waits for the database (there may be
 * ten thousand of them) holds these few words and no buffer.
 */
struct reply {
	uint64_t
		delay_ns; /* the database's time before the reply; of a stream, before each piece */
	uint64_t compute_ns; /* CPU time to burn before the reply */
	uint64_t length; /* bytes of the body; of a stream, the number of pieces */
	uint16_t status;
	uint8_t body; /* enum reply_body */
	bool head_only; /* HEAD: the head that GET would get, and no body */
	bool keep_alive; /* whether the connection goes on after this reply */
	bool http10; /* the client speaks HTTP/1.0: no chunks, keep-alive must be said */
};

/* Set once by server.c, before any model runs. */
extern struct app_config {
	uint64_t db_delay_ns; /* of /db without ?ms= */
} app_config;

/* Decides the answer to a request. Never fails: a bad parameter is a reply with status 400. */
void app_handle(const struct http_request *req, struct reply *out);

/* The answer to a request that could not be understood, or that came too slowly: closes afterwards.
 */
void app_refuse(int status, struct reply *out);

/*
 * Writes the status line, the fields and (where the body is a short text) the body
 * to buf, which must hold app_render_size() bytes. Returns the length.
 * What is left of the body comes from app_block or app_piece.
 */
size_t app_render_size(const struct reply *reply);
size_t app_render(const struct reply *reply, char *buf);

/* Bytes [offset, ...) of the body of /bytes: a span of a static block, never empty while
 * offset < reply->length. */
size_t app_block(const struct reply *reply, uint64_t offset, const char **span);

/* Piece number `index` of a stream, in its transfer coding, to buf (APP_MAX_HEAD bytes). Returns
 * its length. */
size_t app_piece(const struct reply *reply, uint64_t index, char *buf);

/* The statuses this application can answer with, in the order of stats' counters; 0 past the last.
 */
int app_status_at(unsigned index);
unsigned app_status_index(int status);

/* Burns `compute_ns` of this thread's CPU time. Safe to call from any thread. */
void app_compute(uint64_t compute_ns);

#endif
