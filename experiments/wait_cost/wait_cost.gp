# wait_cost.gp - CPU time of a wait over the number of descriptors watched; both charts.
#
# A series beyond the models: select_own_bitmaps, the same colour and mark as select, dashed.
load LIB."/style.gp"
colour_select_own_bitmaps = colour_select; mark_select_own_bitmaps = mark_select
dash_of(model) = model eq "select_own_bitmaps" ? 2 : 1
eval "set xtics ".PLAIN_TICS
eval "set ytics ".PLAIN_TICS
set xlabel "descriptors watched, N" offset 0, RISE
set ylabel "microseconds of CPU" offset 1.6, 0
PANEL = "x"
load LIB."/lines.gp"
