/*
 * outcome.c - adding up the workers' results; the contract is in outcome.h.
 */
#include "outcome.h"

#include <stdlib.h>

#include "clock.h"

static void add_counts(struct result *into, const struct result *r)
{
	into->answered += r->answered;
	into->failed += r->failed;
	into->begun += r->begun;
	for (int i = 0; i < ERROR_KINDS; i++) {
		into->errors[i] += r->errors[i];
		into->early_errors[i] += r->early_errors[i];
	}
	for (int i = 0; i < MAX_STATUS; i++)
		into->statuses[i] += r->statuses[i];
	into->bytes_received += r->bytes_received;
	into->in_flight_at_end += r->in_flight_at_end;
	into->unanswered += r->unanswered;
	into->unsent_at_end += r->unsent_at_end;
	into->busy_ns += r->busy_ns;
	into->edge_ns += r->edge_ns;
	into->failed_ns += r->failed_ns;
	into->cpu_ns += r->cpu_ns;
	into->waited_ns += r->waited_ns;
	into->all_begun += r->all_begun;
	into->all_answered += r->all_answered;
	into->all_failed += r->all_failed;
	into->connects += r->connects;
	into->closed_by_server += r->closed_by_server;
	into->open += r->open;
	into->never_answered += r->never_answered;
	into->idle_open += r->idle_open;
	into->idle_answered += r->idle_answered;
	into->answered_squared += r->answered_squared;
}

static double busy_share(const struct result *r)
{
	return (double)(r->cpu_ns + r->waited_ns) / (double)r->window_ns;
}

void outcome_merge(struct outcome *out, const struct run *run)
{
	struct result *sum = &out->sum;

	sum->least_answered = UINT64_MAX;
	for (unsigned i = 0; i < run->workers; i++) {
		const struct result *r = &run->results[i];

		histogram_merge(&sum->latency, &r->latency);
		histogram_merge(&sum->intended, &r->intended);
		histogram_merge(&sum->lag, &r->lag);
		add_counts(sum, r);
		if (r->window_ns > sum->window_ns)
			sum->window_ns = r->window_ns;
		if (r->least_answered < sum->least_answered)
			sum->least_answered = r->least_answered;
		if (r->most_answered > sum->most_answered)
			sum->most_answered = r->most_answered;
		if (r->window_ns != 0 && busy_share(r) > out->busiest_share) {
			out->busiest_share = busy_share(r);
			out->busiest_cpu_share = (double)r->cpu_ns / (double)r->window_ns;
		}
		/* Every request that was begun has ended in exactly one way. */
		out->unbalanced += r->all_begun != r->all_answered + r->all_failed + r->unanswered;
	}
	out->duration_s = (double)sum->window_ns / (double)NS_PER_SECOND;
	if (!out->has_server)
		return;
	out->switches = proc_switches_between(&out->begin, &out->end);
	out->server_capacity = proc_capacity(out->options->server_pid, out->end.threads);
}

void outcome_free(struct outcome *out)
{
	proc_sample_free(&out->before);
	proc_sample_free(&out->begin);
	proc_sample_free(&out->end);
	free(out->intervals);
	out->intervals = NULL;
}

double outcome_little(const struct outcome *out)
{
	const struct result *r = &out->sum;
	double lives = histogram_bucket_sum(&r->latency) + r->failed_ns + r->edge_ns;

	return lives <= 0 || r->busy_ns <= 0 ? 0 : r->busy_ns / lives;
}

double outcome_in_flight(const struct outcome *out)
{
	return out->sum.window_ns == 0 ? 0 : out->sum.busy_ns / (double)out->sum.window_ns;
}

uint64_t outcome_server_cpu_ns(const struct outcome *out)
{
	/* A child that ended may take time with it that no one waited for. */
	return out->end.cpu_ns > out->begin.cpu_ns ? out->end.cpu_ns - out->begin.cpu_ns : 0;
}

double outcome_server_share(const struct outcome *out)
{
	uint64_t span_ns = out->end.at_ns - out->begin.at_ns;

	return span_ns == 0 ? 0 : (double)outcome_server_cpu_ns(out) / (double)span_ns;
}

double outcome_fairness(const struct outcome *out)
{
	const struct result *r = &out->sum;
	double sum = (double)r->answered;

	if (r->answered_squared == 0)
		return 0;
	return sum * sum / ((double)out->options->connections * r->answered_squared);
}

uint64_t outcome_errors(const struct outcome *out)
{
	uint64_t all = 0;

	for (int i = 0; i < ERROR_KINDS; i++)
		all += out->sum.errors[i];
	return all;
}
