# curves.gp - latency over percentile, where the axis is 1/(1 - percentile), logarithmic.
load LIB."/style.gp"
set xtics ("0 %%" 1, "50 %%" 2, "75 %%" 4, "90 %%" 10, "99 %%" 100, "99.9 %%" 1000, "99.99 %%" 10000)
eval "set ytics ".PLAIN_TICS
set xlabel "requests that waited no longer" offset 0, RISE
set label 1 "milliseconds, from the moment a request was due" at graph 0, graph 1.05 left font bold(14)
PANEL = "x"
load LIB."/lines.gp"
