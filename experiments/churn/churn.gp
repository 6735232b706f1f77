# churn.gp - three panels of bars, a bar a model: connections a second, CPU a connection, system calls.
#
# Of experiment.py: SHOWN (models), KINDS (of system calls, the last is "other"), ABSENT (words on models that
# could not run, or ""); DATA/rate.dat and DATA/cost.dat with place, median, least, greatest, valid, model,
# figure; DATA/calls.dat with place, the edges between the kinds, figure; RATE_MAX, COST_MAX, CALLS_MAX.

load LIB."/style.gp"

set multiplot
set bmargin at screen 0.255; set tmargin at screen 0.80
set yrange [words(SHOWN) + 0.6:0.4]
set border 2
set style fill solid 1.0 noborder
unset ytics
set grid noytics xtics lc rgb RULE lw 1 dt 1
unset xtics

# Kinds of calls that cost a model much stand out; the rest is of one family.
kind_colours = "#7C8594 #C8102E #0091B3 #B9A36B #11AD67 #9CC4D9 #C9D6DF #DCCB9A #3B4252"
kind_title(n) = word(KINDS, n) eq "io_uring_enter" ? "enter" : word(KINDS, n)
rgb(hex) = int("0x".substr(hex, 2, 7))
colour(n) = rgb(colour_of(strcol(n)))
if (strlen(ABSENT)) {
	set label 50 ABSENT at screen 0.965, screen 0.907 right font plain(14) tc rgb SOFT noenhanced
}

do for [p = 1:2] {
	panel = word("rate cost", p)
	file = DATA."/".panel.".dat"
	set lmargin at screen p == 1 ? 0.125 : 0.425; set rmargin at screen p == 1 ? 0.385 : 0.645
	set xrange [0:1.42 * (p == 1 ? RATE_MAX : COST_MAX)]
	set label 1 p == 1 ? "connections a second" : "us of CPU a connection" at graph 0, graph 1.045 left \
		font bold(14)
	if (p == 1) {
		do for [n = 1:words(SHOWN)] {
			set label 100 + n word(SHOWN, n) at graph -0.03, first n right font bold(14) \
				tc rgb colour_of(word(SHOWN, n)) noenhanced
		}
	}
	plot file using (0):1:(0):2:($1 - 0.33):($1 + 0.33):(colour(6)) with boxxyerror lc rgb variable title "bars", \
		file using (0):($5 == 0 ? $1 : NaN):(0):2:($1 - 0.33):($1 + 0.33) \
			with boxxyerror lc rgb "#FFFFFF" title "hollow", \
		file using (0):($5 == 0 ? $1 : NaN):(0):2:($1 - 0.33):($1 + 0.33):(colour(6)) \
			with boxxyerror fs empty border lw 3 lc rgb variable title "hollow", \
		file using 2:1:3:4 with xerrorbars pt -1 lw 2 lc rgb INK title "spread", \
		file using 4:1:7 with labels left offset 0.8, 0 font bold(14) tc rgb INK title "figures"
	do for [n = 1:words(SHOWN)] { unset label 100 + n }
	unset label 50; unset label 9001; unset label 9002; unset label 9003
}

set lmargin at screen 0.685; set rmargin at screen 0.975
file = DATA."/calls.dat"
kinds = words(KINDS)
set xrange [0:1.15 * CALLS_MAX]
set label 1 "system calls a connection" at graph 0, graph 1.045 left font bold(14)
do for [n = 1:kinds] {
	x = 0.125 + (n - 1) * 0.0945
	set object 100 + n rect from screen x, screen 0.205 to screen x + 0.014, screen 0.229 \
		fc rgb word(kind_colours, n) fs solid 1.0 noborder
	set label 200 + n kind_title(n) at screen x + 0.019, screen 0.217 left font plain(14) tc rgb INK noenhanced
}
plot for [n = 1:kinds] file using (column(n + 1)):1:(column(n + 1)):(column(n + 2)):($1 - 0.33):($1 + 0.33) \
		with boxxyerror lc rgb word(kind_colours, n) title kind_title(n), \
	file using (column(kinds + 2)):1:(strcol(kinds + 3)) with labels left offset 0.8, 0 \
		font bold(14) tc rgb INK title "figures"
unset multiplot
