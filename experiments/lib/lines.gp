# lines.gp - one panel of lines over a numeric axis, from the tables that draw.py prepared.
#
# The caller sets PANEL to the panel's name p, and labels and tics of the axes, then loads this file
# inside or outside a multiplot. Of draw.py it uses:
#   p_left p_right p_bottom p_top       the panel's box, in parts of the screen
#   p_xmin p_xmax p_ymin p_ymax         its ranges;  p_xlog p_ylog: 1 where logarithmic
#   p_series p_references p_published   names of what there is to draw (space separated)
#   p_limits p_hover                    1 where such a table exists
#   DATA/p-labels.gp                    commands that write the names at the ends of the lines
#   DATA/p-MODEL.dat                    x  median  least  greatest  valid(1, 0)
#   DATA/p-reference-N.dat              x  y: computed lines
#   DATA/p-published-N.dat              x  y: figures that others published
#   DATA/p-limits.dat                   x  y  colour: where a model can go no further
#   DATA/p-hover.dat                    x  y  text: what a pointer over the point shows (SVG only)

set lmargin at screen value(PANEL."_left"); set rmargin at screen value(PANEL."_right")
set bmargin at screen value(PANEL."_bottom"); set tmargin at screen value(PANEL."_top")
if (value(PANEL."_xlog")) { set logscale x } else { unset logscale x }
if (value(PANEL."_ylog")) { set logscale y } else { unset logscale y }
set xrange [value(PANEL."_xmin"):value(PANEL."_xmax")]
set yrange [value(PANEL."_ymin"):value(PANEL."_ymax")]
load DATA."/".PANEL."-labels.gp"

file(what) = DATA."/".PANEL."-".what.".dat"
filled(y, valid) = valid == 1 ? y : NaN
hollow(y, valid) = valid == 0 ? y : NaN
rgb(hex) = int("0x".substr(hex, 2, 7))

# Where lines coincide, the earlier ones show from under the later: they are a little larger.
series = " ".value(PANEL."_series")." "
place(m) = words(substr(series, 1, strstrt(series, " ".m." ")))
width(m) = 5.4 - 0.55 * place(m)
large(m) = P * (2.5 - 0.2 * place(m))

# The pieces, joined below: a plot of nothing is an error in gnuplot, so what is absent is left out.
PIECES = ""
if (words(value(PANEL."_references"))) {
	PIECES = PIECES.', for [n in value(PANEL."_references")] file("reference-".n) using 1:2 '. \
		'with lines lw 2 dt 3 lc rgb SOFT title "reference"'
}
if (words(value(PANEL."_published"))) {
	PIECES = PIECES.', for [n in value(PANEL."_published")] file("published-".n) using 1:2 '. \
		'with points pt 6 ps 1.6 * P lw 2 lc rgb FAINT title "published"'
}
if (words(value(PANEL."_series"))) {
	PIECES = PIECES.', for [m in value(PANEL."_series")] file(m) using 1:2 '. \
		'with lines lw width(m) dt dash_of(m) lc rgb colour_of(m) title m'
	PIECES = PIECES.', for [m in value(PANEL."_series")] file(m) using 1:2:3:4 '. \
		'with yerrorbars pt -1 lw 2 lc rgb colour_of(m) title m'
	PIECES = PIECES.', for [m in value(PANEL."_series")] file(m) using 1:(hollow($2, $5)) '. \
		'with points pt 7 ps large(m) * 0.9 lc rgb "#FFFFFF" title m'
	PIECES = PIECES.', for [m in value(PANEL."_series")] file(m) using 1:(hollow($2, $5)) '. \
		'with points pt mark_of(m) - 1 ps large(m) lw 2 lc rgb colour_of(m) title m'
	PIECES = PIECES.', for [m in value(PANEL."_series")] file(m) using 1:(filled($2, $5)) '. \
		'with points pt mark_of(m) ps large(m) lc rgb colour_of(m) title m'
}
if (value(PANEL."_limits")) {
	PIECES = PIECES.', file("limits") using 1:2:(rgb(strcol(3))) '. \
		'with points pt 2 ps 2.6 * P lw 4 lc rgb variable title "limit"'
}
if (KIND eq "svg" && value(PANEL."_hover")) {
	PIECES = PIECES.', file("hover") using 1:2:(strcol(3)) '. \
		'with labels hypertext point pt 7 ps 1.5 lc rgb "#FF000000" title "hover"'
}
if (strlen(PIECES)) {
	eval "plot ".substr(PIECES, 3, strlen(PIECES))
} else {
	set label 9000 "not measured" at graph 0.5, graph 0.5 center font bold(20) tc rgb FAINT
	plot NaN notitle
	unset label 9000
}
unset label
unset arrow
