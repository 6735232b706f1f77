# speed.gp - three bars a model: requests a second in three set-ups of processes and cores.
#
# Of experiment.py: GROUPS, name_N and tint_N (of group N), setup_1 ... setup_3 (what a bar's shade means),
# UNIT (requests a second of one core), DATA/bars.dat with x, median, least, greatest, set-up, valid, model;
# DATA/words.dat with x, y, text; DATA/hover.dat.

load LIB."/style.gp"

set lmargin at screen 0.065; set rmargin at screen 0.94
set bmargin at screen 0.262; set tmargin at screen 0.80
set xrange [0.5:GROUPS + 0.5]
set yrange [0:2.3 * UNIT]
unset xtics
set ytics (thousands(0) 0, thousands(UNIT / 2) UNIT / 2, thousands(UNIT) UNIT, \
	thousands(1.5 * UNIT) 1.5 * UNIT, thousands(2 * UNIT) 2 * UNIT)
set style textbox opaque noborder fillcolor rgb "#FFFFFF" margins 0.2, 0.1
set grid noxtics ytics lc rgb RULE lw 1 dt 1
set label 1 "requests a second" at graph 0, graph 1.04 left font bold(14)
set label 2 "1/cost" at first GROUPS + 0.55, first UNIT left font plain(14) tc rgb SOFT
set label 3 "2/cost" at first GROUPS + 0.55, first 2 * UNIT left font plain(14) tc rgb SOFT

at = "0.065 0.335 0.63"
shade(setup) = setup == 1 ? 0.25 : setup == 2 ? 0.55 : 1.0
do for [n = 1:3] {
	x = real(word(at, n))
	set object 100 + n rect from screen x, screen 0.852 to screen x + 0.016, screen 0.876 \
		fc rgb INK fs transparent solid shade(n) noborder
	set label 100 + n value("setup_".n) at screen x + 0.023, screen 0.864 left font plain(14)
}
do for [n = 1:GROUPS] {
	set label 200 + n value("name_".n) at first n, graph -0.035 center font bold(14) \
		tc rgb value("tint_".n) noenhanced
}

bars = DATA."/bars.dat"
rgb(hex) = int("0x".substr(hex, 2, 7))
colour(n) = rgb(colour_of(strcol(n)))
only(setup, is) = setup == is ? 1 : NaN
PIECES = 'for [n = 1:3] bars using (only($5, n) * $1):(0):($1 - 0.135):($1 + 0.135):(0):2:(colour(7)) '. \
	'with boxxyerror fs transparent solid shade(n) noborder lc rgb variable title "bars"'
PIECES = PIECES.', bars using ($6 == 0 ? $1 : NaN):(0):($1 - 0.128):($1 + 0.128):(0):2 '. \
	'with boxxyerror fs solid 1.0 noborder lc rgb "#FFFFFF" title "hollow"'
PIECES = PIECES.', bars using ($6 == 0 ? $1 : NaN):(0):($1 - 0.128):($1 + 0.128):(0):2:(colour(7)) '. \
	'with boxxyerror fs empty lw 2 lc rgb variable title "hollow"'
PIECES = PIECES.', 1 * UNIT with lines lw 2 dt 3 lc rgb SOFT title "reference"'
PIECES = PIECES.', 2 * UNIT with lines lw 2 dt 3 lc rgb SOFT title "reference"'
PIECES = PIECES.', bars using 1:3:(0):($4 - $3) with vectors nohead lw 3 lc rgb INK title "spread"'
PIECES = PIECES.', DATA."/words.dat" using 1:2:3 with labels center boxed offset 0, 0.85 '. \
	'font plain(14) tc rgb INK title "words"'
if (KIND eq "svg") {
	PIECES = PIECES.', DATA."/hover.dat" using 1:2:(strcol(3)) '. \
		'with labels hypertext point pt 7 ps 1.5 lc rgb "#FF000000" title "hover"'
}
eval "plot ".PIECES
