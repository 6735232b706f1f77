# growth.gp - the server's own memory over the number of idle connections.
load LIB."/style.gp"
eval "set xtics ".PLAIN_TICS
eval "set ytics ".PLAIN_TICS
set xlabel "idle connections" offset 0, 0.4
set ylabel "MiB" offset 1.6, 0
PANEL = "x"
load LIB."/lines.gp"
