/*
 * report_json.c - the results as JSON; the contract is in report.h.
 */
#include <math.h>

#include "clock.h"
#include "report.h"
#include "verdict.h"

static const char *const KIND[ERROR_KINDS] = {"connect", "timeout", "reset", "status", "protocol"};

static void text(FILE *to, const char *key, const char *value)
{
	fprintf(to, "\"%s\":\"", key);
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			fprintf(to, "\\%c", *value);
		else if ((unsigned char)*value < 0x20)
			fprintf(to, "\\u%04x", (unsigned char)*value);
		else
			fputc(*value, to);
	}
	fputc('"', to);
}

/* JSON has no NaN and no infinity. */
static double number(double value)
{
	return isfinite(value) ? value : 0;
}

static void latencies(FILE *to, const char *key, const struct histogram *h)
{
	static const struct {
		const char *key;
		double fraction;
	} QUANTILES[] = {{"p50", 0.5},	{"p75", 0.75},	 {"p90", 0.9},	   {"p95", 0.95},
			 {"p99", 0.99}, {"p999", 0.999}, {"p9999", 0.9999}};

	fprintf(to, "\"%s\":{\"count\":%llu,\"mean\":%.3f,\"stddev\":%.3f,\"min\":%.3f", key,
		(unsigned long long)h->count, histogram_mean(h) / 1e3, histogram_stddev(h) / 1e3,
		h->count == 0 ? 0 : (double)h->min_ns / 1e3);
	for (size_t i = 0; i < sizeof(QUANTILES) / sizeof(*QUANTILES); i++)
		fprintf(to, ",\"%s\":%.3f", QUANTILES[i].key,
			(double)histogram_quantile(h, QUANTILES[i].fraction) / 1e3);
	fprintf(to, ",\"max\":%.3f},\n", (double)h->max_ns / 1e3);
}

static void errors(FILE *to, const char *key, const uint64_t counts[ERROR_KINDS])
{
	uint64_t total = 0;

	fprintf(to, "\"%s\":{", key);
	for (int i = 0; i < ERROR_KINDS; i++) {
		fprintf(to, "\"%s\":%llu,", KIND[i], (unsigned long long)counts[i]);
		total += counts[i];
	}
	fprintf(to, "\"total\":%llu},\n", (unsigned long long)total);
}

static void options(FILE *to, const struct outcome *out)
{
	const struct options *o = out->options;

	fprintf(to, "\"options\":{\"connections\":%llu,\"idle\":%llu,\"requests\":%llu,",
		(unsigned long long)o->connections, (unsigned long long)o->idle,
		(unsigned long long)o->requests);
	if (o->duration_ns == NEVER)
		fprintf(to, "\"duration_s\":null,");
	else
		fprintf(to, "\"duration_s\":%.3f,", (double)o->duration_ns / 1e9);
	fprintf(to,
		"\"rate_rps\":%.3f,\"poisson\":%s,\"seed\":%llu,\"warmup_s\":%.3f,"
		"\"ramp_s\":%.3f,\"timeout_s\":%.3f,\"slow_bps\":%.3f,\"expect_status\":%u,"
		"\"cpu\":%d,\"source_addresses\":%u,\"workers\":%u,",
		o->rate_rps, o->poisson ? "true" : "false", (unsigned long long)o->seed,
		(double)o->warmup_ns / 1e9, (double)o->ramp_ns / 1e9, (double)o->timeout_ns / 1e9,
		o->slow_bps, o->expect_status, o->cpu, out->target->sources, out->workers);
	text(to, "method", o->method);
	fputs("},\n", to);
}

