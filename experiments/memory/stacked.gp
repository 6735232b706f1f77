# stacked.gp - horizontal stacked bars: the parts of a connection's cost, a bar a model.
#
# Of experiment.py: SHOWN, WIDEST (KiB), DATA/bars.dat with place, the six edges between the five
# parts, least and greatest total (KiB); DATA/words.dat with x, place, text.

load LIB."/style.gp"

user = "#3B4252"; tables = "#7C8594"; stacks = "#B9A36B"; tasks = "#DCCB9A"; sockets = "#9CC4D9"
part_name(n)   = word("user_memory page_tables kernel_stacks thread_records socket", n)
part_colour(n) = word(user." ".tables." ".stacks." ".tasks." ".sockets, n)

set lmargin at screen 0.125; set rmargin at screen 0.975
set bmargin at screen 0.24; set tmargin at screen 0.815
set xrange [0:WIDEST * 1.16]
set yrange [words(SHOWN) + 0.6:0.4]
set border 2
set style fill solid 1.0 noborder
unset ytics
set grid noytics xtics lc rgb RULE lw 1 dt 1
set xtics out
set xlabel "KiB a connection (both the server's and the kernel's memory; the server's end)" offset 0, RISE

do for [n = 1:words(SHOWN)] {
	set label 100 + n word(SHOWN, n) at graph -0.012, first n right font bold(15) \
		tc rgb colour_of(word(SHOWN, n)) noenhanced
}
at = "0.125 0.30 0.465 0.65 0.87"
title_of(n) = n == 1 ? "user memory" : n == 2 ? "page tables" : n == 3 ? "kernel stacks" : \
	n == 4 ? "records of threads" : "socket"
do for [n = 1:5] {
	x = real(word(at, n))
	set object 100 + n rect from screen x, screen 0.842 to screen x + 0.014, screen 0.866 \
		fc rgb part_colour(n) fs solid 1.0 noborder
	set label 200 + n title_of(n) at screen x + 0.020, screen 0.854 left font plain(14) tc rgb INK
}
bars = DATA."/bars.dat"
plot for [n = 1:5] bars using (column(n + 1)):1:(column(n + 1)):(column(n + 2)):($1 - 0.33):($1 + 0.33) \
		with boxxyerror lc rgb part_colour(n) title part_name(n), \
	bars using 7:1:8:9 with xerrorbars pt -1 lw 2 lc rgb INK title "spread", \
	DATA."/words.dat" using 1:2:3 with labels left offset 1, 0 font bold(14) tc rgb INK title "words"
