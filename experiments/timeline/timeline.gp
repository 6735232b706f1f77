# timeline.gp - a Gantt panel a model on a common time axis.
#
# Of experiment.py: SHOWN (models), EMPTY (those without bars), COUNT requests, LAST (ms),
# TASKS (1: few, so each is named), words_MODEL (what to say of it), and DATA/MODEL.dat with
# number sent accepted parsed waited answered delay, in ms.

load LIB."/style.gp"

TOP = 0.875; BOTTOM = 0.238; LEFT = 0.125; RIGHT = 0.975; GAP = 0.014
height = (TOP - BOTTOM) / words(SHOWN)
has_bars(model) = !strstrt(" ".EMPTY." ", " ".model." ")

set multiplot
set lmargin at screen LEFT; set rmargin at screen RIGHT
set xrange [0:LAST * 1.03]
set yrange [COUNT + 0.5:0.5]
set border 2 lc rgb FAINT
set style fill solid 1.0 noborder
unset grid; set grid xtics lc rgb RULE lw 1 dt 1
unset ytics
set xtics scale 0 format ""
every = LAST > 1000 ? 500 : 100
set xtics every

do for [n = 1:words(SHOWN)] {
	model = word(SHOWN, n)
	set tmargin at screen TOP - (n - 1) * height
	set bmargin at screen TOP - n * height + GAP
	set label 1 model at graph -0.012, graph 0.5 right font bold(15) tc rgb colour_of(model) noenhanced
	set label 2 value("words_".model) at graph 0.995, graph (n == 1 && !TASKS ? 0.78 : 0.5) \
		right font bold(15) tc rgb colour_of(model) noenhanced front
	if (n == words(SHOWN)) {
		set border 3 lc rgb FAINT
		set xtics out nomirror scale 0.6 ("0" 0)
		do for [t = every:int(LAST):every] { set xtics add (thousands(t) t) }
		set xlabel "milliseconds since the requests were sent" offset 0, RISE
	}
	if (has_bars(model)) {
		file = DATA."/".model.".dat"
		thick = TASKS ? 0.36 : 0.40
		plot file using 2:1:2:3:($1 - thick):($1 + thick) with boxxyerror lc rgb "#C4CAD3" title "unnoticed", \
			file using 3:1:3:4:($1 - thick):($1 + thick) with boxxyerror lc rgb SOFT title "understanding", \
			file using 4:1:4:5:($1 - thick):($1 + thick) with boxxyerror lc rgb colour_of(model) title model, \
			file using 5:1:5:6:($1 - thick):($1 + thick) with boxxyerror lc rgb INK title "answering", \
			TASKS ? file : "/dev/null" using 4:1:(sprintf(" %.0f ms", $7)) with labels left \
				font bold(14) tc rgb "#FFFFFF" title "names"
	} else {
		plot NaN notitle
	}
	unset label 9001; unset label 9002; unset label 9003
}
unset multiplot
