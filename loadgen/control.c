/*
 * control.c - the parent of the workers; the contract is in control.h.
 */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "live.h"
#include "outcome.h"

enum { SPARE_DESCRIPTORS = 32, FEW_THREADS = 100 };

#define GIVE_UP_NS (5 * NS_PER_SECOND)

struct control {
	const struct options *options;
	struct run *run;
	struct outcome *out;
	struct live live;
	size_t run_size;
	sigset_t old_signals;
	int signal_fd;
	unsigned running; /* workers that were forked and not waited for */
	bool worker_died;
	pid_t pids[MAX_WORKERS];
};

/* As many processes as -t asks for, or as the descriptor limit makes necessary. 0: impossible. */
static unsigned count_workers(const struct options *o)
{
	struct rlimit limit;
	uint64_t all = o->connections + o->idle;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		(void)getrlimit(RLIMIT_NOFILE, &limit); /* then with what there is */
	uint64_t each = limit.rlim_cur > SPARE_DESCRIPTORS ? limit.rlim_cur - SPARE_DESCRIPTORS : 0;

	if (each == 0 || (all + each - 1) / each > MAX_WORKERS) {
		fprintf(stderr,
			"loadgen: RLIMIT_NOFILE allows %llu descriptors, so %d processes cannot "
			"hold %llu connections: raise it (ulimit -n) or ask for fewer\n",
			(unsigned long long)limit.rlim_cur, MAX_WORKERS, (unsigned long long)all);
		return 0;
	}
	unsigned needed = (unsigned)((all + each - 1) / each);

	return needed > o->threads ? needed : o->threads;
}

static int pin(const struct options *o)
{
	cpu_set_t set;

	if (o->cpu == -1)
		return 0;
	CPU_ZERO(&set);
	CPU_SET((unsigned)o->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) == 0)
		return 0;
	fprintf(stderr, "loadgen: cannot run on core %d: %s\n", o->cpu, strerror(errno));
	return -1;
}

static int make_shared(struct control *c, unsigned workers)
{
	c->run_size = sizeof(struct run) + workers * sizeof(struct result);
	c->run = mmap(NULL, c->run_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->run == MAP_FAILED) {
		fprintf(stderr, "loadgen: mmap: %s\n", strerror(errno));
		return -1;
	}
	c->run->workers = workers;
	atomic_store(&c->run->tickets, (int64_t)c->options->requests);
	atomic_store(&c->run->end_ns, NEVER);
	c->run->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->run->go_fd = eventfd(0, EFD_CLOEXEC);
	c->run->release_fd = eventfd(0, EFD_CLOEXEC);
	sigset_t wanted;

	sigemptyset(&wanted);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGCHLD);
	/* Blocked, so that they arrive as something to read; the workers inherit that, and so a
	 * Ctrl-C, which goes to all of them, is the parent's to handle. */
	sigprocmask(SIG_BLOCK, &wanted, &c->old_signals);
	c->signal_fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	if (c->run->wake_fd == -1 || c->run->go_fd == -1 || c->run->release_fd == -1 ||
	    c->signal_fd == -1) {
		fprintf(stderr, "loadgen: eventfd: %s\n", strerror(errno));
		return -1;
	}
	return 0;
}

static int fork_workers(struct control *c, const struct target *t)
{
	pid_t parent = getpid();

	fflush(NULL);
	for (unsigned i = 0; i < c->run->workers; i++) {
		pid_t pid = fork();

		if (pid == -1) {
			fprintf(stderr, "loadgen: fork: %s\n", strerror(errno));
			return -1;
		}
		if (pid == 0) {
			/* Even a parent that is killed leaves no one behind. */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				_exit(EXIT_RUN_TIME);
			_exit(worker_run(c->run, i, c->options, t));
		}
		c->pids[c->running++] = pid;
	}
	return 0;
}

static void signal_workers(int fd)
{
	if (eventfd_write(fd, 1) == -1)
		abort(); /* cannot fail: the count never comes near 2^64 */
}

