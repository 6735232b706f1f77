/*
 * verdict.c - the rules of validity; the contract is in verdict.h.
 */
#include "verdict.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A worker that ran, or wanted to run, for so much of the window may have let answers wait unread.
 */
#define BUSY_GENERATOR 0.95
/* A server this busy was at its limit itself. */
#define BUSY_SERVER 0.90
#define LITTLE_MISS 0.02
/* Lag that matters: over 1 ms, and over a tenth of the p99 that it is part of. */
#define LAG_NS	  1e6
#define LAG_SHARE 0.1
/* Of the asked rate: below it was not kept. */
#define RATE_KEPT 0.98

struct lines {
	char *text;
	size_t size, len;
	const char *between;
};

__attribute__((format(printf, 2, 3))) static void add(struct lines *l, const char *format, ...)
{
	va_list args;
	int n = snprintf(l->text + l->len, l->size - l->len, "%s", l->len == 0 ? "" : l->between);

	l->len += n > 0 ? (size_t)n : 0;
	if (l->len >= l->size)
		l->len = l->size - 1;
	va_start(args, format);
	n = vsnprintf(l->text + l->len, l->size - l->len, format, args);
	va_end(args);
	l->len += n > 0 ? (size_t)n : 0;
	if (l->len >= l->size)
		l->len = l->size - 1;
}

static double sent_rate(const struct outcome *out)
{
	return (double)out->sum.begun / out->duration_s;
}

static bool server_at_limit(const struct outcome *out)
{
	return out->has_server && outcome_server_share(out) >= BUSY_SERVER * out->server_capacity;
}

/*
 * In a closed loop the generator is the limit when it has no time left and the server has. When
 * both have none, the server's figure is its own: it could not have answered more. Without
 * --server-pid nobody knows, and the doubt counts against the run.
 */
static void judge_closed(const struct outcome *out, struct lines *l)
{
	double little = outcome_little(out);

	if (out->busiest_share >= BUSY_GENERATOR && !server_at_limit(out))
		add(l, "the generator was saturated (%.0f %% of a core, %.0f %% waiting for it)%s",
		    100 * out->busiest_cpu_share,
		    100 * (out->busiest_share - out->busiest_cpu_share),
		    out->has_server ? " and the server was not"
				    : "; --server-pid would show whether the server was, too");
	if (little != 0 && fabs(little - 1) > LITTLE_MISS)
		add(l, "Little's law is missed: C/(X*W) is %.3f", little);
}

/* In an open loop the timetable is the yardstick: was it kept whenever a connection was free? */
static void judge_open(const struct outcome *out, struct lines *l)
{
	double lag_ns = (double)histogram_quantile(&out->sum.lag, 0.99);
	double p99_ns = (double)histogram_quantile(&out->sum.intended, 0.99);

	if (lag_ns > LAG_NS && lag_ns > LAG_SHARE * p99_ns)
		add(l, "the generator kept its timetable only to %.1f ms (p99)", lag_ns / 1e6);
	if (out->options->requests == 0 && sent_rate(out) < RATE_KEPT * out->options->rate_rps &&
	    out->busiest_share >= BUSY_GENERATOR && !server_at_limit(out))
		add(l, "the generator was saturated (%.0f %% of a core) and sent %.0f of %.0f/s",
		    100 * out->busiest_cpu_share, sent_rate(out), out->options->rate_rps);
}

void verdict_write(const struct outcome *out, char *text, size_t size)
{
	const struct options *o = out->options;
	const struct result *r = &out->sum;
	char reasons[1024] = "";
	struct lines l = {.text = reasons, .size = sizeof(reasons), .between = "; "};

	if (out->interrupted)
		add(&l, "interrupted after %.1f s", out->duration_s);
	if (out->gave_up)
		add(&l, "given up after %.1f s: nothing was answered any more", out->duration_s);
	if (r->open < o->connections)
		add(&l, "%llu of %llu connections were open", (unsigned long long)r->open,
		    (unsigned long long)o->connections);
	if (r->idle_open < o->idle)
		add(&l, "%llu of %llu idle connections were open", (unsigned long long)r->idle_open,
		    (unsigned long long)o->idle);
	if (o->rate_rps != 0)
		judge_open(out, &l);
	else
		judge_closed(out, &l);
	if (out->unbalanced != 0 || r->answered > r->all_answered)
		add(&l, "the generator's own counts disagree (please report this)");
	snprintf(text, size, "%s%s", l.len == 0 ? "valid" : "invalid: ", reasons);
}

void verdict_notes(const struct outcome *out, char *text, size_t size)
{
	const struct options *o = out->options;
	const struct result *r = &out->sum;
	struct lines l = {.text = text, .size = size, .between = "\n"};

	text[0] = '\0';
	if (r->never_answered != 0)
		add(&l, "%llu of %llu connections never got one complete answer.",
		    (unsigned long long)r->never_answered, (unsigned long long)o->connections);
	if (o->rate_rps != 0 && o->requests == 0 && r->unsent_at_end != 0 &&
	    sent_rate(out) < RATE_KEPT * o->rate_rps)
		add(&l,
		    "All connections were busy: %.0f of %.0f requests/s could be sent, and %llu "
		    "were "
		    "due and unsent at the end. At this mean latency the rate needs about %.0f "
		    "connections (Little's law: rate times latency).",
		    sent_rate(out), o->rate_rps, (unsigned long long)r->unsent_at_end,
		    ceil(o->rate_rps * histogram_mean(&r->latency) / 1e9));
	if (out->has_server && out->switches.threads_gone + out->switches.threads_new != 0)
		add(&l, "Threads came or went within the window and took their context switches "
			"along: that figure is too low.");
	for (int i = 0; i < ERROR_KINDS; i++)
		if (r->early_errors[i] != 0) {
			add(&l, "There were errors before the measured window (early_errors).");
			break;
		}
}
