# answered.gp - share of the connections that were ever answered, kept alive and with new connections.
load LIB."/style.gp"
eval "set xtics ".PLAIN_TICS
set ytics 0, 20, 100
set format y "%.0f %%"
set xlabel "clients, C" offset 0, RISE
set multiplot
set label 1 "connections kept alive" at graph 0, graph 1.05 left font bold(14)
PANEL = "kept"
load LIB."/lines.gp"
set label 1 "a new connection for each request" at graph 0, graph 1.05 left font bold(14)
PANEL = "close"
load LIB."/lines.gp"
unset multiplot
