# eager_loop.gp - answers a second, and how busy both cores are with io_uring, over what is answered in a turn.
load LIB."/style.gp"

# The generator is no model: a colour of its own (as GENERATOR in experiment.py), and dashes.
colour_generator = SOFT; mark_generator = 5
dash_of(model) = model eq "generator" ? 2 : 1

set multiplot
eval "set xtics ".PLAIN_TICS
set xlabel "waits answered in a turn (10,000: everyone)" offset 0, RISE
set ytics ("0" 0, "20,000" 20000, "40,000" 40000, "60,000" 60000, "80,000" 80000, "100,000" 100000)
set label 1 "answers a second" at graph 0, graph 1.05 left font bold(14)
PANEL = "answers"
load LIB."/lines.gp"
set ytics 0, 20, 100
set format y "%.0f"
set label 1 "io_uring: how busy each core is, percent" at graph 0, graph 1.05 left font bold(14) noenhanced
PANEL = "cores"
load LIB."/lines.gp"
unset multiplot
