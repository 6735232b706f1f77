/*
 * thread_cost.c - what it costs to start a thread or a process, to switch between two threads, and
 * what memory a process takes that was just forked.
 *
 * Run by experiments/thread_wall, and by hand. One line of JSON on stdout. Exit 0, 1 failed, 2 bad
 * usage.
 *
 *   start   starts --count threads (or processes) that end at once, then waits for them all, as
 *           the usual demonstration does; and the same one after another
 *   switch  two threads hand a token to and fro: each hand-over puts one to sleep and wakes the
 *           other. The kernel counts the switches that took (ru_nvcsw, ru_nivcsw): one each
 *   fork    forks --count children that only pause, from a parent that has --ballast MiB of its own
 *           memory in use, and reads what they take from /proc
 */
#include <getopt.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "thread_cost"
#include "micro.h"

static unsigned long count = 100, ballast_mib;
static bool processes, pipes;
static double seconds = 0.2;
static long cpu = -1;

static void *allocate(size_t n, size_t size)
{
	void *memory = calloc(n, size);

	if (!memory)
		fail(STATUS_FAILED, "out of memory");
	return memory;
}

/* ---- start --------------------------------------------------------------------------------------
 */

union task {
	pthread_t thread;
	pid_t process;
};

static void *nothing(void *unused)
{
	return unused;
}

static void start(union task *task)
{
	int error = 0;

	if (!processes) {
		error = pthread_create(&task->thread, NULL, nothing, NULL);
	} else {
		task->process = fork();
		if (task->process == 0)
			_exit(0);
		error = task->process < 0 ? errno : 0;
	}
	if (error)
		fail(STATUS_FAILED, "cannot start a %s: %s", processes ? "process" : "thread",
		     strerror(error));
}

static void await(union task *task)
{
	if (processes ? waitpid(task->process, NULL, 0) < 0 : pthread_join(task->thread, NULL) != 0)
		fail(STATUS_FAILED, "cannot wait for a %s", processes ? "process" : "thread");
}

static void measure_start(void)
{
	union task *tasks = allocate(count, sizeof *tasks);

	start(&tasks[0]); /* the first pays for loading code */
	await(&tasks[0]);
	double t0 = clock_us();

	for (unsigned long i = 0; i < count; i++)
		start(&tasks[i]);
	double t1 = clock_us();

	for (unsigned long i = 0; i < count; i++)
		await(&tasks[i]);
	double t2 = clock_us();

	for (unsigned long i = 0; i < count; i++) {
		start(&tasks[0]);
		await(&tasks[0]);
	}
	double t3 = clock_us(), n = (double)count;

	printf("{\"kind\":\"%s\",\"count\":%lu,\"all_us\":%.1f,\"launch_us\":%.3f,"
	       "\"together_us\":%.3f,\"single_us\":%.3f}\n",
	       processes ? "process" : "thread", count, t2 - t0, (t1 - t0) / n, (t2 - t0) / n,
	       (t3 - t2) / n);
	free(tasks);
}

/* ---- switch -------------------------------------------------------------------------------------
 */

static _Atomic uint32_t turn; /* futex: whose turn it is */
static int to_there[2], to_here[2]; /* pipe */
static _Atomic bool over;

