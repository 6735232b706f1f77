# over_time.gp - share of good requests answered, and the 99th percentile of their latency, second by second.
load LIB."/style.gp"
set xlabel "seconds" offset 0, RISE
set xtics 1
set multiplot
set ytics 0, 20, 100
set format y "%.0f %%"
set label 1 "good requests answered" at graph 0, graph 1.05 left font bold(14)
PANEL = "answered"
load LIB."/lines.gp"
unset ytics
set format y
set ytics out nomirror scale 0.6, 0.3 tc rgb INK
eval "set ytics ".PLAIN_TICS
set label 1 "99th percentile of those, ms" at graph 0, graph 1.05 left font bold(14)
PANEL = "p99"
load LIB."/lines.gp"
unset multiplot
