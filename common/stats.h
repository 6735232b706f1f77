/*
 * stats.h - what the server did, counted where it is done: the figures of GET /stats.
 *
 * Counts are the lab's best evidence: unlike times they are the same on a noisy machine. Every
 * system call of a model is counted at the line that makes it.
 *
 * One block a worker process, all in memory shared by the workers, so that /stats can give the sum
 * whichever worker is asked. Threads of a worker, and the children of process.c, add to the same
 * block.
 */
#ifndef SIX_STATS_H
#define SIX_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum counter {
	/* system calls by kind */
	SYS_ACCEPT,
	SYS_RECV,
	SYS_SEND,
	SYS_WAIT, /* select, poll, epoll_wait: "tell me who is ready" */
	SYS_WATCH, /* epoll_ctl: "from now on tell me about this one" */
	SYS_ENTER, /* io_uring_enter */
	SYS_SLEEP, /* clock_nanosleep: the database wait of a thread */
	SYS_SHUTDOWN,
	SYS_CLOSE,
	SYS_SETSOCKOPT,
	SYS_CLONE, /* pthread_create, fork */
	SYS_KINDS,
	/* what the waiting cost */
	WAKEUPS = SYS_KINDS, /* how often a wait ended */
	SLOTS_SCANNED, /* places that kernel and server looked at to find who is ready */
	TIMERS_FIRED,
	/* connections */
	CONNS_ACCEPTED,
	CONNS_CLOSED,
	CONNS_REFUSED,
	COUNTERS
};

enum { STATS_STATUSES = 16 };

struct stats {
	_Atomic uint64_t counters[COUNTERS];
	_Atomic uint64_t requests[STATS_STATUSES]; /* by status, in the order of app.c's table */
};

/* This process's block. Valid before server_main() too (unit tests): then a private one. */
extern struct stats *stats;

/* Whether several threads or processes add to one block: then each add must be atomic. A loop that
 * is alone with its block is spared that. Set by server.c. */
extern bool stats_shared;

static inline void stats_add(_Atomic uint64_t *counter, uint64_t n)
{
	if (stats_shared)
		atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
	else
		atomic_store_explicit(counter,
				      atomic_load_explicit(counter, memory_order_relaxed) + n,
				      memory_order_relaxed);
}

static inline void count(enum counter which, uint64_t n)
{
	stats_add(&stats->counters[which], n);
}

static inline uint64_t counted(enum counter which)
{
	return atomic_load_explicit(&stats->counters[which], memory_order_relaxed);
}

/* Counts one request whose reply is out. `status_index` is app_status_index(). */
static inline void count_request(unsigned status_index)
{
	stats_add(&stats->requests[status_index], 1);
}

/* Makes `workers` blocks in shared memory. Returns 0, or -1 with errno. The name must stay valid.
 */
int stats_create(const char *model_name, unsigned workers);
/* Names the block this process adds to from now on. A replaced worker goes on with the block of the
 * dead one: totals stay, the connections it had open are written off as closed. */
void stats_use(unsigned worker);

/* The JSON of /stats, at most `size` bytes. Returns its length. */
size_t stats_json(char *buf, size_t size);

#endif
