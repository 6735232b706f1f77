# slots.gp - slots looked at for a request over the number of silent connections.
load LIB."/style.gp"
set xtics ("0" 10, "100" 100, "1,000" 1000, "10,000" 10000)
eval "set ytics ".PLAIN_TICS
set xlabel "silent connections" offset 0, RISE
set ylabel "slots a request" offset 1.6, 0
PANEL = "x"
load LIB."/lines.gp"
