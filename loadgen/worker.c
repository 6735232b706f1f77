/*
 * worker.c - the event loop of one worker process. Contract: client.h.
 *
 * A worker opens its share of the connections without overrunning the server's listen queue, says
 * so, waits for the start, and then lives in one loop: what epoll reports, what the timetable
 * wants, and now and then a look at every client for time-outs.
 *
 * What the generator itself adds to a latency is recorded as lag. In an open loop: how long after
 * its intended time a request was sent although a connection was free. In a closed loop: how long
 * after epoll's report the last answer of the batch was read.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "client.h"

enum {
	BATCH = 512, /* events a round */
	AT_ONCE = 64 /* connects, or first requests, between two looks at epoll */
};

/* 64 connects each 3 ms: 10,000 in half a second, which a server that accepts 20,000 a second keeps
 * up with. A full listen queue would drop the SYN, and its sender tries again only after 1 s
 * (tcp(7)). */
#define OPEN_PAUSE_NS (3 * NS_PER_MILLISECOND)
/* A connection that makes no progress for so long is not waited for: longer than the kernel's first
 * two repetitions of a SYN (1 s and 3 s). */
#define STALL_NS (3500 * NS_PER_MILLISECOND)

/* The course of the opening phase. */
struct opening {
	uint32_t next; /* the client to open next */
	uint32_t kick; /* the client to start next, once the run has begun */
	uint64_t begun_ns, pause_ns, look_ns;
	uint32_t batch; /* events in the last round */
	bool reported;
};

static int set_up(struct worker *w, struct run *run, unsigned index, const struct options *o,
		  const struct target *t)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	uint64_t active = o->connections / run->workers + (index < o->connections % run->workers);

	w->silent = (uint32_t)(o->idle / run->workers + (index < o->idle % run->workers));
	w->count = w->silent + (uint32_t)active;
	event.data.u32 = w->count; /* no client's number: orders from the parent */
	w->run = run;
	w->index = index;
	w->options = o;
	w->target = t;
	w->request = t->request;
	w->request_len = t->request_len;
	w->result = &run->results[index];
	w->boundary = w->schedule.next_ns = NEVER;
	w->random = o->seed * 2654435761u + index;
	w->open_loop = o->rate_rps != 0;
	w->limited = o->requests != 0 && !w->open_loop;
	w->plain = !w->open_loop && !o->close && o->requests == 0 && o->slow_bps == 0;
	if (o->slow_bps != 0)
		w->slow_gap_ns = (uint64_t)((double)NS_PER_SECOND / o->slow_bps);
	/* In an open loop free clients are parked until the timetable wants one; with --ramp a
	 * client asks as soon as it is open. Otherwise all begin together. */
	w->running = w->open_loop || o->ramp_ns != 0;
	w->clients = aligned_alloc(64, w->count * sizeof(*w->clients));
	w->parked = malloc(w->count * sizeof(*w->parked));
	w->buffer = malloc(CLIENT_BUFFER);
	if (w->clients == NULL || w->parked == NULL || w->buffer == NULL) {
		fprintf(stderr, "loadgen: not enough memory for %u connections\n", w->count);
		return -1;
	}
	for (uint32_t i = 0; i < w->count; i++)
		w->clients[i] = (struct client){.fd = -1, .silent = i < w->silent};
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd == -1 || epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, run->go_fd, &event) == -1) {
		fprintf(stderr, "loadgen: cannot set up epoll: %s\n", strerror(errno));
		return -1;
	}
	/* The kernel may by default wake a sleeper 50 us late to save power (prctl(2)). */
	prctl(PR_SET_TIMERSLACK, 1UL);
	return 0;
}

