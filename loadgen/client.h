/*
 * client.h - one worker's connections: what each is doing, and the operations on them.
 *
 * Called by worker.c, which owns the event loop. client.c holds a connection's way from connect to
 * close, reply.c the reading and judging of answers, window.c the bookkeeping at the edges of the
 * measured window.
 *
 * The path of an answered request is what the instrument's speed depends on: one recv, one send,
 * one reading of the clock, a memcmp of the head with the last good one, a histogram's increment;
 * no allocation, no timer, no epoll_ctl (the set is edge-triggered and never changed again). A
 * connection is one cache line.
 */
#ifndef LOADGEN_CLIENT_H
#define LOADGEN_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "options.h"
#include "response.h"
#include "run.h"
#include "schedule.h"
#include "target.h"

enum client_state {
	CLIENT_CLOSED, /* no socket and no plan for one */
	CLIENT_RESTING, /* no socket; tries again at wake_ns */
	CLIENT_CONNECTING, /* until wake_ns; with --close its request's life has begun */
	CLIENT_READY, /* open, nothing in flight */
	CLIENT_SENDING, /* a part of the request is sent; --slow: the next byte at wake_ns */
	CLIENT_WAITING, /* the request is out, no byte of the answer has come */
	CLIENT_READING /* a part of the answer has come */
};

struct client {
	uint64_t start_ns; /* just before the first byte of the request in flight was sent */
	uint64_t intended_ns; /* open loop: when the timetable wanted it sent */
	uint64_t wake_ns;
	uint64_t left; /* READING: bytes left, when the head was a known one; else 0 */
	struct response *partial; /* READING and left == 0: the parser; kept for the next time */
	uint32_t answered; /* within the window */
	int fd;
	uint16_t sent; /* SENDING: bytes of the request that are out */
	uint8_t state; /* enum client_state */
	uint8_t failures; /* in a row */
	bool silent; /* one of --idle: asks once */
	bool ever_answered, served; /* in its life; on this connection */
	bool refused; /* the last failure was the word of the server, not of connect */
	bool parked; /* in worker.parked */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct client) == 64, "a client is one cache line");

enum { CLIENT_BUFFER = 65536, KNOWN_HEAD = 2048 };

/* The head of the last good answer. While others begin with the same bytes, their framing is known
 * without reading them. */
struct known_answer {
	size_t head_len, total; /* 0: none */
	char head[KNOWN_HEAD];
};

struct worker {
	/* What every answer touches. */
	uint64_t now, boundary; /* the last reading of the clock; the window's next edge */
	struct result *result;
	struct client *clients;
	char *buffer;
	const char *request;
	size_t request_len;
	bool measuring, draining, over, open_loop; /* within the window; after it, until over */
	bool plain; /* closed loop, keep-alive, no -n, no --slow: the next request follows at once
		     */
	struct known_answer known;

	/* The number of requests in flight, and its integral (window.c). */
	uint64_t in_flight, level_since;
	double busy_ns;

	/* The rest. */
	const struct options *options;
	const struct target *target;
	struct run *run;
	struct schedule schedule;
	struct response scratch;
	uint64_t begin_ns, end_ns, cpu_begin_ns, waited_begin_ns;
	uint64_t progress_ns; /* when something was last opened or answered while opening */
	uint64_t slow_gap_ns; /* --slow: between two bytes */
	uint64_t random;
	uint32_t *parked; /* a ring of clients that are free and have nothing to do */
	uint32_t parked_first, parked_count;
	uint32_t count, silent; /* clients in all; the first `silent` of them are --idle */
	unsigned index; /* of this worker */
	int epoll_fd;
	bool running; /* clients may ask */
	bool limited; /* closed loop with -n: a request needs a ticket */
	bool dozing; /* some client waits for wake_ns */
};

/* window.c */

/* The clock has reached `boundary`. */
void window_cross(struct worker *w);
/* Ends the window at end_ns. What is in flight is followed for a while: the worker is draining. */
void window_end(struct worker *w, uint64_t end_ns);
/* Ends the run: what is still unanswered is counted with its age at w->now. */
void window_over(struct worker *w);
/* A request ended at w->now that was not both begun and ended within the window. */
void window_odd_life(struct worker *w, const struct client *c);
/* A request failed at w->now, and its life is in no histogram. */
void window_failed_life(struct worker *w, const struct client *c);
/* The number in flight changes by `change` at w->now. */
void window_level(struct worker *w, int change);
/* Whether the client has a request in flight that counts. */
bool window_in_flight(const struct worker *w, const struct client *c);

/* Reads the clock into w->now and notices the window's edges. All readings go through here, so no
 * event is ever counted on the wrong side. Once w->over holds: stop at once. */
static inline void tick(struct worker *w)
{
	w->now = clock_ns();
	if (__builtin_expect(w->now >= w->boundary, 0))
		window_cross(w);
}

/* client.c */

/* Makes the connection; the client is CLOSED or RESTING. */
void client_connect(struct worker *w, struct client *c);
/* The client is READY (with --close: CLOSED) and may ask: begins a request if one is due, else
 * parks. */
void client_free(struct worker *w, struct client *c);
/* Takes the longest parked client that is still usable; NULL: none. */
struct client *client_unpark(struct worker *w);
/* Begins a request now; intended_ns is the timetable's time, or 0. */
void client_begin(struct worker *w, struct client *c, uint64_t intended_ns);
/* Sends the request, or what is left of it. */
void client_send(struct worker *w, struct client *c);
/* The connection was made. */
void client_connected(struct worker *w, struct client *c);
/* The connection could not be made. A few failures in a row are forgiven unless count_it, or unless
 * the connection belongs to a request (--close). */
void client_connect_failed(struct worker *w, struct client *c, bool count_it);
/* Something went wrong: counts it, closes, and rests before the next try. */
void client_fail(struct worker *w, struct client *c, enum error_kind kind);
/* Counts an error without touching the connection. */
void client_count_error(struct worker *w, enum error_kind kind);
/* The request in flight ends without a good answer. */
void client_request_failed(struct worker *w, struct client *c, bool timed_out);
/* A request with a ticket has ended: stops the run if it was the last one (-n). */
void client_check_limit(struct worker *w);
/* Closes the socket, if any; the client is CLOSED then. */
void client_close(struct client *c);
/* The server closed the connection with nothing in flight. */
void client_lost(struct worker *w, struct client *c);
/* Time-outs, rests that are over, the next byte of slow clients: looks at every client once. */
void client_scan(struct worker *w);

/* reply.c */

/* Handles one client's events of epoll_wait. */
void reply_event(struct worker *w, struct client *c, uint32_t events);
/* Reads what is there; hung_up: the server will send no more after it. */
void reply_read(struct worker *w, struct client *c, bool hung_up);

/* worker.c */

/* One worker process from fork() to its end: opens its share of the connections, asks, fills its
 * struct result. Returns the exit status. */
int worker_run(struct run *run, unsigned index, const struct options *o, const struct target *t);

#endif
