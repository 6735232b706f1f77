# style.gp - the look of every chart: one colour and one mark a model, type sizes, title and caption.
#
# Loaded by each experiment's script, for SVG and PNG alike; the report reads the colours from here too
# (lib/models.py), so this file is the only place that knows them.
#
# The colours were chosen so that any two of the six models differ by at least 30 (CIE76) for normal
# sight and for simulated protanopia, deuteranopia and tritanopia, with a contrast of at least 2.9 to
# the background; tests/experiments holds them to it. `dark_` is the same on the report's dark page.
#
# What draw.py defines before loading this: KIND ("svg" or "png"), OUT, NAME, DATA, TITLE, SUBTITLE,
# CAPTION (at most three lines), and for each panel the variables that lines.gp describes.

MODELS   = "blocking thread select poll epoll io_uring"
VARIANTS = "thread_pool process spin epoll_blocking epoll_offload"

colour_blocking       = "#8F1A02"; dark_blocking       = "#DD3D1E"; mark_blocking       = 5
colour_thread         = "#A79700"; dark_thread         = "#C7FF25"; mark_thread         = 9
colour_select         = "#B45191"; dark_select         = "#B65C72"; mark_select         = 13
colour_poll           = "#6564FF"; dark_poll           = "#E4AAF8"; mark_poll           = 11
colour_epoll          = "#0A257C"; dark_epoll          = "#7F68FB"; mark_epoll          = 7
colour_io_uring       = "#11AD67"; dark_io_uring       = "#34FF97"; mark_io_uring       = 15
# A variant has the mark of the model it varies, and dashed lines.
colour_thread_pool    = "#4A4F57"; dark_thread_pool    = "#BBC8BD"; mark_thread_pool    = 9
colour_process        = "#8A6A4A"; dark_process        = "#E0A78B"; mark_process        = 5
colour_spin           = "#FF6600"; dark_spin           = "#EB8300"; mark_spin           = 13
colour_epoll_blocking = "#C8102E"; dark_epoll_blocking = "#FF6257"; mark_epoll_blocking = 7
colour_epoll_offload  = "#0091B3"; dark_epoll_offload  = "#3AC1CE"; mark_epoll_offload  = 7

set dashtype 2 (8, 4)
dash_of(model)   = strstrt(" ".VARIANTS." ", " ".model." ") ? 2 : 1
colour_of(model) = value("colour_".model)
mark_of(model)   = value("mark_".model)

INK = "#000000"; SOFT = "#5A6270"; FAINT = "#8A929E"; RULE = "#D5DAE1"

# 14 points, the least that a last row can read, are 18.67 units of the SVG's 1280 x 720.
FONT = KIND eq "svg" ? "sans-serif" : "Sans"
size_of(points) = sprintf("%.2f", KIND eq "svg" ? points * 4 / 3. : points)
plain(points)   = FONT.",".size_of(points)
bold(points)    = FONT.":Bold,".size_of(points)

if (KIND eq "svg") {
	set terminal svg size 1280,720 dynamic enhanced font plain(14) background "#FFFFFF" name NAME
} else {
	set terminal pngcairo size 1280,720 enhanced font plain(14) background "#FFFFFF"
}
set output OUT
P = KIND eq "svg" ? 0.47 : 1.0     # makes points of the same size in both,
RISE = KIND eq "svg" ? 0.55 : 0.35 # and the name of the x axis as near to it
set encoding utf8

set label 9001 TITLE at screen 0.018, 0.955 font bold(20) tc rgb INK noenhanced
set label 9002 SUBTITLE at screen 0.018, 0.907 font plain(14) tc rgb SOFT noenhanced
set label 9003 CAPTION at screen 0.018, 0.110 font plain(14) tc rgb INK noenhanced

unset key
set border 3 lc rgb FAINT
set tics nomirror out scale 0.6, 0.3 tc rgb INK
set grid xtics ytics lc rgb RULE lw 1 dt 1, lc rgb RULE lw 1 dt 1
set errorbars 0.6

thousands(x) = x < 1000 ? sprintf("%.0f", x) : sprintf("%d,%03d", int(x) / 1000, int(x) % 1000)

# Axes of powers of ten, in plain numbers.
PLAIN_TICS = '("0.001" 0.001, "0.01" 0.01, "0.1" 0.1, "1" 1, "10" 10, "100" 100, "1,000" 1000, '.\
	'"10,000" 10000, "100,000" 100000, "1,000,000" 1000000, "10,000,000" 10000000)'