/* Opens the clients whose time has come. */
static void open_some(struct worker *w, struct opening *p)
{
	const struct options *o = w->options;

	if (p->next == w->count || w->now < p->pause_ns)
		return;
	for (int i = 0; i < AT_ONCE && p->next < w->count && !w->over; i++) {
		struct client *c = &w->clients[p->next];
		/* Evenly over the ramp, all workers together. */
		double part = ((double)p->next + (double)w->index / w->run->workers) / w->count;
		uint64_t due_ns = p->begun_ns + (uint64_t)(part * (double)o->ramp_ns);

		if (w->now < due_ns) {
			p->pause_ns = due_ns;
			return;
		}
		p->next++;
		w->progress_ns = w->now;
		if (!o->close || c->silent)
			client_connect(w, c);
		else if (w->running)
			client_free(w, c);
	}
	if (o->ramp_ns == 0 && p->next < w->count && (!o->close || p->next <= w->silent))
		p->pause_ns = w->now + OPEN_PAUSE_NS;
}

/* Whether waiting longer can bring this client further before the run begins. */
static bool settled(const struct worker *w, const struct client *c)
{
	if (c->silent)
		return c->ever_answered || c->failures >= 3 || c->refused;
	if (w->options->close || c->state >= CLIENT_READY)
		return true;
	return c->failures >= 3 || c->refused;
}

static void report_if_open(struct worker *w, struct opening *p)
{
	bool all = p->next == w->count;

	if (p->reported || !all || w->now < p->look_ns)
		return;
	p->look_ns = w->now + 10 * NS_PER_MILLISECOND;
	for (uint32_t i = 0; all && i < w->count; i++)
		all = settled(w, &w->clients[i]);
	if (!all && w->now - w->progress_ns < STALL_NS)
		return;
	uint64_t open = 0;

	for (uint32_t i = 0; i < w->count; i++)
		open += w->clients[i].state >= CLIENT_READY;
	atomic_store(&w->result->ready_open, open);
	p->reported = true;
	atomic_fetch_add(&w->run->ready, 1);
	if (eventfd_write(w->run->wake_fd, 1) == -1)
		abort(); /* cannot fail: the parent reads it, and 2^64 is far away */
}

/* The parent has written to go_fd: a start or a stop. */
static void take_orders(struct worker *w)
{
	const struct options *o = w->options;
	struct run *run = w->run;
	uint64_t start_ns = atomic_load(&run->start_ns);

	if (atomic_load(&run->stop)) {
		uint64_t end_ns = atomic_load(&run->end_ns);

		window_end(w, end_ns < w->now ? end_ns : w->now);
		window_over(w);
		return;
	}
	if (start_ns == 0 || w->begin_ns != 0)
		return;
	w->begin_ns = w->boundary = atomic_load(&run->begin_ns);
	w->end_ns = atomic_load(&run->end_ns);
	w->running = true;
	if (w->open_loop)
		schedule_begin(&w->schedule, start_ns, o->rate_rps, w->index, run->workers,
			       o->requests, o->poisson, o->seed);
	tick(w);
}

/* The first requests, a few at a time: the answers to the first ones must not lie unread while the
 * last ones are being sent. */
static void kick(struct worker *w, struct opening *p)
{
	if (!w->running || w->open_loop || w->options->ramp_ns != 0)
		return;
	uint32_t some = p->batch > AT_ONCE ? p->batch : AT_ONCE;
	uint32_t last = some < w->count - p->kick ? p->kick + some : w->count;

	for (; p->kick < last && !w->draining && !w->over; p->kick++) {
		struct client *c = &w->clients[p->kick];

		if (!c->silent &&
		    (c->state == CLIENT_READY || (w->options->close && c->state == CLIENT_CLOSED)))
			client_free(w, c);
	}
}

/* Sends what the timetable wants by now, while there are free connections. */
static void send_due(struct worker *w)
{
	for (int i = 0; i < AT_ONCE && !w->draining && !w->over && w->schedule.next_ns <= w->now;
	     i++) {
		struct client *c = client_unpark(w);

		if (c == NULL)
			return;
		uint64_t intended_ns = w->schedule.next_ns;

		schedule_advance(&w->schedule);
		client_begin(w, c, intended_ns);
		if (w->measuring)
			histogram_record(&w->result->lag, w->now - intended_ns);
	}
}

