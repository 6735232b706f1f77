/*
 * window.c - the edges of the measured window, and the arithmetic behind Little's law.
 *
 * Called through tick() when the clock reaches an edge. What counts is when an answer had been
 * read: before the begin it is warm-up, from the end on the request was still in flight.
 *
 * Little's law says L = X * W: the mean number in flight is the throughput times the mean time
 * in flight. It holds for any system over a long time; over a window it holds exactly if lives are
 * cut at the window's edges. Both sides are kept here, by different means:
 *
 *   L * T  is the number in flight integrated over the window (window_level): it knows
 *          nothing of single requests' times.
 *   X*W*T  is the sum of the lives recorded in the histogram (answered and timed out, and those
 *          in flight at the end with their age), plus the lives of requests that failed otherwise,
 *          less the parts of lives that lie before the window (carried_ns).
 *
 * So the quotient is 1 up to the histogram's resolution on a run of any length, also when a
 * server leaves most clients without an answer: each of those is in flight all the time and
 * its age is in the sum. It is off when a request is lost, counted twice, stamped wrongly or
 * dropped for being slow, which is what a load generator gets wrong.
 */
#include <stddef.h>

#include "client.h"

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == -1)
		return 0;
	return (uint64_t)ts.tv_sec * NS_PER_SECOND + (uint64_t)ts.tv_nsec;
}

bool window_in_flight(const struct worker *w, const struct client *c)
{
	if (c->silent)
		return false;
	return c->state >= CLIENT_SENDING || (c->state == CLIENT_CONNECTING && w->options->close);
}

void window_level(struct worker *w, int change)
{
	w->busy_ns += (double)w->in_flight * (double)(w->now - w->level_since);
	w->level_since = w->now;
	w->in_flight += (uint64_t)(int64_t)change;
}

static void window_begin(struct worker *w)
{
	w->measuring = true;
	w->busy_ns = 0;
	w->level_since = w->begin_ns;
	w->cpu_begin_ns = cpu_ns();
	w->boundary = w->end_ns;
	/* What is in flight now was so at begin_ns: every change since would have come by here. */
	for (uint32_t i = w->silent; i < w->count; i++) {
		struct client *c = &w->clients[i];

		c->answered = 0;
		if (window_in_flight(w, c))
			w->result->carried_ns += (double)(w->begin_ns - c->start_ns);
	}
}

/* What is still in flight has taken at least its age. To leave it out would be to forget the
 * slowest requests of all. */
static void count_unfinished(struct worker *w)
{
	struct result *r = w->result;

	for (uint32_t i = w->silent; i < w->count; i++) {
		const struct client *c = &w->clients[i];

		if (!window_in_flight(w, c))
			continue;
		r->in_flight_at_end++;
		histogram_record(&r->latency, w->end_ns - c->start_ns);
		if (w->open_loop)
			histogram_record(&r->intended, w->end_ns - c->intended_ns);
	}
	/* Due, but no connection was free: users who stood in the queue outside. */
	while (w->open_loop && w->schedule.next_ns < w->end_ns) {
		r->unsent_at_end++;
		histogram_record(&r->intended, w->end_ns - w->schedule.next_ns);
		schedule_advance(&w->schedule);
	}
}

/* A connection is open if it is connected, or just being made again after the server closed
 * the last one in good order. */
static bool is_open(const struct worker *w, const struct client *c)
{
	if (w->options->close && !c->silent)
		return c->served || c->ever_answered || c->state >= CLIENT_READY;
	return c->state >= CLIENT_READY ||
	       (c->state == CLIENT_CONNECTING && c->failures == 0 && c->ever_answered);
}

static void count_connections(struct worker *w)
{
	struct result *r = w->result;

	r->least_answered = UINT64_MAX;
	for (uint32_t i = 0; i < w->count; i++) {
		const struct client *c = &w->clients[i];

		if (c->silent) {
			r->idle_open += is_open(w, c);
			r->idle_answered += c->ever_answered;
			continue;
		}
		r->open += is_open(w, c);
		r->never_answered += !c->ever_answered;
		r->answered_squared += (double)c->answered * c->answered;
		if (c->answered < r->least_answered)
			r->least_answered = c->answered;
		if (c->answered > r->most_answered)
			r->most_answered = c->answered;
	}
}

void window_end(struct worker *w, uint64_t end_ns)
{
	struct result *r = w->result;

	if (w->over)
		return;
	/* An early end (a signal, or -n reached elsewhere) is decided by another process: this one
	 * may have counted something a moment after it, and that stays inside. */
	w->end_ns = end_ns > w->level_since ? end_ns : w->level_since;
	w->over = true;
	w->boundary = NEVER;
	if (w->measuring) {
		r->cpu_ns = cpu_ns() - w->cpu_begin_ns;
		r->window_ns = w->end_ns - w->begin_ns;
		w->now = w->end_ns;
		window_level(w, 0);
		r->busy_ns = w->busy_ns;
		count_unfinished(w);
	}
	w->measuring = false;
	count_connections(w);
}

void window_cross(struct worker *w)
{
	if (!w->measuring && !w->over)
		window_begin(w);
	if (w->measuring && w->now >= w->end_ns)
		window_end(w, w->end_ns);
}
