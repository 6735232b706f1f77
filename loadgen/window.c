/*
 * window.c - the edges of the measured window, and the arithmetic behind Little's law.
 *
 * Called through tick() when the clock reaches an edge, and by client.c and reply.c when a request
 * ends near one.
 *
 * Which requests are measured? Throughput counts the answers that were read within the window. The
 * histogram holds the requests that were begun within it, each with its whole life, however it
 * ended: the ones in flight at the end are followed for up to --drain more, and what is still
 * unanswered then is recorded with the age it has reached, its life being at least that. (Recorded
 * at the window's end, the young ages of healthy requests would drag the quantiles down; left out,
 * the slowest requests of all would be missing.) A request that was begun before the window and
 * ended in it belongs to the warm-up; one that lasts from before the window to beyond its end is
 * recorded.
 *
 * Little's law says L = X * W: the mean number in flight is the rate times the mean time in
 * flight. It holds for any system over a long time; over a window it holds exactly if lives are cut
 * at the window's edges. Both sides are kept here, by different means:
 *
 *   L * T    is the number in flight integrated over the window (window_level): it knows
 *            nothing of single requests' times.
 *   X * W*T  is the sum of the lives in the histogram, corrected by edge_ns for what of them lies
 * outside the window and for the parts of other lives that lie inside, plus the lives of requests
 *            that failed (failed_ns).
 *
 * So the quotient is 1 up to the histogram's resolution on a run of any length, also when a
 * server leaves most clients without an answer: each of those is in flight all the time and
 * its age is in the sum. It is off when a request is lost, counted twice, stamped wrongly or
 * dropped for being slow, which is what a load generator gets wrong.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "client.h"

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == -1)
		return 0;
	return (uint64_t)ts.tv_sec * NS_PER_SECOND + (uint64_t)ts.tv_nsec;
}

/* How long this process has been ready to run while another one had the core: the second number of
 * schedstat. 0 where the kernel does not keep it. */
static uint64_t waited_ns(void)
{
	char text[128];
	int fd = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, text, sizeof(text) - 1);
	unsigned long long ran = 0, waited = 0;

	if (fd != -1)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return sscanf(text, "%llu %llu", &ran, &waited) == 2 ? waited : 0;
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

/* How much of a life that began at start_ns and goes on at until_ns lies in the window. */
static double inside_ns(const struct worker *w, uint64_t start_ns, uint64_t until_ns)
{
	uint64_t from = start_ns > w->begin_ns ? start_ns : w->begin_ns;

	return until_ns > from ? (double)(until_ns - from) : 0;
}

void window_odd_life(struct worker *w, const struct client *c)
{
	struct result *r = w->result;

	if (w->measuring && c->start_ns < w->begin_ns) {
		r->edge_ns += inside_ns(w, c->start_ns, w->now);
		return;
	}
	if (!w->measuring && !w->draining)
		return;
	uint64_t life_ns = w->now - c->start_ns;

	histogram_record(&r->latency, life_ns);
	if (w->open_loop)
		histogram_record(&r->intended, w->now - c->intended_ns);
	if (w->draining)
		r->edge_ns -= (double)life_ns - inside_ns(w, c->start_ns, w->end_ns);
}

void window_failed_life(struct worker *w, const struct client *c)
{
	if (w->measuring || w->draining)
		w->result->failed_ns +=
			inside_ns(w, c->start_ns, w->measuring ? w->now : w->end_ns);
}

static void window_begin(struct worker *w)
{
	w->measuring = true;
	w->busy_ns = 0;
	w->level_since = w->begin_ns;
	w->cpu_begin_ns = cpu_ns();
	w->waited_begin_ns = waited_ns();
	w->boundary = w->end_ns;
	for (uint32_t i = w->silent; i < w->count; i++)
		w->clients[i].answered = 0;
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

/* As the window ends. */
static void count_open(struct worker *w)
{
	struct result *r = w->result;

	for (uint32_t i = 0; i < w->count; i++) {
		const struct client *c = &w->clients[i];

		if (c->silent) {
			r->idle_open += is_open(w, c);
			continue;
		}
		r->open += is_open(w, c);
		r->in_flight_at_end += window_in_flight(w, c);
	}
	/* Due, but no connection was free: users who stood in the queue outside. */
	while (w->open_loop && w->schedule.next_ns < w->end_ns) {
		r->unsent_at_end++;
		histogram_record(&r->intended, w->end_ns - w->schedule.next_ns);
		schedule_advance(&w->schedule);
	}
}

/* When no more answers are waited for. */
static void count_answered(struct worker *w)
{
	struct result *r = w->result;

	r->least_answered = UINT64_MAX;
	for (uint32_t i = 0; i < w->count; i++) {
		const struct client *c = &w->clients[i];

		if (c->silent) {
			r->idle_answered += c->ever_answered;
			continue;
		}
		if (window_in_flight(w, c)) {
			r->unanswered++;
			window_odd_life(w, c);
		}
		r->never_answered += !c->ever_answered;
		r->answered_squared += (double)c->answered * c->answered;
		if (c->answered < r->least_answered)
			r->least_answered = c->answered;
		if (c->answered > r->most_answered)
			r->most_answered = c->answered;
	}
}

void window_over(struct worker *w)
{
	if (w->over)
		return;
	count_answered(w);
	w->draining = false;
	w->over = true;
	w->boundary = NEVER;
}

void window_end(struct worker *w, uint64_t end_ns)
{
	struct result *r = w->result;

	if (w->over || w->draining || !w->measuring)
		return;
	/* An early end (a signal, or -n reached elsewhere) is decided by another process: this one
	 * may have counted something a moment after it, and that stays inside. */
	w->end_ns = end_ns > w->level_since ? end_ns : w->level_since;
	w->measuring = w->plain = false;
	w->draining = true;
	r->cpu_ns = cpu_ns() - w->cpu_begin_ns;
	r->waited_ns = waited_ns() - w->waited_begin_ns;
	r->window_ns = w->end_ns - w->begin_ns;
	w->now = w->end_ns;
	window_level(w, 0);
	r->busy_ns = w->busy_ns;
	count_open(w);
	w->boundary = w->end_ns + w->options->drain_ns;
	if (w->in_flight == 0)
		window_over(w);
}

void window_cross(struct worker *w)
{
	uint64_t now = w->now;

	if (w->draining) {
		w->now = w->boundary;
		window_over(w);
		return;
	}
	if (!w->measuring)
		window_begin(w);
	if (now >= w->end_ns)
		window_end(w, w->end_ns);
	w->now = now;
}
