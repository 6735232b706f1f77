# table.gp - big figures, a line a model.
#
# Of experiment.py: LINES, KEGEL (what was asked for in 1999), DATA/names.dat with line, model, word,
# colour; DATA/heads.dat with place, head; DATA/big.dat and DATA/small.dat with place, line, text, colour.

load LIB."/style.gp"

rgb(hex) = int("0x".substr(hex, 2, 7))
unset border; unset xtics; unset ytics; unset grid
set lmargin at screen 0.018; set rmargin at screen 0.982
set tmargin at screen 0.88; set bmargin at screen 0.135
set xrange [0:1]
set yrange [LINES + 1.05:-0.05]
do for [n = 1:LINES] {
	set arrow 100 + n from 0, n - 0.42 to 1, n - 0.42 nohead lw 1 lc rgb RULE back
}
set arrow 200 from 0, LINES + 0.58 to 1, LINES + 0.58 nohead lw 1 lc rgb RULE back
set label 1 KEGEL at 0.997, LINES + 0.86 right font plain(14) tc rgb FAINT noenhanced
# A line of text is about 0.4 of a row high: figure and remark share a row.
big(y) = y - 0.11
small(y) = y + 0.31
plot DATA."/heads.dat" using 1:(0.36):2 with labels right font bold(14) tc rgb SOFT noenhanced title "heads", \
	DATA."/names.dat" using (0.003):(big($1)):2:(rgb(strcol(4))) with labels left font bold(21) \
		tc rgb variable noenhanced title "models", \
	DATA."/names.dat" using (0.003):(small($1)):3 with labels left font plain(14) tc rgb SOFT noenhanced \
		title "words", \
	DATA."/big.dat" using 1:(big($2)):3:(rgb(strcol(4))) with labels right font bold(21) tc rgb variable \
		noenhanced title "figures", \
	DATA."/small.dat" using 1:(small($2)):3:(rgb(strcol(4))) with labels right font plain(14) \
		tc rgb variable noenhanced title "remarks"