/* Ends the window now and notes the reason. */
static void stop_early(struct control *c, bool *why)
{
	if (*why)
		return;
	uint64_t now = clock_ns();

	/* A signal after the window only cuts the wait for the last answers. */
	*why = now < atomic_load(&c->run->end_ns);
	if (*why)
		atomic_store(&c->run->end_ns, now);
	atomic_store(&c->run->stop, true);
	signal_workers(c->run->go_fd);
}

static void read_signals(struct control *c)
{
	struct signalfd_siginfo info;
	int status;

	while (read(c->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			stop_early(c, &c->out->interrupted);
	for (unsigned i = 0; i < c->run->workers; i++) {
		if (c->pids[i] <= 0 || waitpid(c->pids[i], &status, WNOHANG) != c->pids[i])
			continue;
		c->pids[i] = 0;
		c->running--;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			c->worker_died = true;
	}
}

/* Sleeps until a worker reports, a signal comes or the clock reads until_ns. */
static void doze(struct control *c, uint64_t until_ns)
{
	struct pollfd fds[] = {{.fd = c->run->wake_fd, .events = POLLIN},
			       {.fd = c->signal_fd, .events = POLLIN}};
	uint64_t now = clock_ns();
	struct timespec timeout = timespec_of(until_ns > now ? until_ns - now : 0);
	eventfd_t ignored;

	if (ppoll(fds, 2, until_ns == NEVER ? NULL : &timeout, NULL) <= 0)
		return;
	if (fds[0].revents != 0)
		(void)eventfd_read(c->run->wake_fd, &ignored); /* EAGAIN: somebody was quicker */
	if (fds[1].revents != 0)
		read_signals(c);
}

static bool all_ready(const struct control *c)
{
	return atomic_load(&c->run->ready) == c->run->workers;
}

static bool all_done(const struct control *c)
{
	return atomic_load(&c->run->done) == c->run->workers;
}

/* Until everything is open, or as open as it will be. */
static int await_ready(struct control *c, const struct target *t)
{
	uint64_t open = 0;

	while (!all_ready(c) && !c->worker_died && !c->out->interrupted)
		doze(c, NEVER);
	if (c->out->interrupted) {
		fprintf(stderr, "loadgen: interrupted before the measurement began\n");
		return -1;
	}
	if (c->worker_died) {
		fprintf(stderr, "loadgen: a worker process ended unexpectedly\n");
		return -1;
	}
	for (unsigned i = 0; i < c->run->workers; i++) {
		const struct result *r = &c->run->results[i];

		open += atomic_load(&r->ready_open);
		for (int k = ERROR_TIMEOUT; k < ERROR_KINDS; k++)
			open += r->early_errors[k]; /* it does answer, if unkindly */
	}
	if (open == 0 && !c->options->close) {
		fprintf(stderr,
			"loadgen: cannot reach http://%s: none of %llu connections could be "
			"opened\n",
			t->authority, (unsigned long long)c->options->connections);
		return -1;
	}
	return 0;
}

static void sample(struct control *c, struct proc_sample *s, bool with_memory)
{
	if (c->out->has_server && proc_sample_take(s, c->options->server_pid, with_memory) == -1)
		c->out->has_server = false;
}

/*
 * The window begins, after a warm-up. Of a few threads everything is read again. Of many only the
 * CPU time is: to read the counters of ten thousand threads takes a tenth of a second on the
 * generator's core, and the load would be another.
 */
static void sample_again(struct control *c, struct proc_sample *s)
{
	pid_t root = c->options->server_pid;

	if (!c->out->has_server)
		return;
	if (s->threads <= FEW_THREADS && proc_threads(root) <= FEW_THREADS) {
		proc_sample_free(s);
		sample(c, s, false);
	} else if (proc_sample_cpu(s, root) == -1) {
		c->out->has_server = false;
	}
}

/* From the first request to the end of the window. */
static void measure(struct control *c)
{
	const struct options *o = c->options;
	struct run *run = c->run;

	sample(c, &c->out->begin, false);
	uint64_t start_ns = clock_ns(), begin_ns = start_ns + o->warmup_ns;
	uint64_t end_ns = o->duration_ns == NEVER ? NEVER : begin_ns + o->duration_ns;

	atomic_store(&run->begin_ns, begin_ns);
	atomic_store(&run->end_ns, end_ns);
	atomic_store(&run->start_ns, start_ns);
	signal_workers(run->go_fd);
	while (o->warmup_ns != 0 && clock_ns() < begin_ns && !c->out->interrupted &&
	       !c->worker_died)
		doze(c, begin_ns);
	if (c->out->interrupted || c->worker_died)
		return;
	c->out->measured = true;
	if (o->warmup_ns != 0)
		sample_again(c, &c->out->begin);
	live_begin(&c->live, run, begin_ns, o->live);
	while (!all_done(c) && !c->worker_died && clock_ns() < end_ns && !c->out->interrupted &&
	       !c->out->gave_up) {
		uint64_t next_ns = live_next(&c->live);

		doze(c, next_ns < end_ns ? next_ns : end_ns);
		if (clock_ns() >= next_ns)
			live_tick(&c->live, clock_ns());
		/* With -n alone the end is not a matter of time: a server that is gone must not
		 * make it an endless one. */
		if (end_ns == NEVER &&
		    clock_ns() > c->live.progress_ns + o->timeout_ns + GIVE_UP_NS)
			stop_early(c, &c->out->gave_up);
	}
	sample(c, &c->out->end, true);
	while (!all_done(c) && !c->worker_died)
		doze(c, NEVER);
	live_end(&c->live, atomic_load(&run->end_ns));
}

/* Lets the workers close their connections and go, or ends them. */
static void dismiss(struct control *c, bool kindly)
{
	if (kindly)
		signal_workers(c->run->release_fd);
	for (unsigned i = 0; i < c->run->workers; i++) {
		int status;

		if (c->pids[i] <= 0)
			continue;
		if (!kindly)
			kill(c->pids[i], SIGKILL);
		while (waitpid(c->pids[i], &status, 0) == -1 && errno == EINTR)
			;
		if (kindly && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
			c->worker_died = true;
		c->pids[i] = 0;
	}
}

static int run_workers(struct control *c, const struct target *t)
{
	if (fork_workers(c, t) == -1 || await_ready(c, t) == -1)
		return -1;
	measure(c);
	if (!c->worker_died && !c->out->measured) {
		fprintf(stderr, "loadgen: interrupted before the measurement began\n");
		return -1;
	}
	if (!c->worker_died)
		dismiss(c, true);
	if (c->worker_died) {
		fprintf(stderr, "loadgen: a worker process ended unexpectedly\n");
		return -1;
	}
	return 0;
}

int control_run(const struct options *o, const struct target *t, struct outcome *out)
{
	struct control c = {.options = o, .out = out, .signal_fd = -1};
	unsigned workers = count_workers(o);

	*out = (struct outcome){.options = o, .target = t, .workers = workers};
	if (workers == 0 || pin(o) == -1 || make_shared(&c, workers) == -1)
		return EXIT_RUN_TIME;
	out->has_server = o->server_pid != 0;
	sample(&c, &out->before, true);
	if (o->server_pid != 0 && !out->has_server) {
		fprintf(stderr,
			"loadgen: cannot read /proc/%d: is that the server's pid, and may "
			"you see it?\n",
			(int)o->server_pid);
		return EXIT_RUN_TIME;
	}
	int failed = run_workers(&c, t);

	if (failed == -1) {
		dismiss(&c, false);
		munmap(c.run, c.run_size);
		return EXIT_RUN_TIME;
	}
	outcome_merge(out, c.run);
	out->intervals = c.live.intervals;
	out->interval_count = c.live.count;
	munmap(c.run, c.run_size);
	close(c.signal_fd);
	sigprocmask(SIG_SETMASK, &c.old_signals, NULL);
	return 0;
}
