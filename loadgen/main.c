/*
 * main.c - the load generator's order of events. Everything it does is in the other files, so that
 * the tests can link them.
 */
#include "control.h"
#include "report.h"

int main(int argc, char **argv)
{
	struct options options;
	static struct target target; /* large, and needed to the end */
	static struct outcome outcome;

	options_parse(argc, argv, &options);
	if (report_check(&options) != 0)
		return EXIT_RUN_TIME;
	target_prepare(&target, &options);
	target_probe(&target, &options);
	int status = control_run(&options, &target, &outcome);

	if (status == 0 && report_all(&outcome) != 0)
		status = EXIT_RUN_TIME;
	outcome_free(&outcome);
	return status;
}
