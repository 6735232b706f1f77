# latency.gp - median and 99th percentile of latency over clients, side by side on the same scale.
load LIB."/style.gp"
eval "set xtics ".PLAIN_TICS
eval "set ytics ".PLAIN_TICS
set xlabel "clients, C" offset 0, RISE
set multiplot
set label 1 "median, ms" at graph 0, graph 1.05 left font bold(14)
PANEL = "p50"
load LIB."/lines.gp"
set label 1 "99th percentile, ms" at graph 0, graph 1.05 left font bold(14)
PANEL = "p99"
load LIB."/lines.gp"
unset multiplot
