"""Cases of the experiment stopwatch."""

import os

from suite import EXPERIMENTS, case, directory, equal, near, raises, rows_of, tsv, verdicts

stopwatch = EXPERIMENTS["stopwatch"]


@case
def stopwatch_foresees_what_a_stop_must_do():
    near(stopwatch.foreseen_us(1.4, 30, 0.99), 1.1e6)
    near(stopwatch.foreseen_us(1.4, 5, 0.99), 1.35e6)
    equal(stopwatch.foreseen_us(1.4, 200, 0.99), None, "a stop that is too short to be noticed")


@case
def stopwatch_finds_the_lie():
    rows = rows_of("stopwatch")
    found = stopwatch.findings(rows, {})
    equal(verdicts(found), [True, True, True])
    figures = stopwatch.Figures(rows)
    near(figures.intended, 1.1e6)
    near(figures.sent, 100 / 0.01 ** 0.4)
    assert "1.10 s" in found.answer and "0.631 ms" in found.answer, found.answer
    equal(len(found.tables[0].rows), 4)


def spoilt(run, **columns):
    rows = rows_of("stopwatch")
    for row in rows:
        if row["run"] == run and "curve" not in row:
            row.update(columns)
    return verdicts(stopwatch.findings(rows, {}))


@case
def stopwatch_turns_a_verdict_for_each_wrong_row():
    equal(spoilt("stopped", latency_intended_us_p99="900000"), [False, True, True])
    equal(spoilt("stopped", latency_us_p99="5000"), [True, False, True])
    equal(spoilt("stopped", latency_us_p99="20000"), [True, False, False])
    equal(spoilt("quiet", latency_us_p99="100"), [True, False, True])
    equal(spoilt("stopped", stop_s="2.0"), [False, True, True], "the stop is taken as it was")
    rows = [row for row in rows_of("stopwatch") if row["run"] == "quiet"]
    equal(verdicts(stopwatch.findings(rows, {})), [None] * 3, "no stop")
    equal(stopwatch.percentiles(rows, {}), None)


@case
def stopwatch_reads_percentile_files_and_refuses_others():
    with directory() as path:
        file = os.path.join(path, "hdr")
        tsv.write_whole(file, "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
                        "    0.018406 0.000000000000          1           1.00\n"
                        "    0.388607 0.500000000000       2000           2.00\n"
                        "    8.167423 0.900000000000       3600          10.00\n"
                        "   64.863698 1.000000000000       4000            inf\n"
                        "#[Mean    =     3.400532, StdDeviation   =     8.314529]\n")
        equal([(fraction, round(us, 3)) for fraction, us in stopwatch.read_hdr(file)],
              [(0.5, 388.607), (0.9, 8167.423)])
        tsv.write_whole(file, "nothing\n")
        raises(ValueError, stopwatch.read_hdr, file)
