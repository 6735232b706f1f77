# ablation.gp - bars of requests in a second of CPU as a ratio to epoll, a group a step.
#
# Of experiment.py: STEPS, TOP, FULL (the place of the full form), DATA/bars.dat with place, median, least,
# greatest, half a width, colour, valid; DATA/words.dat with place, text, colour; DATA/names.dat with place,
# name; DATA/missing.dat with place, word; DATA/published.dat with place, ratio. Hollow: not a valid run.

load LIB."/style.gp"

rgb(hex) = int("0x".substr(hex, 2, 7))
set lmargin at screen 0.055; set rmargin at screen 0.985
set bmargin at screen 0.3; set tmargin at screen 0.835
set xrange [0.4:STEPS + 0.6]
set yrange [0:TOP]
set border 2
unset xtics
set ytics 0, 0.5
set mytics 2
set format y "%.1f"
set grid noxtics ytics lc rgb RULE lw 1 dt 1
set style fill solid 1.0 noborder
set label 1 "requests in a second of CPU, as a ratio to epoll" at graph 0, graph 1.05 left font bold(14)
set arrow 1 from graph 0, first 1 to graph 1, first 1 nohead lw 3 lc rgb colour_epoll back
set label 2 "epoll" at graph 0.997, first 1 right offset 0, 0.6 font bold(14) tc rgb colour_epoll back
set arrow 2 from 1.5, graph 0 to 1.5, graph 1 nohead lw 1 dt 3 lc rgb FAINT
set arrow 3 from FULL + 0.5, graph 0 to FULL + 0.5, graph 1 nohead lw 1 dt 3 lc rgb FAINT
LOWER = KIND eq "svg" ? -1.35 : -1.9 # a line is higher in SVG
bars = DATA."/bars.dat"
plot bars using 1:($2 / 2):($1 - $5):($1 + $5):(0):2:(rgb(strcol(6))) with boxxyerror lc rgb variable \
		title "bars", \
	bars using ($7 == 0 ? $1 : NaN):($2 / 2):($1 - $5 + 0.02):($1 + $5 - 0.02):(0.01):($2 - 0.015) \
		with boxxyerror lc rgb "#FFFFFF" title "not valid", \
	bars using 1:3:(0):($4 - $3) with vectors heads size screen 0.004, 90 lw 2 lc rgb INK title "spread", \
	DATA."/published.dat" using 1:2 with points pt 6 ps 2.4 * P lw 3 lc rgb SOFT title "published", \
	DATA."/words.dat" using 1:(0):2:(rgb(strcol(3))) with labels center offset 0, 0.9 font bold(14) \
		tc rgb variable title "ratios", \
	DATA."/missing.dat" using 1:(0):2 with labels center offset 0, 1.9 font plain(14) tc rgb SOFT \
		title "missing", \
	DATA."/names.dat" using 1:(0):2 with labels center offset 0, LOWER font plain(14) tc rgb INK title "names"
