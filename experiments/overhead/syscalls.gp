# syscalls.gp - system calls and context switches a request over clients, side by side on one scale.
load LIB."/style.gp"
load LIB."/../overhead/guests.gp"
eval "set xtics ".PLAIN_TICS
set ytics ("0.001" 0.001, "0.01" 0.01, "0.1" 0.1, "1" 1, "2" 2, "3" 3)
set xlabel "clients, C" offset 0, RISE
set multiplot
set label 1 "system calls a request" at graph 0, graph 1.05 left font bold(14)
PANEL = "calls"
load LIB."/lines.gp"
set label 1 "context switches a request" at graph 0, graph 1.05 left font bold(14)
PANEL = "switches"
load LIB."/lines.gp"
unset multiplot
