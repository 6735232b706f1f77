/*
 * stats.c - the counters' memory, and /stats as JSON. See stats.h.
 */
#include "stats.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "app.h"

static struct stats private_block;
struct stats *stats = &private_block;
bool stats_shared = true;

static struct stats *blocks = &private_block;
static unsigned block_count = 1;
static const char *model = "none";

static const char *const syscall_names[SYS_KINDS] = {
	[SYS_ACCEPT] = "accept",   [SYS_RECV] = "recv",
	[SYS_SEND] = "send",	   [SYS_WAIT] = "wait",
	[SYS_WATCH] = "epoll_ctl", [SYS_ENTER] = "io_uring_enter",
	[SYS_SLEEP] = "nanosleep", [SYS_SHUTDOWN] = "shutdown",
	[SYS_CLOSE] = "close",	   [SYS_SETSOCKOPT] = "setsockopt",
	[SYS_CLONE] = "clone",
};

int stats_create(const char *model_name, unsigned workers)
{
	void *shared = mmap(NULL, workers * sizeof *blocks, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return -1;
	blocks = shared;
	block_count = workers;
	model = model_name;
	stats = blocks;
	return 0;
}

void stats_use(unsigned worker)
{
	stats = &blocks[worker];
	uint64_t written_off = counted(CONNS_ACCEPTED) - counted(CONNS_CLOSED);

	count(CONNS_CLOSED, written_off);
}

static uint64_t total(enum counter which)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < block_count; i++)
		sum += atomic_load_explicit(&blocks[i].counters[which], memory_order_relaxed);
	return sum;
}

static uint64_t total_requests(unsigned status_index)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < block_count; i++)
		sum += atomic_load_explicit(&blocks[i].requests[status_index],
					    memory_order_relaxed);
	return sum;
}

static size_t put_requests(char *buf, size_t size)
{
	uint64_t by_status[STATS_STATUSES], sum = 0;
	size_t n = 0;

	for (unsigned i = 0; i < STATS_STATUSES; i++)
		sum += by_status[i] = total_requests(i);
	n += (size_t)snprintf(buf + n, size - n, "{\"total\":%lu", sum);
	for (unsigned i = 0; i < STATS_STATUSES && app_status_at(i) != 0; i++)
		n += (size_t)snprintf(buf + n, size - n, ",\"%d\":%lu", app_status_at(i),
				      by_status[i]);
	n += (size_t)snprintf(buf + n, size - n, "}");
	return n;
}

size_t stats_json(char *buf, size_t size)
{
	uint64_t closed = total(CONNS_CLOSED), accepted = total(CONNS_ACCEPTED);
	size_t n = 0;

	n += (size_t)snprintf(buf + n, size - n,
			      "{\"model\":\"%s\",\"pid\":%d,\"workers\":%u,\"connections\":"
			      "{\"open\":%lu,\"accepted\":%lu,\"refused\":%lu},\"requests\":",
			      model, (int)getpid(), block_count, accepted - closed, accepted,
			      total(CONNS_REFUSED));
	n += put_requests(buf + n, size - n);
	n += (size_t)snprintf(buf + n, size - n, ",\"syscalls\":{");
	for (unsigned i = 0; i < SYS_KINDS; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s\"%s\":%lu", i ? "," : "",
				      syscall_names[i], total(i));
	n += (size_t)snprintf(buf + n, size - n,
			      "},\"wakeups\":%lu,\"slots_scanned\":%lu,\"timers_fired\":%lu}\n",
			      total(WAKEUPS), total(SLOTS_SCANNED), total(TIMERS_FIRED));
	return n;
}
