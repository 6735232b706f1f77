/*
 * limits.h - the limits on threads and mappings that this machine sets a process, and how much of
 * each is used: what thread_wall names its wall by.
 *
 * Included by thread_wall.c only. Reads /proc and /sys/fs/cgroup; changes nothing.
 */
#ifndef SIX_LIMITS_H
#define SIX_LIMITS_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { RESERVED_PIDS = 300 }; /* pids below are given out only once (kernel/pid.c) */

/* ---- what /proc says ---------------------------------------------------------------------------
 */

/* Reads a small file whole, as a string. False: there is none. */
static bool slurp(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return false;
	size_t n = fread(text, 1, size - 1, file);

	text[n] = '\0';
	fclose(file);
	return true;
}

/* The number after "KEY:" at the beginning of a line, in whatever unit the file gives; 0 without.
 */
static uint64_t value_of(const char *text, const char *key, int base)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ':')
			return strtoull(line + len + 1, NULL, base);
	}
	return 0;
}

/* The number a file begins with; `otherwise` if it has none ("max"). */
static uint64_t number_in(const char *path, uint64_t otherwise)
{
	char text[64], *end;

	if (!slurp(path, text, sizeof text))
		return otherwise;
	uint64_t value = strtoull(text, &end, 10);

	return end == text ? otherwise : value;
}

/* Threads on the whole machine: "0.00 0.00 0.00 RUNNING/ALL LAST_PID" (proc(5)). */
static uint64_t tasks_here(void)
{
	char text[128];
	unsigned long all = 0;

	if (!slurp("/proc/loadavg", text, sizeof text) ||
	    sscanf(text, "%*f %*f %*f %*u/%lu", &all) != 1)
		return 0;
	return all;
}

static uint64_t own_mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	uint64_t lines = 0;
	int c;

	if (!file)
		return 0;
	while ((c = getc_unlocked(file)) != EOF)
		lines += c == '\n';
	fclose(file);
	return lines;
}

/* ---- the limits that may stand behind a refusal -----------------------------------------------
 */

enum kind { OF_TASKS, OF_MAPPINGS };

struct limit {
	const char *name;
	enum kind kind;
	uint64_t allowed, used;
};

static struct limit limits[16];
static size_t limit_count;

static void note(const char *name, enum kind kind, uint64_t allowed, uint64_t used)
{
	limits[limit_count++] = (struct limit){name, kind, allowed, used};
}

/* Whether RLIMIT_NPROC does not count for us: setrlimit(2). */
static bool above_nproc(void)
{
	char text[8192];

	if (getuid() == 0 || !slurp("/proc/self/status", text, sizeof text))
		return true;
	return value_of(text, "CapEff", 16) & (1 << 21 | 1 << 24); /* SYS_ADMIN, SYS_RESOURCE */
}

/* Threads of all processes of our user. */
static uint64_t tasks_of_user(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	uint64_t tasks = 0;

	while (proc && (entry = readdir(proc))) {
		char path[300], text[8192];

		snprintf(path, sizeof path, "/proc/%s/status", entry->d_name);
		if (*entry->d_name >= '1' && *entry->d_name <= '9' &&
		    slurp(path, text, sizeof text) && value_of(text, "Uid", 10) == getuid())
			tasks += value_of(text, "Threads", 10);
	}
	if (proc)
		closedir(proc);
	return tasks;
}

/* pids.max of our control group and of all above it (cgroup v2, and v1's pids hierarchy). */
static void note_cgroups(void)
{
	char text[4096], *save = NULL;

	if (!slurp("/proc/self/cgroup", text, sizeof text))
		return;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *controllers = strchr(line, ':'), *path;
		const char *root;

		if (!controllers || !(path = strchr(controllers + 1, ':')))
			continue;
		*path++ = '\0';
		if (strcmp(controllers + 1, "pids") == 0)
			root = "/sys/fs/cgroup/pids";
		else if (controllers[1] == '\0')
			root = "/sys/fs/cgroup";
		else
			continue;
		for (char *end = path + strlen(path); end >= path && limit_count < 8; end--) {
			char name[PATH_MAX];

			if (*end != '/' && *end != '\0')
				continue;
			*end = '\0';
			snprintf(name, sizeof name, "%s%s/pids.max", root, path);
			uint64_t allowed = number_in(name, 0);

			snprintf(name, sizeof name, "%s%s/pids.current", root, path);
			if (allowed)
				note("the control group's pids.max", OF_TASKS, allowed,
				     number_in(name, 0));
		}
	}
}

/* Notes the limits on tasks anew. Quick: it is done while nobody on this machine can start a
 * process.
 */
static void read_task_limits(void)
{
	uint64_t tasks = tasks_here(), pids = number_in("/proc/sys/kernel/pid_max", 32768);
	struct rlimit nproc;

	limit_count = 0;
	note("kernel.pid_max", OF_TASKS, pids - (pids > RESERVED_PIDS ? RESERVED_PIDS : 0), tasks);
	note("kernel.threads-max", OF_TASKS, number_in("/proc/sys/kernel/threads-max", UINT64_MAX),
	     tasks);
	if (getrlimit(RLIMIT_NPROC, &nproc) == 0 && nproc.rlim_cur != RLIM_INFINITY &&
	    !above_nproc())
		note("RLIMIT_NPROC (ulimit -u)", OF_TASKS, nproc.rlim_cur, tasks_of_user());
	note_cgroups();
}

/* Adds those on mappings, which takes longer: there may be 65,530 to count. `virtual_kb`: the
 * address space that this process has. */
static void read_mapping_limits(uint64_t virtual_kb)
{
	struct rlimit space;
	char text[8192];

	note("vm.max_map_count", OF_MAPPINGS, number_in("/proc/sys/vm/max_map_count", 65530),
	     own_mappings());
	if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
		note("RLIMIT_AS (ulimit -v), KiB", OF_MAPPINGS, space.rlim_cur >> 10, virtual_kb);
	if (number_in("/proc/sys/vm/overcommit_memory", 0) == 2 &&
	    slurp("/proc/meminfo", text, sizeof text))
		note("CommitLimit (vm.overcommit_memory = 2), KiB", OF_MAPPINGS,
		     value_of(text, "CommitLimit", 10), value_of(text, "Committed_AS", 10));
}

/* The limit of that kind of which the largest part is used. */
static const struct limit *nearest(enum kind kind)
{
	const struct limit *best = NULL;

	for (size_t i = 0; i < limit_count; i++) {
		struct limit *l = &limits[i];

		if (l->kind == kind &&
		    (!best || (double)l->used / (double)l->allowed >
				      (double)best->used / (double)best->allowed))
			best = l;
	}
	return best;
}

#endif
