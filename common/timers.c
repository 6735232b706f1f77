/*
 * timers.c - the heap of deadlines. See timers.h.
 *
 * Slot i's children are slots 2i and 2i+1 (i counted from 1). A slot carries its own copy of the
 * deadline, so that sifting never touches the timers themselves; it may be EARLIER than the
 * timer's real deadline (moved later since), never later.
 */
#include "timers.h"

#include <stdlib.h>

#include "clock.h"

struct timer_slot {
	uint64_t at;
	struct timer *timer;
};

static void put(struct timers *all, uint32_t place, struct timer_slot slot)
{
	all->slots[place] = slot;
	slot.timer->place = place;
}

static void sift_up(struct timers *all, uint32_t place, struct timer_slot slot)
{
	while (place > 1 && all->slots[place / 2].at > slot.at) {
		put(all, place, all->slots[place / 2]);
		place /= 2;
	}
	put(all, place, slot);
}

static void sift_down(struct timers *all, uint32_t place, struct timer_slot slot)
{
	for (;;) {
		uint32_t child = 2 * place;

		if (child > all->count)
			break;
		if (child < all->count && all->slots[child + 1].at < all->slots[child].at)
			child++;
		if (all->slots[child].at >= slot.at)
			break;
		put(all, place, all->slots[child]);
		place = child;
	}
	put(all, place, slot);
}

static int grow(struct timers *all)
{
	uint32_t capacity = all->capacity ? 2 * all->capacity : 64;
	struct timer_slot *slots = realloc(all->slots, (capacity + 1) * sizeof *slots);

	if (!slots)
		return -1;
	all->slots = slots;
	all->capacity = capacity;
	return 0;
}

int timers_set(struct timers *all, struct timer *t, uint64_t at)
{
	if (at == NEVER) {
		timers_cancel(all, t);
		return 0;
	}
	if (t->place) {
		t->at = at;
		if (at < all->slots[t->place].at)
			sift_up(all, t->place, (struct timer_slot){at, t});
		return 0;
	}
	if (all->count == all->capacity && grow(all) < 0)
		return -1;
	t->at = at;
	sift_up(all, ++all->count, (struct timer_slot){at, t});
	return 0;
}

/* Empties a place and closes the gap with the last slot, which may belong above or below it. */
static void take_out(struct timers *all, uint32_t place)
{
	struct timer_slot last = all->slots[all->count--];

	all->slots[place].timer->place = 0;
	if (place > all->count)
		return;
	if (place > 1 && all->slots[place / 2].at > last.at)
		sift_up(all, place, last);
	else
		sift_down(all, place, last);
}

void timers_cancel(struct timers *all, struct timer *t)
{
	if (t->place)
		take_out(all, t->place);
	t->at = NEVER;
}

uint64_t timers_next(const struct timers *all)
{
	return all->count ? all->slots[1].at : NEVER;
}

struct timer *timers_due(struct timers *all, uint64_t now)
{
	while (all->count && all->slots[1].at <= now) {
		struct timer *t = all->slots[1].timer;

		if (t->at <= now) {
			take_out(all, 1);
			return t;
		}
		sift_down(all, 1,
			  (struct timer_slot){t->at, t}); /* was moved later: now it shows */
	}
	return NULL;
}

void timers_free(struct timers *all)
{
	free(all->slots);
	*all = (struct timers){0};
}