static void futex(int operation, uint32_t value)
{
	/* EAGAIN: it has changed already; EINTR: the caller looks again. Both are no failures. */
	(void)syscall(SYS_futex, &turn, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void hand_over(bool there)
{
	char token = 't';

	if (pipes) {
		if (write(there ? to_there[1] : to_here[1], &token, 1) != 1)
			fail(STATUS_FAILED, "write to a pipe: %s", strerror(errno));
	} else {
		atomic_store(&turn, there);
		futex(FUTEX_WAKE, 1);
	}
}

static void take(bool there)
{
	char token;

	if (pipes) {
		if (read(there ? to_there[0] : to_here[0], &token, 1) != 1)
			fail(STATUS_FAILED, "read from a pipe: %s", strerror(errno));
		return;
	}
	while (atomic_load(&turn) != there)
		futex(FUTEX_WAIT, !there);
}

static void *partner(void *unused)
{
	for (;;) {
		take(true);
		if (atomic_load(&over))
			return unused;
		hand_over(false);
	}
}

static uint64_t play(double limit_us)
{
	double begun_us = clock_us();
	uint64_t rounds = 0;

	while (rounds % 64 || clock_us() - begun_us < limit_us) {
		hand_over(true);
		take(false);
		rounds++;
	}
	return rounds;
}

static double us_of(struct timeval t)
{
	return (double)t.tv_sec * 1e6 + (double)t.tv_usec;
}

static void measure_switch(void)
{
	struct rusage before, after;
	pthread_t thread;

	if (pipe(to_there) < 0 || pipe(to_here) < 0 ||
	    pthread_create(&thread, NULL, partner, NULL) != 0)
		fail(STATUS_FAILED, "cannot start: %s", strerror(errno));
	play(seconds * 1e5);
	getrusage(RUSAGE_SELF, &before); /* cannot fail with these arguments */
	double begun_us = clock_us();
	uint64_t rounds = play(seconds * 9e5);
	double took_us = clock_us() - begun_us, hand_overs = 2 * (double)rounds;

	getrusage(RUSAGE_SELF, &after);
	double cpu_us = us_of(after.ru_utime) - us_of(before.ru_utime) + us_of(after.ru_stime) -
			us_of(before.ru_stime);

	atomic_store(&over, true);
	hand_over(true);
	pthread_join(thread, NULL);
	printf("{\"how\":\"%s\",\"pinned\":%s,\"rounds\":%lu,\"switch_us\":%.4f,"
	       "\"cpu_us\":%.4f,\"switches_per_hand_over\":%.4f}\n",
	       pipes ? "pipe" : "futex", cpu >= 0 ? "true" : "false", rounds, took_us / hand_overs,
	       cpu_us / hand_overs,
	       (double)(after.ru_nvcsw - before.ru_nvcsw + after.ru_nivcsw - before.ru_nivcsw) /
		       hand_overs);
}

/* ---- fork ---------------------------------------------------------------------------------------
 */

struct taken { /* KiB */
	double resident, shared_out, own, page_tables;
};

/* The number after "KEY:" in the file; adds to what there is. */
static void add_kb(pid_t pid, const char *file, const char *key, double *sum)
{
	char path[64], line[256];
	unsigned long kb;
	size_t len = strlen(key);

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	FILE *from = fopen(path, "re");

	if (!from)
		fail(STATUS_FAILED, "cannot read %s: %s", path, strerror(errno));
	while (fgets(line, sizeof line, from))
		if (strncmp(line, key, len) == 0 && sscanf(line + len, ": %lu", &kb) == 1)
			*sum += (double)kb;
	fclose(from);
}

static void measure_fork(void)
{
	pid_t *children = allocate(count, sizeof *children), parent = getpid();
	size_t size = ballast_mib << 20;
	char *ballast = size ? malloc(size) : NULL;
	struct taken sum = {0};

	if (size && !ballast)
		fail(STATUS_FAILED, "no %lu MiB of memory", ballast_mib);
	if (size)
		memset(ballast, 1, size);
	fflush(stdout);
	for (unsigned long i = 0; i < count; i++) {
		children[i] = fork();
		if (children[i] < 0)
			fail(STATUS_FAILED, "fork: %s", strerror(errno));
		if (children[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			while (getppid() == parent)
				pause();
			_exit(0);
		}
	}
	usleep(20000); /* until they have all come to rest */
	for (unsigned long i = 0; i < count; i++) {
		add_kb(children[i], "smaps_rollup", "Rss", &sum.resident);
		add_kb(children[i], "smaps_rollup", "Pss", &sum.shared_out);
		add_kb(children[i], "smaps_rollup", "Private_Clean", &sum.own);
		add_kb(children[i], "smaps_rollup", "Private_Dirty", &sum.own);
		add_kb(children[i], "status", "VmPTE", &sum.page_tables);
	}
	for (unsigned long i = 0; i < count; i++) {
		kill(children[i], SIGKILL); /* ours, and not yet waited for: it is there */
		waitpid(children[i], NULL, 0);
	}
	double n = (double)count;

	printf("{\"count\":%lu,\"ballast_mib\":%lu,\"resident_kb\":%.1f,\"pss_kb\":%.1f,"
	       "\"private_kb\":%.1f,\"page_tables_kb\":%.1f}\n",
	       count, ballast_mib, sum.resident / n, sum.shared_out / n, sum.own / n,
	       sum.page_tables / n);
	free(ballast);
	free(children);
}

/* ---- options ------------------------------------------------------------------------------------
 */

static const char usage[] =
	"usage: thread_cost start|switch|fork [options]\n"
	"\n"
	"  start    --count N threads (--processes: processes): us each, together and one by one\n"
	"  switch   two threads take turns for --seconds S, by futex (--pipes: by pipe)\n"
	"  fork     --count N children of a parent that uses --ballast MIB of memory: KiB each\n"
	"\n"
	"  --cpu N  pin to a core\n"
	"  --help\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {{"count", required_argument, NULL, 'n'},
						{"ballast", required_argument, NULL, 'b'},
						{"seconds", required_argument, NULL, 's'},
						{"cpu", required_argument, NULL, 'c'},
						{"processes", no_argument, NULL, 'p'},
						{"pipes", no_argument, NULL, 'i'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'n')
			count = (unsigned long)number("--count", optarg, 1, 1e6);
		else if (option == 'b')
			ballast_mib = (unsigned long)number("--ballast", optarg, 0, 4096);
		else if (option == 's')
			seconds = number("--seconds", optarg, 0.001, 3600);
		else if (option == 'c')
			cpu = (long)number("--cpu", optarg, 0, CPU_SETSIZE - 1);
		else if (option == 'p')
			processes = true;
		else if (option == 'i')
			pipes = true;
		else if (option == 'h')
			exit(fputs(usage, stdout) < 0);
		else
			exit(STATUS_USAGE);
	}
	if (optind + 1 != argc)
		fail(STATUS_USAGE, "say what: start, switch or fork (try --help)");
	if (cpu >= 0)
		pin(cpu);
	if (strcmp(argv[optind], "start") == 0)
		measure_start();
	else if (strcmp(argv[optind], "switch") == 0)
		measure_switch();
	else if (strcmp(argv[optind], "fork") == 0)
		measure_fork();
	else
		fail(STATUS_USAGE, "'%s': say start, switch or fork (try --help)", argv[optind]);
	if (fflush(stdout) != 0)
		fail(STATUS_FAILED, "cannot write: %s", strerror(errno));
	return 0;
}
