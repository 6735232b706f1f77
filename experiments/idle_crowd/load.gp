# load.gp - requests a second, and CPU time a request, of the busy connections over the number of silent ones.
load LIB."/style.gp"
set xtics ("0" 10, "100" 100, "1,000" 1000, "10,000" 10000)
set xlabel "silent connections" offset 0, RISE
step = rate_ymax > 50000 ? 20000 : 10000
set ytics ("0" 0)
set for [n = 0:int(rate_ymax / step)] ytics add (thousands(n * step) n * step)
set multiplot
set label 1 "requests a second" at graph 0, graph 1.05 left font bold(14)
PANEL = "rate"
load LIB."/lines.gp"
unset ytics
set ytics autofreq nomirror out scale 0.6, 0.3 tc rgb INK
set label 1 "microseconds of CPU a request" at graph 0, graph 1.05 left font bold(14)
PANEL = "cost"
load LIB."/lines.gp"
unset multiplot
