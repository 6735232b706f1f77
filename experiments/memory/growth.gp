# growth.gp - the server's own memory over the number of idle connections.
load LIB."/style.gp"
eval "set xtics ".PLAIN_TICS
eval "set ytics ".PLAIN_TICS
set xlabel "idle connections" offset 0, RISE
set label 1 "MiB" at graph 0, graph 1.05 left font bold(14)
PANEL = "x"
load LIB."/lines.gp"
