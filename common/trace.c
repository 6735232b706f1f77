/*
 * trace.c - the request log behind the timeline chart. See trace.h.
 */
#include "trace.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct trace {
	unsigned long conn;
	uint64_t accepted_ns, parsed_ns, waited_ns;
	char path[64];
};

static FILE *file; /* NULL: off. Line-buffered: lines of threads and workers stay whole */
static uint64_t start_ns;
static atomic_ulong conns;

int trace_start(const char *file_name, uint64_t now)
{
	file = fopen(file_name, "we");
	if (!file)
		return -1;
	start_ns = now;
	setvbuf(file, NULL, _IOLBF, BUFSIZ); /* a buffer that cannot be had only makes it slower */
	fprintf(file,
		"# start_monotonic_us: %lu\n"
		"conn\ttid\taccepted_us\tparsed_us\twaited_us\tanswered_us\tstatus\tpath\n",
		now / 1000);
	return ferror(file) ? -1 : 0;
}

struct trace *trace_open(uint64_t now)
{
	if (!file)
		return NULL;
	struct trace *t = calloc(1, sizeof *t);

	if (!t)
		return NULL; /* this connection goes untraced; it is served all the same */
	t->conn = ++conns;
	t->accepted_ns = now;
	return t;
}

void trace_close(struct trace *t)
{
	free(t);
}

void trace_note_begun(struct trace *t, uint64_t now)
{
	if (t->accepted_ns == 0)
		t->accepted_ns = now;
}

void trace_note_parsed(struct trace *t, struct http_text path, uint64_t now)
{
	size_t n = path.len < sizeof t->path - 1 ? path.len : sizeof t->path - 1;

	if (n)
		memcpy(t->path, path.at, n);
	t->path[n] = '\0';
	t->parsed_ns = t->waited_ns = now;
}

void trace_note_waited(struct trace *t, uint64_t now)
{
	t->waited_ns = now;
}

static double since_start_us(uint64_t ns)
{
	return (double)(ns - start_ns) / 1000.0;
}

void trace_note_answered(struct trace *t, int status, uint64_t now)
{
	fprintf(file, "%lu\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t%s\n", t->conn, (int)gettid(),
		since_start_us(t->accepted_ns), since_start_us(t->parsed_ns),
		since_start_us(t->waited_ns), since_start_us(now), status, t->path);
	t->accepted_ns = 0;
}