static void counts(FILE *to, const struct outcome *out)
{
	const struct options *o = out->options;
	const struct result *r = &out->sum;

	fprintf(to,
		"\"connections\":{\"asked\":%llu,\"open\":%llu,\"never_answered\":%llu,"
		"\"made\":%llu,\"closed_by_server\":%llu},\n",
		(unsigned long long)o->connections, (unsigned long long)r->open,
		(unsigned long long)r->never_answered, (unsigned long long)r->connects,
		(unsigned long long)r->closed_by_server);
	fprintf(to, "\"idle\":{\"asked\":%llu,\"open\":%llu,\"answered\":%llu},\n",
		(unsigned long long)o->idle, (unsigned long long)r->idle_open,
		(unsigned long long)r->idle_answered);
	fprintf(to, "\"requests\":%llu,\n\"throughput_rps\":%.3f,\n\"duration_s\":%.6f,\n",
		(unsigned long long)r->answered, number((double)r->answered / out->duration_s),
		out->duration_s);
	errors(to, "errors", r->errors);
	errors(to, "early_errors", r->early_errors);
	fputs("\"unexpected_statuses\":{", to);
	const char *comma = "";

	for (int i = 0; i < MAX_STATUS; i++)
		if (r->statuses[i] != 0) {
			fprintf(to, "%s\"%d\":%llu", comma, i, (unsigned long long)r->statuses[i]);
			comma = ",";
		}
	fprintf(to,
		"},\n\"failed\":%llu,\n\"in_flight_at_end\":%llu,\n\"unanswered\":%llu,\n\"unsent_"
		"at_end\":%llu,\n"
		"\"in_flight_mean\":%.3f,\n\"bytes_received\":%llu,\n",
		(unsigned long long)r->failed, (unsigned long long)r->in_flight_at_end,
		(unsigned long long)r->unanswered, (unsigned long long)r->unsent_at_end,
		outcome_in_flight(out), (unsigned long long)r->bytes_received);
	fprintf(to,
		"\"whole_run\":{\"begun\":%llu,\"answered\":%llu,\"failed\":%llu,\"unanswered\":%"
		"llu},\n",
		(unsigned long long)r->all_begun, (unsigned long long)r->all_answered,
		(unsigned long long)r->all_failed, (unsigned long long)r->unanswered);
}

static void server(FILE *to, const struct outcome *out)
{
	if (!out->has_server) {
		fputs("\"server\":null,\n", to);
		return;
	}
	const struct proc_sample *a = &out->begin, *b = &out->end;
	double requests = (double)out->sum.answered;
	uint64_t stacks_kb = b->threads * proc_kernel_stack_kb();
	const struct proc_switches *s = &out->switches;

	fprintf(to,
		"\"server\":{\"cpu_us_per_request\":%.4f,\"cpu_pct\":%.2f,"
		"\"user_us_per_request\":%.4f,\"sys_us_per_request\":%.4f,\n",
		number((double)outcome_server_cpu_ns(out) / 1e3 / requests),
		100 * outcome_server_share(out),
		number((double)(b->user_ns - a->user_ns) / 1e3 / requests),
		number((double)(b->sys_ns - a->sys_ns) / 1e3 / requests));
	fprintf(to,
		" \"rss_kb\":%llu,\"pss_kb\":%llu,\"vsz_kb\":%llu,\"kernel_stack_kb\":%llu,"
		"\"page_tables_kb\":%llu,\"threads\":%llu,\"processes\":%llu,\n",
		(unsigned long long)b->rss_kb, (unsigned long long)b->pss_kb,
		(unsigned long long)b->vsz_kb, (unsigned long long)stacks_kb,
		(unsigned long long)b->page_tables_kb, (unsigned long long)b->threads,
		(unsigned long long)b->processes);
	fprintf(to,
		" \"rss_before_kb\":%llu,\"pss_before_kb\":%llu,\"vsz_before_kb\":%llu,"
		"\"page_tables_before_kb\":%llu,\"threads_before\":%llu,\n",
		(unsigned long long)out->before.rss_kb, (unsigned long long)out->before.pss_kb,
		(unsigned long long)out->before.vsz_kb,
		(unsigned long long)out->before.page_tables_kb,
		(unsigned long long)out->before.threads);
	fprintf(to,
		" \"ctx_switches_per_request\":%.4f,\"voluntary_switches\":%llu,"
		"\"involuntary_switches\":%llu,\"threads_gone\":%llu,\"threads_new\":%llu},\n",
		number((double)(s->voluntary + s->involuntary) / requests),
		(unsigned long long)s->voluntary, (unsigned long long)s->involuntary,
		(unsigned long long)s->threads_gone, (unsigned long long)s->threads_new);
}

