/*
 * procfs.c - reading /proc of a process and its descendants; the contract is in procfs.h.
 */
#include "procfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

/* Reads a small file of /proc whole, as a string. Returns its length, or -1. */
static ssize_t slurp(int dir_fd, const char *path, char *text, size_t size)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n = 0;

	if (fd == -1)
		return -1;
	while (have < size - 1 && (n = read(fd, text + have, size - 1 - have)) > 0)
		have += (size_t)n;
	close(fd);
	text[have] = '\0';
	return n == -1 ? -1 : (ssize_t)have;
}

/* The number after "\nKey:", in whatever unit the file gives (kB); 0 if there is none. */
static uint64_t value_of(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ':')
			return strtoull(line + len + 1, NULL, 10);
	}
	return 0;
}

/* The fields of /proc/PID/stat that matter (proc(5)). */
struct stat_line {
	pid_t parent;
	uint64_t utime, stime, cutime, cstime; /* clock ticks */
};

static int read_stat(pid_t pid, struct stat_line *s)
{
	char path[64], text[1024];
	long long ppid, utime, stime, cutime, cstime;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (slurp(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return -1;
	/* The name, in parentheses, may itself contain anything: the last ')' ends it. */
	const char *at = strrchr(text, ')');

	if (at == NULL ||
	    sscanf(at + 1, " %*c %lld %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld %lld %lld",
		   &ppid, &utime, &stime, &cutime, &cstime) != 5)
		return -1;
	*s = (struct stat_line){.parent = (pid_t)ppid,
				.utime = (uint64_t)utime,
				.stime = (uint64_t)stime,
				.cutime = (uint64_t)cutime,
				.cstime = (uint64_t)cstime};
	return 0;
}

/* A list of processes that grows. */
struct pids {
	pid_t *pid, *parent;
	size_t count, capacity;
};

static int add_pid(struct pids *l, pid_t pid, pid_t parent)
{
	if (l->count == l->capacity) {
		size_t capacity = l->capacity == 0 ? 256 : 2 * l->capacity;
		pid_t *pids = realloc(l->pid, capacity * sizeof(*pids));

		if (pids != NULL)
			l->pid = pids;
		pid_t *parents = realloc(l->parent, capacity * sizeof(*parents));

		if (parents != NULL)
			l->parent = parents;
		if (pids == NULL || parents == NULL)
			return -1;
		l->capacity = capacity;
	}
	l->pid[l->count] = pid;
	l->parent[l->count++] = parent;
	return 0;
}

static void free_pids(struct pids *l)
{
	free(l->pid);
	free(l->parent);
}

/* All processes of the machine. */
static int list_all(struct pids *all)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	struct stat_line s;

	if (proc == NULL)
		return -1;
	while ((entry = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)atoi(entry->d_name);

		if (!isdigit((unsigned char)entry->d_name[0]) || read_stat(pid, &s) == -1)
			continue; /* not a process, or gone meanwhile */
		if (add_pid(all, pid, s.parent) == -1)
			break;
	}
	closedir(proc);
	return 0;
}

/* The root and all its descendants: found generation by generation. (/proc/PID/task/TID/children
 * would have to be read for each of ten thousand threads.) */
static int list_family(struct pids *family, pid_t root)
{
	struct pids all = {0};

	if (list_all(&all) == -1 || add_pid(family, root, 0) == -1) {
		free_pids(&all);
		return -1;
	}
	for (size_t i = 0; i < family->count; i++)
		for (size_t k = 0; k < all.count; k++)
			if (all.parent[k] == family->pid[i] &&
			    add_pid(family, all.pid[k], family->pid[i]) == -1)
				break;
	free_pids(&all);
	return 0;
}

static int read_cpu(struct proc_sample *s, const struct pids *family)
{
	uint64_t tick_ns = NS_PER_SECOND / (uint64_t)sysconf(_SC_CLK_TCK);
	struct stat_line line;
	struct timespec ts;
	clockid_t clock;

	s->cpu_ns = s->user_ns = s->sys_ns = 0;
	s->at_ns = clock_ns();
	for (size_t i = 0; i < family->count; i++) {
		if (clock_getcpuclockid(family->pid[i], &clock) != 0 ||
		    clock_gettime(clock, &ts) == -1 || read_stat(family->pid[i], &line) == -1) {
			if (i == 0)
				return -1; /* the root itself is gone */
			continue;
		}
		uint64_t dead = (line.cutime + line.cstime) * tick_ns;

		s->cpu_ns += (uint64_t)ts.tv_sec * NS_PER_SECOND + (uint64_t)ts.tv_nsec + dead;
		s->user_ns += (line.utime + line.cutime) * tick_ns;
		s->sys_ns += (line.stime + line.cstime) * tick_ns;
	}
	return 0;
}

static int by_tid(const void *a, const void *b)
{
	pid_t x = ((const struct thread_switches *)a)->tid;
	pid_t y = ((const struct thread_switches *)b)->tid;

	return (x > y) - (x < y);
}

/* Of all threads of one process. */
static int read_switches(struct proc_sample *s, pid_t pid, size_t *capacity)
{
	char path[300], text[4096];
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *tasks = opendir(path);

	if (tasks == NULL)
		return 0;
	while ((entry = readdir(tasks)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "%s/status", entry->d_name);
		if (slurp(dirfd(tasks), path, text, sizeof(text)) <= 0)
			continue;
		if (s->switch_count == *capacity) {
			size_t more = *capacity == 0 ? 64 : 2 * *capacity;
			void *grown = realloc(s->switches, more * sizeof(*s->switches));

			if (grown == NULL)
				break;
			s->switches = grown;
			*capacity = more;
		}
		s->switches[s->switch_count++] = (struct thread_switches){
			.tid = (pid_t)atoi(entry->d_name),
			.voluntary = value_of(text, "voluntary_ctxt_switches"),
			.involuntary = value_of(text, "nonvoluntary_ctxt_switches")};
	}
	closedir(tasks);
	return 0;
}

static void read_sizes(struct proc_sample *s, pid_t pid, bool with_memory)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (slurp(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return;
	s->processes++;
	s->threads += value_of(text, "Threads");
	s->vsz_kb += value_of(text, "VmSize");
	s->page_tables_kb += value_of(text, "VmPTE");
	if (!with_memory)
		return;
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	if (slurp(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return;
	s->rss_kb += value_of(text, "Rss");
	s->pss_kb += value_of(text, "Pss");
}

int proc_sample_take(struct proc_sample *s, pid_t root, bool with_memory)
{
	struct pids family = {0};
	size_t capacity = 0;

	*s = (struct proc_sample){0};
	if (list_family(&family, root) == -1 || read_cpu(s, &family) == -1) {
		free_pids(&family);
		return -1;
	}
	for (size_t i = 0; i < family.count; i++)
		read_switches(s, family.pid[i], &capacity);
	s->switches_at_ns = clock_ns();
	for (size_t i = 0; i < family.count; i++)
		read_sizes(s, family.pid[i], with_memory);
	qsort(s->switches, s->switch_count, sizeof(*s->switches), by_tid);
	free_pids(&family);
	return 0;
}

int proc_sample_cpu(struct proc_sample *s, pid_t root)
{
	struct pids family = {0};
	int result = list_family(&family, root);

	if (result == 0)
		result = read_cpu(s, &family);
	free_pids(&family);
	return result;
}

uint64_t proc_threads(pid_t root)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)root);
	return slurp(AT_FDCWD, path, text, sizeof(text)) > 0 ? value_of(text, "Threads") : 0;
}

void proc_sample_free(struct proc_sample *s)
{
	free(s->switches);
	s->switches = NULL;
	s->switch_count = 0;
}

struct proc_switches proc_switches_between(const struct proc_sample *a, const struct proc_sample *b)
{
	struct proc_switches between = {0};
	size_t i = 0;

	for (size_t k = 0; k < b->switch_count; k++) {
		const struct thread_switches *now = &b->switches[k];
		uint64_t voluntary = 0, involuntary = 0; /* of a new thread: all are within */

		while (i < a->switch_count && a->switches[i].tid < now->tid) {
			i++;
			between.threads_gone++;
		}
		if (i < a->switch_count && a->switches[i].tid == now->tid) {
			voluntary = a->switches[i].voluntary;
			involuntary = a->switches[i++].involuntary;
		} else {
			between.threads_new++;
		}
		between.voluntary += now->voluntary - voluntary;
		between.involuntary += now->involuntary - involuntary;
	}
	between.threads_gone += a->switch_count - i;
	if (a->switches_at_ns < a->at_ns && a->at_ns < b->at_ns) {
		double part =
			(double)(b->at_ns - a->at_ns) / (double)(b->at_ns - a->switches_at_ns);

		between.voluntary = (uint64_t)(part * (double)between.voluntary);
		between.involuntary = (uint64_t)(part * (double)between.involuntary);
	}
	return between;
}

unsigned proc_kernel_stack_kb(void)
{
	char text[8192];
	unsigned long long tasks = 0;

	if (slurp(AT_FDCWD, "/proc/loadavg", text, sizeof(text)) <= 0 ||
	    sscanf(text, "%*f %*f %*f %*u/%llu", &tasks) != 1 || tasks == 0 ||
	    slurp(AT_FDCWD, "/proc/meminfo", text, sizeof(text)) <= 0)
		return 16;
	double measured = (double)value_of(text, "KernelStack") / (double)tasks;

	for (unsigned kb = 4; kb <= 64; kb *= 2)
		if (measured > kb * 0.71 && measured <= kb * 1.42)
			return kb;
	return 16;
}

unsigned proc_capacity(pid_t root, uint64_t threads)
{
	cpu_set_t set;
	unsigned cores = 1;

	if (sched_getaffinity(root, sizeof(set), &set) == 0)
		cores = (unsigned)CPU_COUNT(&set);
	if (threads != 0 && cores > threads)
		cores = (unsigned)threads;
	return cores == 0 ? 1 : cores;
}
