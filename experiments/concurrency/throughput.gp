# throughput.gp - requests a second over clients, with the lines that the prediction draws.
load LIB."/style.gp"
eval "set xtics ".PLAIN_TICS
eval "set ytics ".PLAIN_TICS
set xlabel "clients, C" offset 0, RISE
set label 1 "requests a second, X" at graph 0, graph 1.05 left font bold(14)
PANEL = "x"
load LIB."/lines.gp"
