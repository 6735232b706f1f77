# bars.gp - horizontal bars on a logarithmic axis, with others' figures as rings and claims as dotted lines.
#
# Of experiment.py: COUNT bars, name_N and tint_N (of bar N), LOW and HIGH (ends of the axis), AXIS (its name),
# TICS, CLAIM (figures) and CLAIM_WORDS (what they are, separated by |); DATA/bars.dat with place, median,
# least, greatest, model; DATA/words.dat with x, place, text; DATA/rings.dat with x, place; DATA/hover.dat.

load LIB."/style.gp"

set lmargin at screen 0.215; set rmargin at screen 0.965
set bmargin at screen 0.24; set tmargin at screen 0.835
set logscale x
set xrange [LOW:HIGH]
set yrange [COUNT + 0.6:0.4]
set border 2
set style fill solid 1.0 noborder
unset ytics
set grid noytics xtics lc rgb RULE lw 1 dt 1
at(n) = real(word(TICS, n))
tic(n) = sprintf('"%s" %g', at(n) < 1 ? word(TICS, n) : thousands(at(n)), at(n))
LIST = tic(1)
do for [n = 2:words(TICS)] { LIST = LIST.", ".tic(n) }
eval "set xtics nomirror scale 0 (".LIST.") tc rgb INK"
set xlabel AXIS offset 0, RISE
do for [n = 1:COUNT] {
	set label 100 + n value("name_".n) at graph -0.012, first n right font bold(14) \
		tc rgb value("tint_".n) noenhanced
}
part(text, n) = n == 1 ? (strstrt(text, "|") ? text[1:strstrt(text, "|") - 1] : text) : text[strstrt(text, "|") + 1:*]
do for [n = 1:words(CLAIM)] {
	x = real(word(CLAIM, n))
	set arrow n from first x, graph 0 to first x, graph 1 nohead lw 3 dt 3 lc rgb SOFT front
	set label n part(CLAIM_WORDS, n) at first x, graph 1.045 font plain(14) tc rgb SOFT
	if (words(CLAIM) == 1) { set label n center }
	if (words(CLAIM) > 1 && n == 1) { set label n right offset 3, 0 }
	if (words(CLAIM) > 1 && n == 2) { set label n left offset -4, 0 }
}
bars = DATA."/bars.dat"
rgb(hex) = int("0x".substr(hex, 2, 7))
PIECES = 'bars using (LOW):1:(LOW):2:($1 - 0.33):($1 + 0.33):(rgb(colour_of(strcol(5)))) '. \
	'with boxxyerror lc rgb variable title "bars"'
PIECES = PIECES.', bars using 2:1:3:4 with xerrorbars pt -1 lw 2 lc rgb INK title "spread"'
PIECES = PIECES.', DATA."/rings.dat" using 1:2 with points pt 6 ps 1.9 * P lw 2.5 lc rgb INK title "published"'
PIECES = PIECES.', DATA."/words.dat" using 1:2:3 with labels left offset 1.2, 0 font bold(14) tc rgb INK title "words"'
if (KIND eq "svg") {
	PIECES = PIECES.', DATA."/hover.dat" using 1:2:(strcol(3)) '. \
		'with labels hypertext point pt 7 ps 1.5 lc rgb "#FF000000" title "hover"'
}
eval "plot ".PIECES
