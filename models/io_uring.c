/*
 * io_uring.c - one thread has the kernel do the work for every client, and waits for results.
 *
 * The other event loops ask "who is ready?" and then do the recv or send themselves. This one does
 * not ask: it hands the kernel the recv and the send, and is told when they are DONE. Requests and
 * results go through two rings in memory that both sides see; one io_uring_enter submits all that
 * has gathered and fetches all that is done, however many clients that is.
 *
 *   - accept is multishot: asked once, it completes again for each client that comes;
 *   - so is recv, into buffers that the kernel takes from a common ring when data is there: an idle
 *     client holds no buffer;
 *   - send is asked once a reply: its bytes belong to the kernel until it says so.
 *
 * What is new to think about: a result may come when nobody waits for it any more. A client is only
 * forgotten when the kernel holds nothing of it, and each request carries the client's generation,
 * so that a late result can never touch the next client that has the same descriptor.
 *
 * Compare: epoll.c (readiness, not completion).
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "conn.h"
#include "container_of.h"
#include "die.h"
#include "io.h"
#include "net.h"
#include "server.h"
#include "stats.h"
#include "stop.h"
#include "timers.h"

enum {
	SUBMISSIONS = 4096,
	COMPLETIONS = 16384,
	BUFFERS = 2048, /* a power of two (io_uring_register_buf_ring(3)) */
	BUFFER_SIZE = 512,
	BUFFER_GROUP = 0,
	EARLY_LIMIT =
		64 * 1024 /* bytes a client may send ahead of its turn before we stop listening */
};

/* What a completion is about. The kernel hands it back as it was given: see tag(). */
enum op { OP_ACCEPT, OP_RECV, OP_SEND, OP_CANCEL };

struct client {
	struct conn conn;
	struct timer timer;
	char *early; /* input that came while its last request was still being answered */
	uint32_t early_len;
	uint32_t generation;
	int fd;
	int sent; /* zero copy: the result, until the bytes are free again */
	bool receiving, sending; /* what the kernel holds of this client */
	bool paused; /* told to stop receiving: too much came early */
	bool ended; /* the client has finished sending */
	bool closing;
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffer_ring;
static char *buffers;
static struct client **clients; /* by descriptor */
static struct timers timers;
static struct conn_buffer shared;
static uint32_t generations;
static bool accept_armed;

/* Switches for the ablation chart: each takes away (or adds) one thing that the modern form is made
 * of. */
static unsigned long plain_ring, single_accept, single_recv, submit_each, readiness, sqpoll,
	zero_copy, timers_a_turn = 20;
static const struct model_option options[] = {
	{"plain-ring", 0, "without SINGLE_ISSUER and DEFER_TASKRUN", &plain_ring, 0, 1},
	{"single-accept", 0, "ask for each client anew", &single_accept, 0, 1},
	{"single-recv", 0, "ask for each input anew", &single_recv, 0, 1},
	{"submit-each", 0, "a system call for each request to the kernel", &submit_each, 0, 1},
	{"readiness", 0, "only ask who is ready, as with epoll", &readiness, 0, 1},
	{"sqpoll", 0, "a kernel thread watches the ring", &sqpoll, 0, 1},
	{"zero-copy", 0, "send without copying (a slow reader then counts as standing still)",
	 &zero_copy, 0, 1},
	{"timers-a-turn", "N", "answer N waits that are over, then see to the ring again (20)",
	 &timers_a_turn, 1, 1000000},
	{0}};

/* ---- asking the kernel ---- */

/* user_data: descriptor, generation and operation in 32 + 24 + 8 bits. */
static uint64_t tag(enum op op, int fd, uint32_t generation)
{
	return (uint64_t)(uint32_t)fd << 32 | (uint64_t)(generation & 0xffffff) << 8 | op;
}

static struct io_uring_sqe *next_sqe(void)
{
	struct io_uring_sqe *sqe;

