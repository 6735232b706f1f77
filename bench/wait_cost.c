/*
 * wait_cost.c - what one wait costs: select, poll, epoll or io_uring on N descriptors.
 *
 * Run by experiments/wait_cost, and by hand. An operation makes A of the N descriptors ready
 * (eventfds, chosen at random, other ones each time), waits until all A were found, and drains
 * them. That is M. Kerrisk's measurement (The Linux Programming Interface, table 63-9), with
 * eventfds for his pipes, since they need one descriptor each and not two. What making ready and
 * draining cost without any wait is measured first, in the same process.
 *
 * Always holds: every descriptor that is reported ready is drained, and was ready: otherwise the
 * program fails. One line of JSON on stdout; exit 0, 1 failed, 2 bad usage, 77 no io_uring here.
 *
 * select beyond 1,024: FD_SETSIZE is a limit of the C library's fd_set and its macros. The kernel
 * takes bitmaps of any length (select(2), "BUGS"), so those here are our own.
 *
 * A long file for one reason: the four mechanisms stand one below the other, to be compared.
 */
#include <errno.h>
#include <getopt.h>
#include <liburing.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>

#define PROGRAM "wait_cost"
#include "micro.h"

enum {
	SPARE = 16, /* descriptors beside the N: standard ones, epoll's or the ring's */
	EVENTS = 512, /* how many epoll may report at once */
	WORD_BITS = sizeof(unsigned long) * CHAR_BIT
};

static const char *mechanism_name;
static unsigned long descriptors = 100, active = 1, operations_asked;
static double seconds = 1.0;
static long cpu = -1;

static int *fds; /* the N */
static uint32_t *deck; /* their indexes; the first A are those made ready next */
static uint64_t slots_scanned, waits, rearmed;

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		fail(STATUS_FAILED, "out of memory");
	return memory;
}

/* ---- making ready and draining ----------------------------------------------------------------
 */

static uint64_t next_random(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15; /* xorshift64 (Marsaglia 2003); the same each run */

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

/* Shuffles A random indexes to the front of the deck and makes these descriptors ready. */
static void make_ready(void)
{
	const uint64_t one = 1;

	for (uint32_t i = 0; i < active; i++) {
		uint32_t j = i + (uint32_t)(next_random() % (descriptors - i)), chosen = deck[j];

		deck[j] = deck[i];
		deck[i] = chosen;
		if (write(fds[chosen], &one, sizeof one) != sizeof one)
			fail(STATUS_FAILED, "cannot make a descriptor ready: %s", strerror(errno));
	}
}

/* The wait said that this one is ready: it must be. */
static void drain(uint32_t index)
{
	uint64_t value;

	if (read(fds[index], &value, sizeof value) != sizeof value || value != 1)
		fail(STATUS_FAILED, "descriptor %u was reported ready and was not", index);
}

/* ---- the mechanisms: prepare() once, wait_once() returns how many it found and drained ---------
 */

static unsigned no_wait(void)
{
	for (uint32_t i = 0; i < active; i++)
		drain(deck[i]);
	return (unsigned)active;
}

/* select: a bit a descriptor, by number. */
static unsigned long *watched, *answered;
static uint32_t *index_of; /* by number */
static int highest;
static size_t set_size;

static void prepare_select(void)
{
	for (uint32_t i = 0; i < descriptors; i++)
		highest = fds[i] > highest ? fds[i] : highest;
	set_size = ((size_t)highest / WORD_BITS + 1) * sizeof *watched;
	watched = allocate(set_size, 1);
	answered = allocate(set_size, 1);
	index_of = allocate((size_t)highest + 1, sizeof *index_of);
	for (uint32_t i = 0; i < descriptors; i++) {
		watched[(size_t)fds[i] / WORD_BITS] |= 1UL << ((size_t)fds[i] % WORD_BITS);
		index_of[fds[i]] = i;
	}
}

static unsigned wait_select(void)
{
	unsigned found = 0;

	memcpy(answered, watched, set_size); /* they are asked and answered in the same bits */
	int ready = select(highest + 1, (fd_set *)(void *)answered, NULL, NULL, NULL);

	if (ready < 0)
		fail(STATUS_FAILED, "select: %s", strerror(errno));
	slots_scanned += (uint64_t)highest + 1;
	for (int fd = 0; ready > 0 && fd <= highest; fd++) {
		if (answered[(size_t)fd / WORD_BITS] & 1UL << ((size_t)fd % WORD_BITS)) {
			drain(index_of[fd]);
			ready--;
			found++;
		}
	}
	return found;
}

/* poll: an entry a descriptor. */
static struct pollfd *entries;

static void prepare_poll(void)
{
	entries = allocate(descriptors, sizeof *entries);
	for (uint32_t i = 0; i < descriptors; i++)
		entries[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
}

static unsigned wait_poll(void)
{
	unsigned found = 0;
	int ready = poll(entries, descriptors, -1);

	if (ready < 0)
		fail(STATUS_FAILED, "poll: %s", strerror(errno));
	slots_scanned += descriptors;
	for (uint32_t i = 0; ready > 0 && i < descriptors; i++) {
		if (entries[i].revents) {
			drain(i);
			ready--;
			found++;
		}
	}
	return found;
}

/* epoll: the kernel keeps the list, and a second one of those that are ready. */
static int epoll;

static void prepare_epoll(void)
{
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		fail(STATUS_FAILED, "epoll_create1: %s", strerror(errno));
	for (uint32_t i = 0; i < descriptors; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event) < 0)
			fail(STATUS_FAILED, "epoll_ctl: %s", strerror(errno));
	}
}

