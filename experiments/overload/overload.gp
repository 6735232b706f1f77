# overload.gp - mean and 99th percentile of latency over offered load; below what is left over, and answered.
#
# Of experiment.py, beside the panels: LEFT_TICS and ANSWERED_TICS, commands that set plain tics.
load LIB."/style.gp"

# A closed loop: its model's colour and mark, and dashes.
colour_thread_closed = colour_thread; mark_thread_closed = mark_thread
colour_epoll_closed = colour_epoll; mark_epoll_closed = mark_epoll
dash_of(model) = strstrt(model, "_closed") ? 2 : 1

set multiplot
set xtics 50, 10, 120 format ""
eval "set ytics ".PLAIN_TICS
set arrow 900 from 100, graph 0 to 100, graph 1 nohead lw 2 lc rgb FAINT back
set label 1 "mean latency, ms" at graph 0, graph 1.07 left font bold(14)
PANEL = "mean"
load LIB."/lines.gp"
set arrow 900 from 100, graph 0 to 100, graph 1 nohead lw 2 lc rgb FAINT back
set label 1 "99th percentile, ms" at graph 0, graph 1.07 left font bold(14)
PANEL = "p99"
load LIB."/lines.gp"

set xtics 50, 10, 120 format "%.0f"
set format y "%.0f"
set xlabel "offered load, percent of mu" offset 0, RISE
set arrow 900 from 100, graph 0 to 100, graph 1 nohead lw 2 lc rgb FAINT back
@LEFT_TICS
set label 1 "errors and left over, a second" at graph 0, graph 1.16 left font bold(14)
PANEL = "left"
load LIB."/lines.gp"
set arrow 900 from 100, graph 0 to 100, graph 1 nohead lw 2 lc rgb FAINT back
@ANSWERED_TICS
set label 1 "answered a second" at graph 0, graph 1.16 left font bold(14)
PANEL = "answered"
load LIB."/lines.gp"
unset multiplot
