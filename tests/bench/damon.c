/*
 * The same engine in C, to be measured against: regions in linked lists, one random page of each region looked up in
 * a sorted table of areas and found accessed with the area's chance, every sampling interval; then ageing, merging,
 * the minimum of regions, tuning and splitting at the end of each aggregation, all in 64-bit integers.
 *
 * Input: "areas min_regions max_regions sample_us aggr_samples warm measured seed", then "start end rate" of each area.
 * Output: one JSON object; times are of the measured aggregations only.
 */
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PAGE 4096ULL

struct region {
	struct region *prev, *next;
	uint64_t start, end, address;
	uint64_t nr_accesses, last_nr_accesses, age;
};

struct area {
	uint64_t start, end;
	double rate;
	uint64_t chance; /* of being accessed in a sampling interval, of 2^64 */
};

static struct region head = { &head, &head, 0, 0, 0, 0, 0, 0 };
static struct area *areas;
static size_t nr_areas;
static uint64_t nr_regions, min_regions, max_regions, sample_us, aggr_samples, last_nr_regions;
static uint64_t state[2];

static inline uint64_t random64(void)
{
	uint64_t a = state[0], b = state[1];
	uint64_t result = a + b;

	state[0] = b;
	a ^= a << 23;
	state[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
	return result;
}

static inline uint64_t random_below(uint64_t limit)
{
	/* as the kernel draws below a limit: by a multiplication, not a division */
	return (uint64_t)(((unsigned __int128)random64() * limit) >> 64);
}

static struct region *insert_after(struct region *where, uint64_t start, uint64_t end)
{
	struct region *new = calloc(1, sizeof(*new));

	if (!new)
		exit(2);
	new->start = start;
	new->end = end;
	new->prev = where;
	new->next = where->next;
	where->next->prev = new;
	where->next = new;
	nr_regions++;
	return new;
}

static void destroy(struct region *r)
{
	r->prev->next = r->next;
	r->next->prev = r->prev;
	free(r);
	nr_regions--;
}

static void set_chances(void)
{
	for (size_t i = 0; i < nr_areas; i++) {
		double chance = -expm1(-areas[i].rate * (double)sample_us / 1e6);

		areas[i].chance = chance >= 1.0 ? UINT64_MAX : (uint64_t)(chance * 18446744073709551616.0);
	}
}

static const struct area *area_of(uint64_t address)
{
	size_t low = 0, high = nr_areas;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (areas[middle].start <= address)
			low = middle;
		else
			high = middle;
	}
	return &areas[low];
}

static void prepare(void)
{
	for (struct region *r = head.next; r != &head; r = r->next)
		r->address = r->start + random_below((r->end - r->start) / PAGE) * PAGE;
}

static uint64_t check(void)
{
	uint64_t most = 0;

	for (struct region *r = head.next; r != &head; r = r->next) {
		if (random64() < area_of(r->address)->chance)
			r->nr_accesses++;
		if (r->nr_accesses > most)
			most = r->nr_accesses;
	}
	return most;
}

static inline uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static uint64_t size_limit(void)
{
	uint64_t total = 0;

	for (struct region *r = head.next; r != &head; r = r->next)
		total += r->end - r->start;
	total /= min_regions;
	if (total < PAGE)
		total = PAGE;
	return (total + PAGE - 1) / PAGE * PAGE;
}

static void merge_pass(uint64_t threshold, uint64_t limit, int count_age)
{
	struct region *before = NULL;

	for (struct region *r = head.next, *next = r->next; r != &head; r = next, next = r->next) {
		if (count_age) {
			if (distance(r->nr_accesses, r->last_nr_accesses) > threshold ||
			    !r->nr_accesses != !r->last_nr_accesses)
				r->age = 0;
			else
				r->age++;
		}
		if (before && before->end == r->start && distance(before->nr_accesses, r->nr_accesses) <= threshold &&
		    r->end - before->start <= limit) {
			uint64_t left = (before->end - before->start) / PAGE, right = (r->end - r->start) / PAGE;

			before->nr_accesses = (before->nr_accesses * left + r->nr_accesses * right) / (left + right);
			before->age = (before->age * left + r->age * right) / (left + right);
			before->end = r->end;
			destroy(r);
		} else {
			before = r;
		}
	}
}