static unsigned wait_epoll(void)
{
	static struct epoll_event events[EVENTS];
	int ready = epoll_wait(epoll, events, EVENTS, -1);

	if (ready < 0)
		fail(STATUS_FAILED, "epoll_wait: %s", strerror(errno));
	slots_scanned += (uint64_t)ready;
	for (int i = 0; i < ready; i++)
		drain(events[i].data.u32);
	return (unsigned)ready;
}

/* io_uring: a multishot poll request a descriptor, which completes once each time it gets ready. */
static struct io_uring ring;

static void arm(uint32_t index)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&ring)))
		if (io_uring_submit(&ring) < 0)
			fail(STATUS_FAILED, "io_uring_submit failed");
	io_uring_prep_poll_multishot(sqe, fds[index], POLLIN);
	io_uring_sqe_set_data64(sqe, index);
}

static _Noreturn void no_io_uring(int error)
{
	const char *why = error == EPERM ? "the kernel forbids it (kernel.io_uring_disabled, or a "
					   "container's seccomp filter)"
					 : strerror(error);

	printf("{\"mechanism\":\"io_uring\",\"verdict\":\"n/a: no io_uring here: %s\"}\n", why);
	fail(STATUS_UNSUPPORTED, "no io_uring here: %s", why);
}

static void prepare_io_uring(void)
{
	/* Each of the A may complete before we look, and the ring must hold them all. */
	struct io_uring_params p = {.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER |
					     IORING_SETUP_DEFER_TASKRUN,
				    .cq_entries = (uint32_t)(active < 2048 ? 4096 : 2 * active)};
	int error = io_uring_queue_init_params(1024, &ring, &p);

	if (error == -EINVAL) { /* before Linux 6.1 */
		p = (struct io_uring_params){.flags = IORING_SETUP_CQSIZE,
					     .cq_entries = p.cq_entries};
		error = io_uring_queue_init_params(1024, &ring, &p);
	}
	if (error < 0)
		no_io_uring(-error);
	for (uint32_t i = 0; i < descriptors; i++)
		arm(i);
	if (io_uring_submit(&ring) < 0)
		fail(STATUS_FAILED, "io_uring_submit failed");
}

static unsigned wait_io_uring(void)
{
	struct io_uring_cqe *cqe;
	unsigned found = 0, head;
	int error = io_uring_submit_and_wait(&ring, 1);

	if (error < 0)
		fail(STATUS_FAILED, "io_uring_enter: %s", strerror(-error));
	io_uring_for_each_cqe(&ring, head, cqe)
	{
		uint32_t index = (uint32_t)io_uring_cqe_get_data64(cqe);

		if (cqe->res < 0)
			fail(STATUS_FAILED, "poll request: %s", strerror(-cqe->res));
		drain(index);
		if (!(cqe->flags & IORING_CQE_F_MORE)) {
			arm(index); /* goes to the kernel with the next wait */
			rearmed++;
		}
		found++;
	}
	io_uring_cq_advance(&ring, found);
	slots_scanned += found;
	return found;
}

static const struct mechanism {
	const char *name;
	void (*prepare)(void);
	unsigned (*wait_once)(void);
} mechanisms[] = {{"select", prepare_select, wait_select},
		  {"poll", prepare_poll, wait_poll},
		  {"epoll", prepare_epoll, wait_epoll},
		  {"io_uring", prepare_io_uring, wait_io_uring}};

/* ---- measuring --------------------------------------------------------------------------------
 */

struct figures {
	uint64_t operations;
	double wall_us, user_us, sys_us; /* in all */
};

static double us_of(struct timeval t)
{
	return (double)t.tv_sec * 1e6 + (double)t.tv_usec;
}

/* Repeats the operation for so many microseconds, or so many times if that is not 0. */
static struct figures measure(unsigned (*wait_once)(void), double limit_us, uint64_t most)
{
	struct rusage before, after;
	struct figures f = {0};

	getrusage(RUSAGE_SELF, &before); /* cannot fail with these arguments */
	double begun_us = clock_us();

	while ((most ? f.operations < most : true) &&
	       (f.operations % 16 || clock_us() - begun_us < limit_us)) {
		make_ready();
		for (unsigned found = 0; found < active; waits++)
			found += wait_once();
		f.operations++;
	}
	f.wall_us = clock_us() - begun_us;
	getrusage(RUSAGE_SELF, &after);
	f.user_us = us_of(after.ru_utime) - us_of(before.ru_utime);
	f.sys_us = us_of(after.ru_stime) - us_of(before.ru_stime);
	return f;
}

