/*
 * thread_wall.c - how many threads one process may have, what they cost, and what stops them.
 *
 * Run by experiments/thread_wall, and by hand. It starts threads with default attributes that do
 * nothing but sleep (on a futex), up to --max or to the first refusal, and writes down memory at
 * steps on the way. A refusal has many possible causes behind one error number (EAGAIN); so every
 * limit that can be read is compared with what is used of it, at the moment of the refusal.
 *
 * The wall is of the whole machine: while it is held nobody else can start a process either.
 * So it is held only for the reading of a few counters (held_ms says for how long), then a thousand
 * threads are let go at once. It runs in a child process, which ends with all of its threads.
 * Always holds: it stops before memory runs out (MEMORY_LEFT), and the OOM killer, should it
 * come, takes the child first.
 *
 * Lines of JSON on stdout: "sample" each step, one "wall" at the end. Exit 0, 1 failed, 2 bad
 * usage.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "thread_wall"
#include "limits.h"
#include "micro.h"

#define MEMORY_LEFT (UINT64_C(768) << 10) /* KiB; with less available no thread is started */

enum {
	GROUP = 512, /* threads behind one gate: what is let go at once */
	MOST = 4 << 20 /* threads: more than any pid_max */
};

/* ---- memory -------------------------------------------------------------------------------- */

struct memory { /* KiB */
	uint64_t virtual, resident, page_tables; /* of this process */
	uint64_t kernel_stacks, slab, available; /* of the whole machine */
};

static struct memory memory_now(void)
{
	char text[8192];
	struct memory m = {0};

	if (slurp("/proc/self/status", text, sizeof text)) {
		m.virtual = value_of(text, "VmSize", 10);
		m.resident = value_of(text, "VmRSS", 10);
		m.page_tables = value_of(text, "VmPTE", 10);
	}
	if (slurp("/proc/meminfo", text, sizeof text)) {
		m.kernel_stacks = value_of(text, "KernelStack", 10);
		m.slab = value_of(text, "SUnreclaim", 10);
		m.available = value_of(text, "MemAvailable", 10);
	}
	return m;
}