	/* When the ring is full, the kernel takes what is in it. */
	while (!(sqe = io_uring_get_sqe(&ring))) {
		count(SYS_ENTER, 1);
		if (io_uring_submit(&ring) < 0)
			net_pause();
	}
	return sqe;
}

/* Every request to the kernel ends here. */
static void ask(struct io_uring_sqe *sqe, uint64_t data)
{
	io_uring_sqe_set_data64(sqe, data);
	if (submit_each) {
		count(SYS_ENTER, 1);
		/* And has the kernel do its deferred work: while results lie here, no wait would.
		 * What it does not take now, the next wait submits. */
		(void)io_uring_submit_and_get_events(&ring);
	}
}

static void ask_accept(int listener)
{
	struct io_uring_sqe *sqe = next_sqe();

	/* The kernel wakes one of those who wait, the first in the queue, and a multishot accept
	 * stays first for ever: workers have to queue up again after each client, or one of them
	 * would get them all. */
	if (server_workers() == 1 && !single_accept)
		io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
	else
		io_uring_prep_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
	accept_armed = true;
	ask(sqe, tag(OP_ACCEPT, listener, 0));
}

static void ask_recv(struct client *k)
{
	struct io_uring_sqe *sqe = next_sqe();

	if (readiness) {
		io_uring_prep_poll_add(sqe, k->fd, POLLIN);
	} else {
		if (single_recv)
			io_uring_prep_recv(sqe, k->fd, NULL, BUFFER_SIZE, 0);
		else
			io_uring_prep_recv_multishot(sqe, k->fd, NULL, 0, 0);
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->buf_group = BUFFER_GROUP;
	}
	k->receiving = true;
	ask(sqe, tag(OP_RECV, k->fd, k->generation));
}

static void ask_send(struct client *k)
{
	struct io_uring_sqe *sqe = next_sqe();
	const char *span;
	size_t len = conn_data(&k->conn, &span);

	if (zero_copy)
		io_uring_prep_send_zc(sqe, k->fd, span, len, MSG_NOSIGNAL, 0);
	else
		io_uring_prep_send(sqe, k->fd, span, len, MSG_NOSIGNAL);
	k->sending = true;
	ask(sqe, tag(OP_SEND, k->fd, k->generation));
}

static void ask_cancel(uint64_t which)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_cancel64(sqe, which, 0);
	ask(sqe, tag(OP_CANCEL, 0, 0));
}

/* ---- one client ---- */

/* Closes when the kernel holds nothing of this client any more; until then, sees to it that it lets
 * go. */
static void hang_up(struct client *k)
{
	if (!k->closing && (k->receiving || k->sending)) {
		count(SYS_SHUTDOWN, 1);
		(void)shutdown(k->fd, SHUT_RDWR); /* no client any more: it lets go by itself */
	}
	k->closing = true;
	timers_cancel(&timers, &k->timer);
	if (k->receiving || k->sending)
		return;
	free(k->early);
	conn_close(&k->conn);
	clients[k->fd] = NULL;
	net_close(k->fd);
	free(k);
}

/* Gives the core what it wants of bytes[0..len); returns how much it took. */
static size_t feed(struct client *k, const char *bytes, size_t len, uint64_t now)
{
	size_t taken = 0;

	while (taken < len && k->conn.want == WANT_RECV) {
		char *span;
		size_t n = conn_room(&k->conn, &span);

		if (n > len - taken)
			n = len - taken;
		memcpy(span, bytes + taken, n);
		conn_recvd(&k->conn, n, now);
		taken += n;
	}
	return taken;
}

/* The kernel's buffers must go back at once: what cannot be used yet is copied aside. */
static void keep_for_later(struct client *k, const char *bytes, size_t len)
{
	char *early = realloc(k->early, k->early_len + len);

	if (!early) {
		conn_lost(&k->conn);
		return;
	}
	memcpy(early + k->early_len, bytes, len);
	k->early = early;
	k->early_len += (uint32_t)len;
	if (k->early_len > EARLY_LIMIT && k->receiving && !k->paused) {
		k->paused = true;
		ask_cancel(tag(OP_RECV, k->fd, k->generation));
	}
}

/* Its turn has come: first what came early, then the end, if that has come too. */
static void feed_early(struct client *k, uint64_t now)
{
	if (k->early) {
		size_t taken = feed(k, k->early, k->early_len, now);

		k->early_len -= (uint32_t)taken;
		memmove(k->early, k->early + taken, k->early_len);
		if (!k->early_len) {
			free(k->early);
			k->early = NULL;
		}
	}
	if (k->ended && !k->early && k->conn.want == WANT_RECV)
		conn_recvd(&k->conn, 0, now);
}

/* Goes on with one client as far as it goes without waiting, and asks the kernel for what comes
 * next. */
static void advance(struct client *k, uint64_t now)
{
	struct conn *c = &k->conn;

	if (k->closing) {
		hang_up(k);
		return;
	}
	/* Only a reply that does not fit the socket goes to the ring: its poll would report a
	 * half-closed client as writable. */
	while (readiness && !k->sending && c->want == WANT_SEND && try_send(k->fd, c, now))
		;
	feed_early(k, now);
	if (c->want == WANT_COMPUTE) {
		block_compute(c); /* while this one computes, everybody else waits */
		now = clock_ns();
	}
	if (c->want == WANT_SHUT) {
		try_shut(k->fd, c, now);
		feed_early(k, now);
	}
	if (c->want == WANT_SEND && !k->sending)
		ask_send(k);
	if (!k->receiving && !k->ended && k->early_len <= EARLY_LIMIT && c->want != WANT_CLOSE &&
	    (!readiness || c->want == WANT_RECV))
		ask_recv(k);
	if (timers_set(&timers, &k->timer, c->deadline) < 0)
		conn_lost(c);
	if (c->want == WANT_CLOSE)
		hang_up(k);
}