static void merge(uint64_t threshold, uint64_t limit)
{
	merge_pass(threshold, limit, 1);
	while (nr_regions > max_regions && threshold < aggr_samples) {
		threshold = threshold ? 2 * threshold : 1;
		if (threshold > aggr_samples)
			threshold = aggr_samples;
		merge_pass(threshold, limit, 0);
	}
}

static struct region *split_at(struct region *r, uint64_t size)
{
	struct region *new = insert_after(r, r->start + size, r->end);

	r->end = new->start;
	new->nr_accesses = r->nr_accesses;
	new->last_nr_accesses = r->last_nr_accesses;
	new->age = r->age;
	return new;
}

static void cut(uint64_t limit)
{
	for (struct region *r = head.next; r != &head; r = r->next)
		if (r->end - r->start > limit)
			split_at(r, limit);
}

static void tune(void)
{
	uint64_t seen = 0, possible = 0, goal, score, change, old = sample_us;

	for (struct region *r = head.next; r != &head; r = r->next) {
		seen += (r->end - r->start) * r->nr_accesses;
		possible += (r->end - r->start) * aggr_samples;
	}
	goal = possible * 400 / 10000;
	score = seen * 10000 / (goal ? goal : 1);
	change = score >= 20000 ? 1 : 20000 - score;
	if (change <= 10000)
		change = 5000 + change / 2;
	sample_us = sample_us * change / 10000;
	if (sample_us < 5000)
		sample_us = 5000;
	if (sample_us > 10000000)
		sample_us = 10000000;
	for (struct region *r = head.next; r != &head; r = r->next)
		r->age = r->age * old / sample_us;
	if (sample_us != old)
		set_chances();
}

static void reset(void)
{
	for (struct region *r = head.next; r != &head; r = r->next) {
		r->last_nr_accesses = r->nr_accesses;
		r->nr_accesses = 0;
	}
}

static void split(void)
{
	uint64_t count = nr_regions;
	int parts = 2;

	if (count > max_regions / 2)
		return;
	if (count == last_nr_regions && count < max_regions / 3)
		parts = 3;
	last_nr_regions = count;
	for (struct region *r = head.next, *next = r->next; r != &head; r = next, next = r->next) {
		uint64_t size = r->end - r->start;

		for (int i = 0; i < parts - 1 && size > 2 * PAGE; i++) {
			uint64_t left = (1 + random_below(9)) * size / 10 / PAGE * PAGE;

			if (left == 0 || left >= size)
				continue;
			split_at(r, left);
			size = left;
		}
	}
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(void)
{
	uint64_t warm, measured, seed, sampled = 0, merged = 0;
	double began = 0, seconds;

	if (scanf("%zu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &nr_areas,
		  &min_regions, &max_regions, &sample_us, &aggr_samples, &warm, &measured, &seed) != 8)
		return 1;
	areas = calloc(nr_areas, sizeof(*areas));
	if (!areas)
		return 2;
	for (size_t i = 0; i < nr_areas; i++)
		if (scanf("%" SCNu64 " %" SCNu64 " %lf", &areas[i].start, &areas[i].end, &areas[i].rate) != 3)
			return 1;
	state[0] = seed * 0x9E3779B97F4A7C15ULL + 1;
	state[1] = seed ^ 0xD1B54A32D192ED03ULL;
	set_chances();
	insert_after(&head, areas[0].start, areas[nr_areas - 1].end);
	cut(size_limit());
	for (uint64_t i = 0; i < warm + measured; i++) {
		uint64_t most = 0, limit;

		if (i == warm) {
			sampled = merged = 0;
			began = now();
		}
		sampled += nr_regions;
		for (uint64_t sample = 0; sample < aggr_samples; sample++) {
			prepare();
			most = check();
		}
		limit = size_limit();
		merge(most / 10, limit);
		cut(limit);
		merged += nr_regions;
		if (i % 3 == 2)
			tune();
		reset();
		split();
	}
	seconds = now() - began;
	printf("{\"seconds\": %.9f, \"ticks\": %" PRIu64 ", \"sampled\": %.1f, \"merged\": %.1f, \"sample_us\": %" PRIu64
	       "}\n",
	       seconds, measured * aggr_samples, (double)sampled / (double)measured, (double)merged / (double)measured,
	       sample_us);
	return 0;
}
