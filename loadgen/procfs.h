/*
 * procfs.h - what a process and its descendants use, from /proc.
 *
 * Called by control.c at the two edges of the measured window (and once before any connection is
 * opened, for the memory of the idle server). Reads only; needs to be the same user or root.
 *
 * CPU time comes from each process's CPU clock (clock_getcpuclockid(3)): nanoseconds, threads that
 * have ended included. Children that have ended and been waited for are in their parent's cutime
 * (proc(5), in clock ticks); children nobody waits for (SIGCHLD ignored) leave no trace.
 * Context switches are summed over the threads that are alive; what a thread did before it ended is
 * lost, so `threads_gone` and `threads_new` say how many came and went between two samples; one
 * that did both is not seen at all.
 */
#ifndef LOADGEN_PROCFS_H
#define LOADGEN_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct thread_switches {
	pid_t tid;
	uint64_t voluntary, involuntary;
};

struct proc_sample {
	uint64_t at_ns; /* when cpu_ns was read */
	uint64_t switches_at_ns; /* when `switches` was complete */
	uint64_t cpu_ns; /* user and system, of all processes and their dead children */
	uint64_t user_ns, sys_ns; /* the same, in clock ticks' resolution */
	uint64_t rss_kb, pss_kb, vsz_kb, page_tables_kb;
	uint64_t threads, processes;
	struct thread_switches *switches; /* sorted by tid; owned by the sample */
	size_t switch_count;
};

/* What lies between two samples. */
struct proc_switches {
	uint64_t voluntary, involuntary;
	uint64_t threads_gone; /* were there at the first sample and not at the second */
	uint64_t threads_new; /* the other way round */
};

/* CPU time first (it is the quick part), then context switches, then the sizes. Returns 0, or -1
 * when the process is not there or may not be read. with_memory: also the sums that make the kernel
 * walk the page tables (Rss, Pss). */
int proc_sample_take(struct proc_sample *s, pid_t root, bool with_memory);

/* Reads the CPU time anew into a sample that was taken before, and nothing else: quick, however
 * many threads there are. Returns 0 or -1. */
int proc_sample_cpu(struct proc_sample *s, pid_t root);

/* The threads of this one process; 0 when it is not there. */
uint64_t proc_threads(pid_t root);

void proc_sample_free(struct proc_sample *s);

/*
 * Context switches between two samples of the same root. Where the first one's CPU time was read
 * anew after its switches, their number is brought down to the time between the two readings of CPU
 * time, as if they came evenly.
 */
struct proc_switches proc_switches_between(const struct proc_sample *a,
					   const struct proc_sample *b);

/*
 * KiB of kernel stack a thread takes. Not in /proc for a process; but KernelStack in /proc/meminfo
 * divided by the number of tasks on the machine (proc(5), loadavg) gives it up to stacks that are
 * kept for reuse, and it is a power of two (THREAD_SIZE): 16 on x86-64.
 */
unsigned proc_kernel_stack_kb(void);

/* How many cores' worth of CPU the process can use: the cores it may run on, but not more than it
 * has threads. At least 1. */
unsigned proc_capacity(pid_t root, uint64_t threads);

#endif
