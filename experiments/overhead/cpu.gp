# cpu.gp - CPU time a request over clients.
load LIB."/style.gp"
load LIB."/../overhead/guests.gp"
eval "set xtics ".PLAIN_TICS
set ytics (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 200)
set xlabel "clients, C" offset 0, RISE
set label 1 "microseconds of CPU a request" at graph 0, graph 1.05 left font bold(14)
PANEL = "x"
load LIB."/lines.gp"
