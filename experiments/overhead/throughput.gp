# throughput.gp - requests a second over clients.
load LIB."/style.gp"
load LIB."/../overhead/guests.gp"
eval "set xtics ".PLAIN_TICS
set ytics ("1,000" 1000, "2,000" 2000, "5,000" 5000, "10,000" 10000, "20,000" 20000, "50,000" 50000, \
	"100,000" 100000, "200,000" 200000, "500,000" 500000, "1,000,000" 1000000)
set xlabel "clients, C" offset 0, RISE
set label 1 "requests a second, X" at graph 0, graph 1.05 left font bold(14)
PANEL = "x"
load LIB."/lines.gp"
