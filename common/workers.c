/*
 * workers.c - the supervisor. See workers.h.
 */
#include "workers.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "die.h"
#include "stats.h"

/* A worker that dies young was probably born to: the next one waits a little. */
#define YOUNG_NS (500 * NS_PER_MILLISECOND)

struct worker {
	pid_t pid; /* 0: none */
	uint64_t started_ns;
};

static sigset_t supervised; /* SIGCHLD, SIGTERM, SIGINT: taken one by one with sigtimedwait */

static void start(struct worker *all, unsigned i, int listener, void (*serve)(int))
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		/* A worker outlives no supervisor, not even one that was killed. */
		if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
			_exit(EXIT_FAILED);
		free(all);
		stats_use(i);
		serve(listener);
		exit(0);
	}
	if (pid < 0)
		fprintf(stderr, "%s: cannot start worker %u: %s; trying again\n", program_name, i,
			strerror(errno));
	all[i] = (struct worker){pid > 0 ? pid : 0, clock_ns()};
}

/* Takes note of every child that has ended. */
static void reap(struct worker *all, unsigned workers)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < workers; i++)
			if (all[i].pid == pid)
				all[i].pid = 0;
}

static unsigned alive(const struct worker *all, unsigned workers)
{
	unsigned n = 0;

	for (unsigned i = 0; i < workers; i++)
		n += all[i].pid != 0;
	return n;
}

static void stop_all(struct worker *all, unsigned workers)
{
	for (unsigned i = 0; i < workers; i++)
		if (all[i].pid)
			(void)kill(all[i].pid, SIGTERM); /* fails only if it has just ended */
}

void workers_run(unsigned workers, int listener, void (*serve)(int listener))
{
	struct worker *all = calloc(workers, sizeof *all);
	struct timespec moment = timespec_of(100 * NS_PER_MILLISECOND);
	bool stopping = false;

	sigemptyset(&supervised); /* the other two are held back already: stop.h */
	sigaddset(&supervised, SIGCHLD);
	sigaddset(&supervised, SIGTERM);
	sigaddset(&supervised, SIGINT);
	if (!all || sigprocmask(SIG_BLOCK, &supervised, NULL) < 0)
		die(EXIT_FAILED, "cannot supervise workers: %s", strerror(errno));
	for (unsigned i = 0; i < workers; i++)
		start(all, i, listener, serve);
	while (!stopping || alive(all, workers)) {
		int came = sigtimedwait(&supervised, NULL, &moment);

		reap(all, workers);
		if ((came == SIGTERM || came == SIGINT) && !stopping) {
			stopping = true;
			stop_all(all, workers);
		}
		for (unsigned i = 0; i < workers && !stopping; i++)
			if (!all[i].pid && clock_ns() - all[i].started_ns > YOUNG_NS)
				start(all, i, listener, serve);
	}
	free(all);
}
