# wall.gp - address space, memory touched and kernel memory over the number of threads.
#
# The series are not models: virtual, resident, kernel.
load LIB."/style.gp"
colour_virtual = "#0091B3"; mark_virtual = 7
colour_resident = colour_thread; mark_resident = mark_thread
colour_kernel = "#4A4F57"; mark_kernel = 5
eval "set xtics ".PLAIN_TICS
set ytics ("1 MiB" 1, "10 MiB" 10, "100 MiB" 100, "1 GiB" 1024, "10 GiB" 10240, "100 GiB" 102400)
set xlabel "threads" offset 0, RISE
PANEL = "x"
load LIB."/lines.gp"
