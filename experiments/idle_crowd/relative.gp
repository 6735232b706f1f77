# relative.gp - throughput over the number of silent connections, in percent of that without any.
load LIB."/style.gp"
set xtics ("0" 10, "100" 100, "1,000" 1000, "10,000" 10000)
set ytics 0, 20
set format y "%.0f %%"
set xlabel "silent connections" offset 0, RISE
PANEL = "x"
load LIB."/lines.gp"