/* Whether there is still room for a thread's stack: mapped and made accessible as glibc does it. */
static bool can_map(size_t stack_bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *stack = mmap(NULL, stack_bytes + page, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

	if (stack == MAP_FAILED)
		return false;
	bool made = mprotect(stack + page, stack_bytes, PROT_READ | PROT_WRITE) == 0;

	munmap(stack, stack_bytes + page);
	return made;
}

/* ---- threads that wait behind gates ------------------------------------------------------------
 */

static _Atomic uint32_t *gates; /* 0 closed; GROUP threads behind each */

static long futex(_Atomic uint32_t *word, int operation, uint32_t value)
{
	return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void *wait_at_gate(void *gate)
{
	while (atomic_load(&gates[(uintptr_t)gate]) == 0)
		(void)futex(&gates[(uintptr_t)gate], FUTEX_WAIT, 0); /* EAGAIN, EINTR: look again */
	return NULL;
}

static void open_gate(uint64_t gate)
{
	atomic_store(&gates[gate], 1);
	(void)futex(&gates[gate], FUTEX_WAKE, INT_MAX);
}

/* ---- the run ------------------------------------------------------------------------------------
 */

static uint64_t most_wanted = MOST;
static struct memory first;
static size_t stack_bytes, guard_bytes;
static const uint64_t steps[] = {0,	100,   200,   500,   1000,  2000,   5000,   10000,
				 15000, 20000, 25000, 30000, 50000, 100000, 200000, 500000};

static void print_memory(const char *line, uint64_t threads, const struct memory *m)
{
	printf("{\"line\":\"%s\",\"threads\":%lu,\"virtual_kb\":%lu,\"resident_kb\":%lu,"
	       "\"page_tables_kb\":%lu,\"kernel_stacks_kb\":%ld,\"slab_kb\":%ld,"
	       "\"available_fell_kb\":%ld,\"stack_kb\":%zu,\"guard_kb\":%zu",
	       line, threads, m->virtual, m->resident, m->page_tables,
	       (long)(m->kernel_stacks - first.kernel_stacks), (long)(m->slab - first.slab),
	       (long)(first.available - m->available), stack_bytes >> 10, guard_bytes >> 10);
}

/* Where the wall must be if each limit is what it says, and which one comes first. Printed before
 * the first thread is started. */
static void print_foreseen(void)
{
	const struct limit *soonest = NULL;
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < limit_count; i++) {
		const struct limit *l = &limits[i];
		uint64_t left = l->allowed > l->used ? l->allowed - l->used : 0;

		if (l->kind == OF_MAPPINGS) /* a stack and its guard: two mappings */
			left = strcmp(l->name, "vm.max_map_count") == 0
				       ? left / 2
				       : left / ((stack_bytes + guard_bytes) >> 10);
		if (left < least) {
			least = left;
			soonest = l;
		}
	}
	printf("{\"line\":\"foreseen\",\"threads\":%lu,\"wall\":\"%s\"}\n", least, soonest->name);
}

static void print_limits(void)
{
	printf(",\"limits\":\"");
	for (size_t i = 0; i < limit_count; i++)
		printf("%s%s %lu of %lu", i ? "; " : "", limits[i].name, limits[i].used,
		       limits[i].allowed);
	printf("\"");
}

/* The error number behind pthread_create's EAGAIN: of starting a task that copies nothing; 0 if
 * that works. */
static __attribute__((noinline)) int why_no_task(void)
{
	pid_t child = vfork();

	if (child == 0)
		_exit(0);
	if (child < 0)
		return errno;
	waitpid(child, NULL, 0); /* fails only if it was never there */
	return 0;
}

/* The refusal's cause, and how it was found. Reads counters only, so that it takes little time. */
static void name_wall(const struct memory *m, const char **wall, const char **how)
{
	bool room = can_map(stack_bytes);
	int error = why_no_task();

	read_task_limits();
	if (!room) /* then a task could be started, and nobody else is kept waiting */
		read_mapping_limits(m->virtual);
	const struct limit *l = nearest(room ? OF_TASKS : OF_MAPPINGS);

	if (m->available < MEMORY_LEFT || (room && error == ENOMEM)) {
		*wall = "memory";
		*how = "no memory for the kernel's part of a thread";
	} else if (l && l->used >= l->allowed - l->allowed / 50) {
		*wall = l->name;
		*how = room ? "another stack can be mapped but no task started; of the limits on "
			      "tasks this one is used up"
			    : "no further stack can be mapped; of the limits on mappings this one "
			      "is used up";
	} else {
		*wall = "unknown";
		*how = room ? "a limit on tasks that cannot be read from here (a container's?)"
			    : "a limit on mappings that cannot be read from here";
	}
}

static void hit(uint64_t threads, double since_us)
{
	struct memory m = memory_now();
	const char *wall, *how;
	uint64_t gate = (threads - 1) / GROUP;

	name_wall(&m, &wall, &how);
	for (unsigned i = 0; i < 2 && gate >= i; i++)
		open_gate(gate - i);
	double held_us = clock_us() - since_us;

	if (nearest(OF_MAPPINGS) == NULL) /* not needed to tell, but to be compared with */
		read_mapping_limits(m.virtual);
	print_memory("wall", threads, &m);
	printf(",\"refused\":true,\"wall\":\"%s\",\"how\":\"%s\",\"held_ms\":%.1f", wall, how,
	       held_us / 1e3);
	print_limits();
	printf("}\n");
}

static void stop_short(uint64_t threads, const char *why)
{
	struct memory m = memory_now();

	print_memory("wall", threads, &m);
	printf(",\"refused\":false,\"wall\":\"\",\"how\":\"%s\"}\n", why);
}

/* Starts one thread after another; ends with a line "wall". Returns the exit status. */
static void fill(void)
{
	double begun_us = clock_us();
	size_t step = 0;

	for (uint64_t threads = 0;; threads++) {
		pthread_t id;
		struct memory m;

		if (step < sizeof steps / sizeof *steps && threads == steps[step]) {
			m = memory_now();
			print_memory("sample", threads, &m);
			printf(",\"elapsed_us\":%.0f}\n", clock_us() - begun_us);
			fflush(stdout);
			step++;
		}
		if (threads == most_wanted) {
			stop_short(threads, "as many as were asked for");
			return;
		}
		if (threads % 1024 == 0 && memory_now().available < MEMORY_LEFT) {
			stop_short(threads, "stopped before memory ran out");
			return;
		}
		int error = pthread_create(&id, NULL, wait_at_gate, (void *)(threads / GROUP));

		if (error == EAGAIN && threads > 0) {
			hit(threads, clock_us());
			return;
		}
		if (error)
			fail(STATUS_FAILED, "pthread_create: %s", strerror(error));
	}
}

static _Noreturn void run_in_child(pid_t parent)
{
	pthread_attr_t attributes;
	FILE *score = fopen("/proc/self/oom_score_adj", "we");

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* cannot fail with a valid signal */
	if (getppid() != parent)
		_exit(1);
	if (score) {
		fputs("1000", score);
		fclose(score);
	}
	if (pthread_attr_init(&attributes) ||
	    pthread_attr_getstacksize(&attributes, &stack_bytes) ||
	    pthread_attr_getguardsize(&attributes, &guard_bytes))
		fail(STATUS_FAILED, "cannot read the default attributes of a thread");
	gates = mmap(NULL, (MOST / GROUP + 1) * sizeof *gates, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (gates == MAP_FAILED)
		fail(STATUS_FAILED, "out of memory");
	first = memory_now();
	read_task_limits();
	read_mapping_limits(first.virtual);
	print_foreseen();
	fill();
	_exit(fflush(stdout) != 0); /* and with it, at once, all threads */
}

/* ---- options ------------------------------------------------------------------------------------
 */

static const char usage[] =
	"usage: thread_wall [--max N]\n"
	"\n"
	"Starts threads that sleep, up to N or to the first refusal, and says what they cost in "
	"memory\n"
	"and which limit refused. At the refusal nobody on this machine can start a process, for\n"
	"some milliseconds.\n"
	"\n"
	"  --max N   stop there (at the wall)\n"
	"  --help\n";

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"max", required_argument, NULL, 'm'}, {"help", no_argument, NULL, 'h'}, {0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h')
			exit(fputs(usage, stdout) < 0);
		if (option != 'm')
			exit(STATUS_USAGE);
		most_wanted = (uint64_t)number("--max", optarg, 1, MOST);
	}
	if (optind < argc)
		fail(STATUS_USAGE, "'%s' is not an option (try --help)", argv[optind]);
}

int main(int argc, char **argv)
{
	int status;

	parse(argc, argv);
	pid_t parent = getpid(), child = fork();

	if (child < 0)
		fail(STATUS_FAILED, "fork: %s", strerror(errno));
	if (child == 0)
		run_in_child(parent);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			fail(STATUS_FAILED, "waitpid: %s", strerror(errno));
	if (WIFSIGNALED(status))
		fail(STATUS_FAILED, "ended by signal %d%s", WTERMSIG(status),
		     WTERMSIG(status) == SIGKILL ? " (out of memory?)" : "");
	return WEXITSTATUS(status);
}
