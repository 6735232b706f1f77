# stopwatch.gp - percentile curves over 1/(1-p), each further step to the right ten times rarer.
#
# Of experiment.py: DATA/RUN_CLOCK.dat (x = 1/(1-p), y in ms), DATA/foreseen.dat, DATA/wrk2.dat; the 99th
# percentiles INTENDED and SENT (ms) and their words SAYS_...; TIMES; STOP s; LOWEST ms; RIGHT; VALID and WHY;
# DATA/hover.dat: x, y, what a pointer over the point shows (SVG only).

load LIB."/style.gp"

set lmargin at screen 0.085; set rmargin at screen 0.975
set bmargin at screen 0.24; set tmargin at screen 0.835
set logscale xy
set xrange [1.75:RIGHT]
set yrange [LOWEST:4000]
set xtics ("50 %%" 2, "90 %%" 10, "99 %%" 100, "99.9 %%" 1000, "99.99 %%" 10000)
eval "set ytics ".PLAIN_TICS
set xlabel "of the requests were answered within this time" offset 0, RISE
set label 1 "milliseconds" at graph 0, graph 1.05 left font bold(14)
ink = colour_epoll
K = KIND eq "svg" ? 0.75 : 1.0 # a line is higher in SVG

# What the two stopwatches say at 99 %, and how far apart that is.
set arrow 1 from 100, SENT * 1.25 to 100, INTENDED / 1.25 heads size screen 0.012, 22 filled lw 3 lc rgb INK front
set label 2 TIMES at 100, sqrt(SENT * INTENDED) left offset 1.2, 0 font bold(20) tc rgb INK front
set label 3 "p99 ".SAYS_INTENDED at 100, INTENDED right offset -1.5, 2.0 * K font bold(20) tc rgb ink front
set label 4 "from when it was due" at 100, INTENDED right offset -1.5, 0.7 * K font bold(14) tc rgb ink front
set label 5 "p99 ".SAYS_SENT at 100, SENT left offset 1.5, -1.0 * K font bold(20) tc rgb ink front
set label 6 "from when it was sent" at 100, SENT left offset 1.5, -2.3 * K font bold(14) tc rgb ink front
set label 7 SAYS_FORESEEN at 1000, 1000 * STOP left offset 0, 0.8 * K font plain(14) tc rgb SOFT front
set label 8 "wrk2" at 10, 11.77 right offset -1.6, 0 font plain(14) tc rgb "#6B7280" front
set label 10 WHY at graph 0.99, graph 0.06 right font plain(14) tc rgb SOFT front

HOVER = 'DATA."/hover.dat" using 1:2:(strcol(3)) with labels hypertext point pt 7 ps 1.5 '. \
	'lc rgb "#FF000000" title "hover"'
if (KIND ne "svg") { HOVER = 'NaN notitle' }
plot DATA."/quiet_sent.dat" using 1:2 with lines lw 2 lc rgb FAINT title "quiet", \
	DATA."/stopped_sent.dat" using 1:2 with lines lw 5 dt (5, 2.5) lc rgb ink title "sent", \
	DATA."/stopped_intended.dat" using 1:2 with lines lw 5 lc rgb ink title "intended", \
	DATA."/foreseen.dat" using 1:2 with lines lw 3 dt 3 lc rgb "#FFFFFF" title "foreseen", \
	DATA."/foreseen.dat" using 1:2 with lines lw 2 dt 3 lc rgb SOFT title "foreseen", \
	"+" using (100):(INTENDED) every ::0::0 with points pt VALID ? 7 : 6 ps 2.4 * P lw 2 lc rgb ink \
		title "p99", \
	"+" using (100):(SENT) every ::0::0 with points pt VALID ? 7 : 6 ps 2.4 * P lw 2 lc rgb ink title "p99", \
	DATA."/wrk2.dat" using 1:2 with points pt 6 ps 3.3 * P lw 2 lc rgb "#6B7280" title "wrk2", \
	@HOVER