static void generator(FILE *to, const struct outcome *out)
{
	const struct result *r = &out->sum;

	fprintf(to,
		"\"generator\":{\"cpu_pct\":%.2f,\"busiest_cpu_pct\":%.2f,\"waited_pct\":%.2f,"
		"\"cpu_us_per_request\":%.4f,\"lag_p50_us\":%.3f,\"lag_p99_us\":%.3f,"
		"\"lag_max_us\":%.3f},\n",
		number(100 * (double)r->cpu_ns / (double)r->window_ns),
		100 * out->busiest_cpu_share,
		number(100 * (double)r->waited_ns / (double)r->window_ns),
		number((double)r->cpu_ns / 1e3 / (double)r->answered),
		(double)histogram_quantile(&r->lag, 0.5) / 1e3,
		(double)histogram_quantile(&r->lag, 0.99) / 1e3, (double)r->lag.max_ns / 1e3);
}

static void intervals(FILE *to, const struct outcome *out)
{
	fputs("\"intervals\":[", to);
	for (size_t i = 0; i < out->interval_count; i++) {
		const struct interval *v = &out->intervals[i];

		fprintf(to,
			"%s\n {\"from_s\":%.3f,\"to_s\":%.3f,\"requests\":%llu,\"errors\":%llu,"
			"\"p50_us\":%.3f,\"p99_us\":%.3f}",
			i == 0 ? "" : ",", v->from_s, v->to_s, (unsigned long long)v->answered,
			(unsigned long long)v->errors, (double)v->p50_ns / 1e3,
			(double)v->p99_ns / 1e3);
	}
	fputs("],\n", to);
}

void report_json(FILE *to, const struct outcome *out)
{
	const struct result *r = &out->sum;
	const struct options *o = out->options;
	char verdict[1200], notes[2000];

	verdict_write(out, verdict, sizeof(verdict));
	verdict_notes(out, notes, sizeof(notes));
	fputc('{', to);
	if (out->target->model[0] == '\0')
		fputs("\"model\":null", to);
	else
		text(to, "model", out->target->model);
	fputs(",\n", to);
	text(to, "target", o->url);
	fprintf(to, ",\n\"loop\":\"%s\",\n\"connection_policy\":\"%s\",\n",
		o->rate_rps != 0 ? "open" : "closed", o->close ? "close" : "keep-alive");
	options(to, out);
	counts(to, out);
	latencies(to, "latency_us", &r->latency);
	if (o->rate_rps != 0) {
		latencies(to, "latency_intended_us", &r->intended);
		fprintf(to,
			"\"rate\":{\"asked_rps\":%.3f,\"sent_rps\":%.3f,\"answered_rps\":%.3f},\n",
			o->rate_rps, number((double)r->begun / out->duration_s),
			number((double)r->answered / out->duration_s));
	}
	fprintf(to, "\"fairness\":{\"min\":%llu,\"max\":%llu,\"mean\":%.3f,\"jain\":%.6f},\n",
		(unsigned long long)r->least_answered, (unsigned long long)r->most_answered,
		(double)r->answered / (double)o->connections, outcome_fairness(out));
	generator(to, out);
	server(to, out);
	intervals(to, out);
	if (outcome_little(out) == 0)
		fputs("\"little\":null,\n", to);
	else
		fprintf(to, "\"little\":%.5f,\n", outcome_little(out));
	fprintf(to, "\"interrupted\":%s,\n", out->interrupted || out->gave_up ? "true" : "false");
	text(to, "notes", notes);
	fputs(",\n", to);
	text(to, "verdict", verdict);
	fputs("}\n", to);
}
