# beside.gp - from median to 99th percentile of what cheap requests wait, a bar a model, logarithmic.
#
# Of experiment.py: PLACES, name_N and tint_N, LOW and HIGH (ms), TURN (ms) and WORDS on it, DATA/bars.dat with
# place, median, p99, least and greatest p99, valid, model, text, what a pointer shows.

load LIB."/style.gp"

set lmargin at screen 0.17; set rmargin at screen 0.955
set bmargin at screen 0.24; set tmargin at screen 0.835
set logscale x
set xrange [LOW:HIGH]
set yrange [PLACES + 0.6:0.4]
set border 2
unset ytics
set grid noytics xtics lc rgb RULE lw 1 dt 1
eval "set xtics ".PLAIN_TICS
set xlabel "milliseconds" offset 0, RISE
do for [n = 1:2] {
	set arrow n from first n * TURN, graph 0 to first n * TURN, graph 1 nohead lw 3 dt 3 lc rgb SOFT back
}
set label 1 WORDS at first TURN, graph 1.045 right font plain(14) tc rgb SOFT
set label 2 "two turns" at first 2 * TURN, graph 1.045 left font plain(14) tc rgb SOFT
set style textbox opaque noborder fillcolor rgb "#FFFFFF" margins 0.2, 0.1
do for [n = 1:PLACES] {
	set label 100 + n value("name_".n) at graph -0.012, first n right font bold(15) \
		tc rgb value("tint_".n) noenhanced
}

bars = DATA."/bars.dat"
rgb(hex) = int("0x".substr(hex, 2, 7))
colour(n) = rgb(colour_of(strcol(n)))
PIECES = 'bars using ($6 == 1 ? $2 : NaN):1:2:3:($1 - 0.28):($1 + 0.28):(colour(7)) '. \
	'with boxxyerror fs solid 1.0 noborder lc rgb variable title "bars"'
PIECES = PIECES.', bars using ($6 == 0 ? $2 : NaN):1:2:3:($1 - 0.28):($1 + 0.28):(colour(7)) '. \
	'with boxxyerror fs empty lw 2 lc rgb variable title "hollow"'
PIECES = PIECES.', bars using 4:1:($5 - $4):(0) with vectors nohead lw 3 lc rgb INK title "spread"'
PIECES = PIECES.', bars using 5:1:8 with labels left boxed offset 1, 0 font bold(14) tc rgb INK title "words"'
if (KIND eq "svg") {
	PIECES = PIECES.', bars using 3:1:(strcol(9)) '. \
		'with labels hypertext point pt 7 ps 1.5 lc rgb "#FF000000" title "hover"'
}
eval "plot ".PIECES