/* ---- what the kernel has done ---- */

static void give_back(unsigned buffer)
{
	io_uring_buf_ring_add(buffer_ring, buffers + (size_t)buffer * BUFFER_SIZE, BUFFER_SIZE,
			      (unsigned short)buffer, io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(buffer_ring, 1);
}

static void accepted(int result, bool more, int listener, uint64_t now)
{
	if (!more)
		accept_armed = false;
	if (result < 0) {
		if (result != -ECANCELED)
			net_accept_failed(listener, -result);
	} else if (!server_accepting()) {
		close(result);
	} else if (net_admit(result)) {
		struct client *k = calloc(1, sizeof *k);

		if (!k) {
			net_refuse(result);
		} else {
			k->fd = result;
			k->generation = ++generations & 0xffffff;
			clients[result] = k;
			conn_open(&k->conn, &shared, now);
			advance(k, now);
		}
	}
	if (!accept_armed && server_accepting())
		ask_accept(listener);
}

static void received(struct client *k, const struct io_uring_cqe *cqe, uint64_t now)
{
	if (readiness) {
		k->receiving = false;
		if (!k->closing && k->conn.want == WANT_RECV)
			try_recv(k->fd, &k->conn, now);
		return;
	}
	if (cqe->res > 0) {
		const char *bytes =
			buffers + (size_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT) * BUFFER_SIZE;
		size_t len = (size_t)cqe->res;
		size_t taken = k->early || k->closing ? 0 : feed(k, bytes, len, now);

		if (taken < len && !k->closing)
			keep_for_later(k, bytes + taken, len - taken);
	} else if (cqe->res == 0) {
		k->ended = true;
	} else if (cqe->res != -ENOBUFS && cqe->res != -ECANCELED && cqe->res != -EINTR) {
		conn_lost(&k->conn); /* ENOBUFS: every buffer was in use for a moment; it is asked
					again */
	}
	if (!(cqe->flags & IORING_CQE_F_MORE))
		k->receiving = k->paused = false;
}

static void sent(struct client *k, const struct io_uring_cqe *cqe, uint64_t now)
{
	int result = cqe->res;

	if (cqe->flags & IORING_CQE_F_MORE) { /* zero copy: sent, but the bytes are still in use */
		k->sent = result;
		return;
	}
	if (cqe->flags & IORING_CQE_F_NOTIF)
		result = k->sent;
	k->sending = false;
	if (result >= 0)
		conn_sent(&k->conn, (size_t)result,
			  now); /* maybe a part: advance() sends the rest */
	else if (result != -EAGAIN && result != -EINTR)
		conn_lost(&k->conn);
}

static void completed(const struct io_uring_cqe *cqe, int listener, uint64_t now)
{
	uint64_t data = io_uring_cqe_get_data64(cqe);
	int fd = (int)(data >> 32);
	enum op op = data & 0xff;

	if (op == OP_ACCEPT) {
		accepted(cqe->res, cqe->flags & IORING_CQE_F_MORE, listener, now);
	} else if (op != OP_CANCEL) {
		struct client *k = clients[fd];

		if (k && k->generation == (data >> 8 & 0xffffff)) {
			if (op == OP_RECV)
				received(k, cqe, now);
			else
				sent(k, cqe, now);
			advance(k, now);
		}
	}
	if (cqe->flags & IORING_CQE_F_BUFFER)
		give_back(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
}

/* ---- the loop ---- */

/* Submits what has gathered and sleeps until something is done, until `deadline`, or until a signal
 * comes. */
static void wait_done(uint64_t deadline)
{
	/* Never without a time-out: a call that submits and is then interrupted reports what it
	 * submitted, and the library would go back to sleep on it and miss the signal that told us
	 * to stop. */
	uint64_t left_ns = deadline == NEVER ? 3600 * NS_PER_SECOND : ns_until(deadline);
	struct __kernel_timespec left = {.tv_sec = (long long)(left_ns / NS_PER_SECOND),
					 .tv_nsec = (long long)(left_ns % NS_PER_SECOND)};
	struct io_uring_cqe *first;
	sigset_t mask = *stop_wait_mask();
	int result = io_uring_submit_and_wait_timeout(&ring, &first, 1, &left, &mask);

	count(SYS_ENTER, 1);
	count(WAKEUPS, 1);
	if (result < 0 && result != -ETIME && result != -EINTR && result != -EAGAIN)
		net_pause(); /* out of memory: not a reason to spin */
}

static void handle_completions(int listener, uint64_t now)
{
	struct io_uring_cqe *cqe;
	unsigned head, done = 0;

	io_uring_for_each_cqe(&ring, head, cqe)
	{
		completed(cqe, listener, now);
		done++;
	}
	io_uring_cq_advance(&ring, done);
	count(SLOTS_SCANNED, done);
}

/*
 * A few at a time, and then the ring again. One call lets the kernel do only so much of its
 * deferred work (twenty receives); were all the waits that are over answered first, input would be
 * starved meanwhile, its waits would begin and end together, and a crowd once formed would stay
 * one: server and clients would take turns idling.
 */
static void fire_timers(uint64_t now)
{
	struct timer *t;

	for (unsigned long i = 0; i < timers_a_turn && (t = timers_due(&timers, now)) != NULL;
	     i++) {
		struct client *k = container_of(t, struct client, timer);

		count(TIMERS_FIRED, 1);
		conn_timer(&k->conn, now);
		advance(k, now);
	}
}

/* ---- the rings ---- */

/* Opens the ring in the best form this kernel has. Returns 0 or -errno. */
static int open_ring(struct io_uring *r)
{
	static const unsigned forms[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, /* Linux 6.1 */
		IORING_SETUP_COOP_TASKRUN, /* 5.19 */
		0,
	};
	int result = -EINVAL;

	for (size_t i = plain_ring || sqpoll ? 2 : 0;
	     i < sizeof forms / sizeof *forms && result == -EINVAL; i++) {
		struct io_uring_params params = {
			.flags = forms[i] | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL |
				 (sqpoll ? IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF : 0),
			.cq_entries = COMPLETIONS,
			/* The polling thread belongs to the server: its core is the server's. */
			.sq_thread_cpu = (unsigned)sched_getcpu(),
		};

		result = io_uring_queue_init_params(SUBMISSIONS, r, &params);
	}
	return result;
}

/* The buffers that multishot recv takes from, touched now so that later none of them is a page
 * fault. */
static int open_buffers(struct io_uring *r)
{
	struct io_uring_buf_reg reg = {.ring_entries = BUFFERS, .bgid = BUFFER_GROUP};
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;

	buffer_ring = mmap(NULL, BUFFERS * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
			   flags, -1, 0);
	buffers = mmap(NULL, (size_t)BUFFERS * BUFFER_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (buffer_ring == MAP_FAILED || buffers == MAP_FAILED)
		return -errno;
	reg.ring_addr = (uintptr_t)buffer_ring;
	io_uring_buf_ring_init(buffer_ring);
	for (unsigned i = 0; i < BUFFERS; i++)
		give_back(i);
	return io_uring_register_buf_ring(r, &reg, 0);
}

static const char *unable(void)
{
	static char reason[160];
	struct io_uring trial;
	int result = open_ring(&trial);

	if (result == 0) {
		result = open_buffers(&trial);
		io_uring_queue_exit(&trial);
		if (result == 0)
			return NULL;
	}
	snprintf(reason, sizeof reason, "%s; %s", strerror(-result),
		 result == -EPERM
			 ? "it is forbidden here (sysctl kernel.io_uring_disabled, seccomp)"
		 : result == -ENOSYS ? "the kernel was built without it"
		 : result == -ENOMEM ? "raise ulimit -l"
				     : "it needs Linux 6.0 or later");
	return reason;
}

static void run(int listener)
{
	int result = open_ring(&ring);

	clients = calloc(net_descriptors(), sizeof *clients);
	if (result == 0)
		result = open_buffers(&ring);
	if (result < 0 || !clients)
		die(EXIT_FAILED, "cannot open a ring: %s", strerror(result < 0 ? -result : ENOMEM));
	ask_accept(listener);
	while (server_running()) {
		wait_done(server_wake_time(timers_next(&timers)));
		uint64_t now = clock_ns();

		handle_completions(listener, now);
		fire_timers(now);
		if (accept_armed && !server_accepting())
			ask_cancel(tag(OP_ACCEPT, listener, 0));
	}
	io_uring_queue_exit(&ring);
}

int main(int argc, char **argv)
{
	static const struct model model = {.name = MODEL,
					   .run = run,
					   .event_loop = true,
					   .unable = unable,
					   .options = options};

	return server_main(argc, argv, &model);
}
