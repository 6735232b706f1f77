# user.gp - the server's own memory a connection, a bar a model on a logarithmic axis.
#
# Of experiment.py: SHOWN, NGINX (bytes), DATA/bars.dat with place, median, least, greatest, model;
# DATA/figures.dat and DATA/words.dat with x, place, text.

load LIB."/style.gp"

set lmargin at screen 0.125; set rmargin at screen 0.955
set bmargin at screen 0.24; set tmargin at screen 0.835
set logscale x
set xrange [10:100000]
set yrange [words(SHOWN) + 0.6:0.4]
set border 2
set style fill solid 1.0 noborder
unset ytics
set grid noytics xtics lc rgb RULE lw 1 dt 1
eval "set xtics ".PLAIN_TICS
set xlabel "bytes of user memory a connection" offset 0, RISE
set arrow 1 from first NGINX, graph 0 to first NGINX, graph 1 nohead lw 3 dt 3 lc rgb SOFT front
set label 1 "nginx: 250 B" at first NGINX, graph 1.045 center font plain(14) tc rgb SOFT
do for [n = 1:words(SHOWN)] {
	set label 100 + n word(SHOWN, n) at graph -0.012, first n right font bold(15) \
		tc rgb colour_of(word(SHOWN, n)) noenhanced
}
bars = DATA."/bars.dat"
rgb(hex) = int("0x".substr(hex, 2, 7))
plot bars using (10):1:(10):2:($1 - 0.33):($1 + 0.33):(rgb(colour_of(strcol(5)))) \
		with boxxyerror lc rgb variable title "bars", \
	bars using 2:1:3:4 with xerrorbars pt -1 lw 2 lc rgb FAINT title "spread", \
	DATA."/figures.dat" using 1:2:3 with labels right offset -1, 0 font bold(14) tc rgb "#FFFFFF" title "figures", \
	DATA."/words.dat" using 1:2:3 with labels left offset 1, 0 font bold(14) tc rgb INK title "words"