/* How long the loop may sleep. */
static uint64_t sleep_ns(const struct worker *w, const struct opening *p, uint64_t scan_ns)
{
	uint64_t wake_ns = scan_ns < w->boundary ? scan_ns : w->boundary;

	if (p->next < w->count && p->pause_ns < wake_ns)
		wake_ns = p->pause_ns;
	if (!p->reported && p->next == w->count && p->look_ns < wake_ns)
		wake_ns = p->look_ns;
	if (w->parked_count > 0 && !w->draining && w->schedule.next_ns < wake_ns)
		wake_ns = w->schedule.next_ns;
	if (w->running && !w->draining && !w->open_loop && p->kick < w->count &&
	    w->options->ramp_ns == 0)
		return 0;
	return wake_ns > w->now ? wake_ns - w->now : 0;
}

/* How long until every client is looked at again. A time-out is late by at most a thirty-second
 * part. */
static uint64_t scan_pause_ns(const struct worker *w)
{
	uint64_t pause_ns = w->options->timeout_ns / 32;

	if ((w->dozing || w->limited) && pause_ns > 10 * NS_PER_MILLISECOND)
		pause_ns = 10 * NS_PER_MILLISECOND;
	if (w->slow_gap_ns != 0 && pause_ns > w->slow_gap_ns / 4)
		pause_ns = w->slow_gap_ns / 4;
	if (pause_ns < NS_PER_MILLISECOND)
		return NS_PER_MILLISECOND;
	return pause_ns < 500 * NS_PER_MILLISECOND ? pause_ns : 500 * NS_PER_MILLISECOND;
}

/* One round: waits for events and handles them. Returns 0, or -1 if epoll fails. */
static int wait_and_handle(struct worker *w, uint64_t timeout_ns, uint32_t *handled)
{
	struct epoll_event events[BATCH];
	struct timespec timeout = timespec_of(timeout_ns);
	int n = epoll_pwait2(w->epoll_fd, events, BATCH, &timeout, NULL);

	if (n == -1 && errno != EINTR) {
		fprintf(stderr, "loadgen: epoll_pwait2: %s (Linux 5.11 or later is needed)\n",
			strerror(errno));
		return -1;
	}
	tick(w);
	uint64_t woken_ns = w->now;

	for (int i = 0; i < n && !w->over; i++) {
		if (events[i].data.u32 == w->count) {
			take_orders(w);
			continue;
		}
		if (i + 1 < n)
			__builtin_prefetch(&w->clients[events[i + 1].data.u32]);
		reply_event(w, &w->clients[events[i].data.u32], events[i].events);
	}
	*handled = n > 0 ? (uint32_t)n : 0;
	if (w->draining && w->in_flight == 0)
		window_over(w);
	if (n > 0 && w->measuring && !w->open_loop)
		histogram_record(&w->result->lag, w->now - woken_ns);
	return 0;
}

static int loop(struct worker *w)
{
	struct opening p = {0};
	uint64_t scan_ns = 0;

	tick(w);
	p.begun_ns = w->progress_ns = w->now;
	while (!w->over) {
		open_some(w, &p);
		report_if_open(w, &p);
		kick(w, &p);
		if (w->open_loop)
			send_due(w);
		if (w->now >= scan_ns && !w->over) {
			client_scan(w);
			scan_ns = w->now + scan_pause_ns(w);
		}
		if (!w->over && wait_and_handle(w, sleep_ns(w, &p, scan_ns), &p.batch) == -1)
			return -1;
	}
	return 0;
}

/* The parent still reads /proc, and the connections belong to what it measures: hold them until it
 * is done. */
static void hold(const struct run *run)
{
	struct pollfd released = {.fd = run->release_fd, .events = POLLIN};

	while (poll(&released, 1, 60000) == -1 && errno == EINTR)
		;
}

int worker_run(struct run *run, unsigned index, const struct options *o, const struct target *t)
{
	static struct worker worker; /* the process has no other */
	struct worker *w = &worker;

	if (set_up(w, run, index, o, t) == -1 || loop(w) == -1)
		return 1;
	atomic_fetch_add(&run->done, 1);
	if (eventfd_write(run->wake_fd, 1) == -1)
		return 1;
	hold(run);
	for (uint32_t i = 0; i < w->count; i++) {
		client_close(&w->clients[i]);
		free(w->clients[i].partial);
	}
	close(w->epoll_fd);
	free(w->clients);
	free(w->parked);
	free(w->buffer);
	return 0;
}
