# throughput.gp - requests a second over clients, with the lines that the prediction draws.
load LIB."/style.gp"
eval "set xtics ".PLAIN_TICS
eval "set ytics ".PLAIN_TICS
set xlabel "clients, C" offset 0, 0.4
set ylabel "requests a second, X" offset 1.6, 0
PANEL = "x"
load LIB."/lines.gp"