static void report(const struct figures *f, const struct figures *bare)
{
	double n = (double)f->operations;

	printf("{\"mechanism\":\"%s\",\"verdict\":\"valid\",\"descriptors\":%lu,\"active\":%lu,"
	       "\"operations\":%lu,\"cpu_us\":%.4f,\"user_us\":%.4f,\"sys_us\":%.4f,\"wall_us\":%."
	       "4f,"
	       "\"without_wait_us\":%.4f,\"slots\":%.3f,\"waits\":%.3f,\"rearmed\":%.3f}\n",
	       mechanism_name, descriptors, active, f->operations, (f->user_us + f->sys_us) / n,
	       f->user_us / n, f->sys_us / n, f->wall_us / n,
	       (bare->user_us + bare->sys_us) / (double)bare->operations, (double)slots_scanned / n,
	       (double)waits / n, (double)rearmed / n);
}

/* ---- options and resources --------------------------------------------------------------------
 */

static const char usage[] =
	"usage: wait_cost [options]\n"
	"\n"
	"Measures what one wait costs on N descriptors of which A are ready. A line of JSON:\n"
	"microseconds an operation (make ready, wait, find, drain), and slots scanned in it.\n"
	"\n"
	"  --mechanism NAME   select, poll, epoll or io_uring (epoll)\n"
	"  --descriptors N    how many are watched (100)\n"
	"  --active A         how many of them are made ready for each wait (1)\n"
	"  --seconds S        for how long (1)\n"
	"  --operations N     at most so many\n"
	"  --cpu N            pin to a core\n"
	"  --help\n";

static const struct mechanism *parse(int argc, char **argv)
{
	static const struct option options[] = {{"mechanism", required_argument, NULL, 'm'},
						{"descriptors", required_argument, NULL, 'n'},
						{"active", required_argument, NULL, 'a'},
						{"seconds", required_argument, NULL, 's'},
						{"operations", required_argument, NULL, 'o'},
						{"cpu", required_argument, NULL, 'c'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	int option;

	mechanism_name = "epoll";
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'm')
			mechanism_name = optarg;
		else if (option == 'n')
			descriptors = (unsigned long)number("--descriptors", optarg, 1, 1e6);
		else if (option == 'a')
			active = (unsigned long)number("--active", optarg, 1, 16384);
		else if (option == 's')
			seconds = number("--seconds", optarg, 0.001, 3600);
		else if (option == 'o')
			operations_asked = (unsigned long)number("--operations", optarg, 1, 1e12);
		else if (option == 'c')
			cpu = (long)number("--cpu", optarg, 0, CPU_SETSIZE - 1);
		else if (option == 'h')
			exit(fputs(usage, stdout) < 0);
		else
			exit(STATUS_USAGE);
	}
	if (optind < argc)
		fail(STATUS_USAGE, "'%s' is not an option (try --help)", argv[optind]);
	if (active > descriptors)
		fail(STATUS_USAGE, "--active %lu is more than --descriptors %lu", active,
		     descriptors);
	for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
		if (strcmp(mechanisms[i].name, mechanism_name) == 0)
			return &mechanisms[i];
	fail(STATUS_USAGE, "no mechanism '%s': select, poll, epoll or io_uring", mechanism_name);
}

static void open_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		fail(STATUS_FAILED, "getrlimit: %s", strerror(errno));
	if (descriptors + SPARE > limit.rlim_max)
		fail(STATUS_FAILED,
		     "%lu descriptors and %d more are over this machine's limit of %lu (ulimit "
		     "-Hn)",
		     descriptors, SPARE, (unsigned long)limit.rlim_max);
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		fail(STATUS_FAILED, "setrlimit: %s", strerror(errno));
	fds = allocate(descriptors, sizeof *fds);
	deck = allocate(descriptors, sizeof *deck);
	for (uint32_t i = 0; i < descriptors; i++) {
		deck[i] = i;
		fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (fds[i] < 0)
			fail(STATUS_FAILED, "eventfd: %s", strerror(errno));
	}
}

int main(int argc, char **argv)
{
	const struct mechanism *mechanism = parse(argc, argv);

	if (cpu >= 0)
		pin(cpu);
	open_descriptors();
	/* A tenth of the time for what no wait costs, a tenth to warm up, the rest counts. Before
	 * prepare(): once epoll or io_uring watches, each write also wakes them. */
	struct figures bare = measure(no_wait, seconds * 1e5, 0);

	mechanism->prepare();
	(void)measure(mechanism->wait_once, seconds * 1e5, operations_asked / 10 + 1);
	slots_scanned = waits = rearmed = 0;
	struct figures waited = measure(mechanism->wait_once, seconds * 8e5, operations_asked);

	report(&waited, &bare);
	if (fflush(stdout) != 0)
		fail(STATUS_FAILED, "cannot write: %s", strerror(errno));
	return 0;
}
