/*
 * container_of.h - from a member back to the struct it is part of, as the kernel's macro of that
 * name.
 */
#ifndef SIX_CONTAINER_OF_H
#define SIX_CONTAINER_OF_H

#include <stddef.h>

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
