# table.gp - a table of big figures: the sources' benchmark.
#
# Of experiment.py: LINES, COLUMNS, head_N, DATA/cells.dat with column, line, text, colour; DATA/names.dat with line,
# model, colour; DATA/groups.dat with first line, name, two lines of words.

load LIB."/style.gp"

set lmargin at screen 0.02; set rmargin at screen 0.975
set bmargin at screen 0.16; set tmargin at screen 0.875
set xrange [0:1]
set yrange [LINES + 0.7:-0.3]
unset border
unset tics
unset grid

across(column) = 0.475 + 0.52 * (column - 1) / (COLUMNS - 1.0)
do for [n = 1:COLUMNS] {
	set label 100 + n value("head_".n) at first across(n), first 0.1 right font plain(14) tc rgb SOFT
}
set arrow 1 from first 0, first 0.45 to first 1, first 0.45 nohead lw 1 lc rgb FAINT

rgb(hex) = int("0x".substr(hex, 2, 7))
colour(n) = rgb(strcol(n))
plot DATA."/cells.dat" using (across($1)):2:3:(colour(4)) with labels right font bold(18) tc rgb variable title "cells", \
	DATA."/names.dat" using (0.225):1:2:(colour(3)) with labels left noenhanced font bold(15) tc rgb variable title "names", \
	DATA."/groups.dat" using (0.0):1:2 with labels left font bold(15) tc rgb INK title "groups", \
	DATA."/groups.dat" using (0.0):($1 + 0.62):3 with labels left font plain(14) tc rgb SOFT title "words", \
	DATA."/groups.dat" using (0.0):($1 + 1.12):4 with labels left font plain(14) tc rgb SOFT title "words"
