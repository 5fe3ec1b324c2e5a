// SPDX-License-Identifier: GPL-2.0
//
// CPU partitions: the possible CPUs cut into sets once, when the module loads. By default a set is
// a NUMA node. An administrator may ask for a number of sets (cpu_npartitions) or name them
// (cpu_pattern): "0[0-3,8-11] 1[4-7,12-15]" in CPUs, or "N 0[0,1] 1[2,3]" in NUMA nodes; "N" is
// the default again.
//
// Every possible CPU is in exactly one set, sets are numbered from 0 without gaps and none is
// empty.
#include <linux/cpumask.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/topology.h>

#include "glue.h"
#include "libcfs/plat/thread.h"

#define CPT_MAX 64

static int cpu_npartitions;
module_param(cpu_npartitions, int, 0444);
MODULE_PARM_DESC(cpu_npartitions, "number of CPU partitions, 0: one for each NUMA node");

static char *cpu_pattern = "N";
module_param(cpu_pattern, charp, 0444);
MODULE_PARM_DESC(cpu_pattern,
		 "CPUs of each partition, e.g. \"0[0-3] 1[4-7]\"; NUMA nodes: \"N 0[0] 1[1]\"");

static unsigned int cpt_count;
static cpumask_var_t cpt_masks[CPT_MAX];
/* By CPU number. */
static u8 *cpt_of_cpu;

static int add_partition(void)
{
	if (cpt_count == CPT_MAX) {
		pr_err("LNetError: libcfs: more than %d CPU partitions\n", CPT_MAX);
		return -EINVAL;
	}
	if (!zalloc_cpumask_var(&cpt_masks[cpt_count], GFP_KERNEL))
		return -ENOMEM;
	cpt_count++;
	return 0;
}

/* Also right for CPUs that are not online, unlike cpumask_of_node(). */
static int numa_of_cpu(unsigned int cpu)
{
	int n = cpu_to_node(cpu);

	return n == NUMA_NO_NODE ? first_online_node : n;
}

/* Adds a NUMA node's possible CPUs to a set; returns how many it had. */
static unsigned int add_numa_cpus(struct cpumask *mask, int n)
{
	unsigned int cpu, count = 0;

	for_each_possible_cpu(cpu)
	{
		if (numa_of_cpu(cpu) != n)
			continue;
		if (mask)
			cpumask_set_cpu(cpu, mask);
		count++;
	}
	return count;
}

static int split_by_numa(void)
{
	int n, rc;

	for_each_node(n)
	{
		if (!add_numa_cpus(NULL, n))
			continue;
		rc = add_partition();
		if (rc)
			return rc;
		add_numa_cpus(cpt_masks[cpt_count - 1], n);
	}
	return 0;
}

/* Neighbours in the order of NUMA nodes stay together. */
static int split_evenly(unsigned int want)
{
	unsigned int cpus = num_possible_cpus(), limit = min_t(unsigned int, cpus, CPT_MAX);
	unsigned int cpu, done = 0;
	int n, rc;

	if (want > limit) {
		pr_warn("LNet: libcfs: cpu_npartitions=%u lowered to %u\n", want, limit);
		want = limit;
	}
	while (cpt_count < want) {
		rc = add_partition();
		if (rc)
			return rc;
	}
	for_each_node(n)
	{
		for_each_possible_cpu(cpu)
		{
			if (numa_of_cpu(cpu) != n)
				continue;
			cpumask_set_cpu(cpu, cpt_masks[done * want / cpus]);
			done++;
		}
	}
	return 0;
}

/* One "number[list]" of a pattern, numbers counting up from 0. */
static int pattern_entry(char *entry, bool numa)
{
	char *list = strchr(entry, '['), *end;
	struct cpumask *mask;
	nodemask_t nodes;
	unsigned int index;
	int rc, n;

	if (!list)
		return -EINVAL;
	*list++ = '\0';
	end = strchr(list, ']');
	if (!end || end[1] != '\0')
		return -EINVAL;
	*end = '\0';
	if (kstrtouint(entry, 10, &index) || index != cpt_count)
		return -EINVAL;
	rc = add_partition();
	if (rc)
		return rc;
	mask = cpt_masks[index];
	if (!numa)
		return cpulist_parse(list, mask);
	rc = nodelist_parse(list, nodes);
	if (rc)
		return rc;
	for_each_node_mask(n, nodes) add_numa_cpus(mask, n);
	return 0;
}

static int split_by_pattern(char *text)
{
	bool numa = false;
	char *word;
	int rc;

	while ((word = strsep(&text, " ")) != NULL) {
		if (*word == '\0')
			continue;
		if (!cpt_count && !numa && (!strcmp(word, "N") || !strcmp(word, "n"))) {
			numa = true;
			continue;
		}
		rc = pattern_entry(word, numa);
		if (rc)
			return rc;
	}
	return cpt_count ? 0 : split_by_numa();
}

/* Fills cpt_of_cpu, and refuses sets that are empty, overlap or leave a CPU out. */
static int index_cpus(void)
{
	unsigned int i, cpu, left = num_possible_cpus();

	for (i = 0; i < cpt_count; i++) {
		if (cpumask_empty(cpt_masks[i]) || !cpumask_subset(cpt_masks[i], cpu_possible_mask))
			return -EINVAL;
		for_each_cpu(cpu, cpt_masks[i]) cpt_of_cpu[cpu] = i;
		left -= min(left, cpumask_weight(cpt_masks[i]));
	}
	for (i = 0; i < cpt_count; i++)
		for_each_cpu(cpu, cpt_masks[i]) if (cpt_of_cpu[cpu] != i) return -EINVAL;
	return left ? -EINVAL : 0;
}

int cfs_cpt_init(void)
{
	char *text;
	int rc;

	cpt_of_cpu = kzalloc(nr_cpu_ids, GFP_KERNEL);
	text = kstrdup(cpu_pattern, GFP_KERNEL);
	if (!cpt_of_cpu || !text)
		rc = -ENOMEM;
	else if (cpu_npartitions > 0)
		rc = split_evenly(cpu_npartitions);
	else
		rc = split_by_pattern(text);
	kfree(text);
	if (!rc)
		rc = index_cpus();
	if (rc) {
		if (rc != -ENOMEM)
			pr_err("LNetError: libcfs: cpu_pattern '%s' does not put every CPU into "
			       "exactly one partition\n",
			       cpu_pattern);
		cfs_cpt_exit();
	}
	return rc;
}

void cfs_cpt_exit(void)
{
	while (cpt_count)
		free_cpumask_var(cpt_masks[--cpt_count]);
	kfree(cpt_of_cpu);
	cpt_of_cpu = NULL;
}

const struct cpumask *cfs_cpt_mask(int cpt)
{
	return cpt >= 0 && cpt < cpt_count ? cpt_masks[cpt] : NULL;
}

int cfs_cpt_numa(int cpt)
{
	const struct cpumask *mask = cfs_cpt_mask(cpt);

	return mask ? cpu_to_node(cpumask_first(mask)) : NUMA_NO_NODE;
}

unsigned int cfs_cpu_count(void)
{
	return nr_cpu_ids;
}

unsigned int cfs_cpu_current(void)
{
	return raw_smp_processor_id();
}

unsigned int cfs_cpt_count(void)
{
	return cpt_count;
}

unsigned int cfs_cpt_current(void)
{
	return cpt_of_cpu[raw_smp_processor_id()];
}

unsigned int cfs_cpt_weight(unsigned int cpt)
{
	return cpt < cpt_count ? cpumask_weight(cpt_masks[cpt]) : 0;
}
