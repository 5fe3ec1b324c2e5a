// SPDX-License-Identifier: GPL-2.0
//
// What other modules may call: the whole boundary, C glue and C++ core alike. In C, because the
// kernel's tool for symbol versions reads the declarations.
#include <linux/export.h>

#include "glue.h"
#include "libcfs/plat/base.h"
#include "libcfs/plat/core.h"
#include "libcfs/plat/csum.h"
#include "libcfs/plat/file.h"
#include "libcfs/plat/lock.h"
#include "libcfs/plat/log.h"
#include "libcfs/plat/mem.h"
#include "libcfs/plat/page.h"
#include "libcfs/plat/param.h"
#include "libcfs/plat/thread.h"
#include "libcfs/plat/wait.h"
#include "node.h"

/* base.h */
EXPORT_SYMBOL_GPL(cfs_node_name);
EXPORT_SYMBOL_GPL(cfs_bug);

/* mem.h */
EXPORT_SYMBOL_GPL(cfs_alloc);
EXPORT_SYMBOL_GPL(cfs_free);
EXPORT_SYMBOL_GPL(cfs_free_rcu);
EXPORT_SYMBOL_GPL(cfs_cache_create);
EXPORT_SYMBOL_GPL(cfs_cache_destroy);
EXPORT_SYMBOL_GPL(cfs_cache_alloc);
EXPORT_SYMBOL_GPL(cfs_cache_free);
EXPORT_SYMBOL_GPL(cfs_mem_usage);
EXPORT_SYMBOL_GPL(cfs_mem_total);

/* lock.h */
EXPORT_SYMBOL_GPL(cfs_spin_init);
EXPORT_SYMBOL_GPL(cfs_spin_fini);
EXPORT_SYMBOL_GPL(cfs_spin_lock);
EXPORT_SYMBOL_GPL(cfs_spin_trylock);
EXPORT_SYMBOL_GPL(cfs_spin_unlock);
EXPORT_SYMBOL_GPL(cfs_spin_held);
EXPORT_SYMBOL_GPL(cfs_mutex_init);
EXPORT_SYMBOL_GPL(cfs_mutex_fini);
EXPORT_SYMBOL_GPL(cfs_mutex_lock);
EXPORT_SYMBOL_GPL(cfs_mutex_lock_killable);
EXPORT_SYMBOL_GPL(cfs_mutex_trylock);
EXPORT_SYMBOL_GPL(cfs_mutex_unlock);
EXPORT_SYMBOL_GPL(cfs_mutex_held);
EXPORT_SYMBOL_GPL(cfs_rwsem_init);
EXPORT_SYMBOL_GPL(cfs_rwsem_fini);
EXPORT_SYMBOL_GPL(cfs_rwsem_read_lock);
EXPORT_SYMBOL_GPL(cfs_rwsem_read_trylock);
EXPORT_SYMBOL_GPL(cfs_rwsem_read_unlock);
EXPORT_SYMBOL_GPL(cfs_rwsem_write_lock);
EXPORT_SYMBOL_GPL(cfs_rwsem_write_trylock);
EXPORT_SYMBOL_GPL(cfs_rwsem_write_unlock);
EXPORT_SYMBOL_GPL(cfs_rwsem_downgrade);
EXPORT_SYMBOL_GPL(cfs_rwsem_held);
EXPORT_SYMBOL_GPL(cfs_rcu_read_lock);
EXPORT_SYMBOL_GPL(cfs_rcu_read_unlock);
EXPORT_SYMBOL_GPL(cfs_rcu_synchronize);
EXPORT_SYMBOL_GPL(cfs_rcu_barrier);

/* wait.h */
EXPORT_SYMBOL_GPL(cfs_waitq_init);
EXPORT_SYMBOL_GPL(cfs_waitq_fini);
EXPORT_SYMBOL_GPL(cfs_wait_prepare);
EXPORT_SYMBOL_GPL(cfs_wait_block);
EXPORT_SYMBOL_GPL(cfs_wait_finish);
EXPORT_SYMBOL_GPL(cfs_wake_one);
EXPORT_SYMBOL_GPL(cfs_wake_all);

/* thread.h */
EXPORT_SYMBOL_GPL(cfs_thread_start);
EXPORT_SYMBOL_GPL(cfs_thread_join);
EXPORT_SYMBOL_GPL(cfs_thread_self);
EXPORT_SYMBOL_GPL(cfs_thread_pid);
EXPORT_SYMBOL_GPL(cfs_thread_comm);
EXPORT_SYMBOL_GPL(cfs_thread_killed);
EXPORT_SYMBOL_GPL(cfs_yield);
EXPORT_SYMBOL_GPL(cfs_sleep_until);
EXPORT_SYMBOL_GPL(cfs_node_current);
EXPORT_SYMBOL_GPL(cfs_may_sleep);
EXPORT_SYMBOL_GPL(cfs_cpu_count);
EXPORT_SYMBOL_GPL(cfs_cpu_current);
EXPORT_SYMBOL_GPL(cfs_cpt_count);
EXPORT_SYMBOL_GPL(cfs_cpt_current);
EXPORT_SYMBOL_GPL(cfs_cpt_weight);
EXPORT_SYMBOL_GPL(cfs_workq_create);
EXPORT_SYMBOL_GPL(cfs_workq_destroy);
EXPORT_SYMBOL_GPL(cfs_workq_flush);
EXPORT_SYMBOL_GPL(cfs_work_init);
EXPORT_SYMBOL_GPL(cfs_work_queue);
EXPORT_SYMBOL_GPL(cfs_work_cancel_sync);
EXPORT_SYMBOL_GPL(cfs_dwork_init);
EXPORT_SYMBOL_GPL(cfs_dwork_arm);
EXPORT_SYMBOL_GPL(cfs_dwork_cancel_sync);
EXPORT_SYMBOL_GPL(cfs_now_ns);
EXPORT_SYMBOL_GPL(cfs_real_ns);
EXPORT_SYMBOL_GPL(cfs_random_bytes);

/* page.h */
EXPORT_SYMBOL_GPL(cfs_page_alloc);
EXPORT_SYMBOL_GPL(cfs_page_free);
EXPORT_SYMBOL_GPL(cfs_page_get);
EXPORT_SYMBOL_GPL(cfs_page_put);
EXPORT_SYMBOL_GPL(cfs_page_map);
EXPORT_SYMBOL_GPL(cfs_page_unmap);
EXPORT_SYMBOL_GPL(cfs_page_of);

/* csum.h */
EXPORT_SYMBOL_GPL(cfs_crc32);
EXPORT_SYMBOL_GPL(cfs_crc32c);
EXPORT_SYMBOL_GPL(cfs_adler32);
EXPORT_SYMBOL_GPL(cfs_crc_t10dif);
EXPORT_SYMBOL_GPL(cfs_ip_csum);

/* param.h */
EXPORT_SYMBOL_GPL(cfs_psink_write);
EXPORT_SYMBOL_GPL(cfs_pdir_root);
EXPORT_SYMBOL_GPL(cfs_pdir_add);
EXPORT_SYMBOL_GPL(cfs_pdir_del);
EXPORT_SYMBOL_GPL(cfs_pfile_add);
EXPORT_SYMBOL_GPL(cfs_pfile_del);

/* file.h */
EXPORT_SYMBOL_GPL(cfs_file_create);
EXPORT_SYMBOL_GPL(cfs_file_write);
EXPORT_SYMBOL_GPL(cfs_file_close);

/* log.h */
EXPORT_SYMBOL_GPL(cfs_console);
EXPORT_SYMBOL_GPL(cfs_dump_stack);
EXPORT_SYMBOL_GPL(cfs_machine_get);
EXPORT_SYMBOL_GPL(cfs_log_wanted);
EXPORT_SYMBOL_GPL(cfs_log_emit);
EXPORT_SYMBOL_GPL(cfs_log_dump_default);

/* core.h */
EXPORT_SYMBOL_GPL(cfs_core_catastrophe);
EXPORT_SYMBOL_GPL(cfs_core_stats_header);
EXPORT_SYMBOL_GPL(cfs_fail_check);
EXPORT_SYMBOL_GPL(cfs_fail_timeout);
EXPORT_SYMBOL_GPL(cfs_fail_race);
EXPORT_SYMBOL_GPL(cfs_fail_err);
EXPORT_SYMBOL_GPL(cfs_param_root_open);
EXPORT_SYMBOL_GPL(cfs_param_group_open);
EXPORT_SYMBOL_GPL(cfs_param_group_close);
EXPORT_SYMBOL_GPL(cfs_param_add);
EXPORT_SYMBOL_GPL(cfs_param_set);
EXPORT_SYMBOL_GPL(cfs_param_find);
EXPORT_SYMBOL_GPL(cfs_param_parse_mask);
EXPORT_SYMBOL_GPL(cfs_core_param_set);
EXPORT_SYMBOL_GPL(cfs_core_param_get);
EXPORT_SYMBOL_GPL(cfs_log_clear);
EXPORT_SYMBOL_GPL(cfs_log_mark);
EXPORT_SYMBOL_GPL(cfs_core_node_get);
EXPORT_SYMBOL_GPL(cfs_core_node_find);
EXPORT_SYMBOL_GPL(cfs_core_node_put);
EXPORT_SYMBOL_GPL(cfs_core_node_free);
EXPORT_SYMBOL_GPL(cfs_core_nodes_drop);

/* node.h */
EXPORT_SYMBOL_GPL(cfs_node_for_net);
EXPORT_SYMBOL_GPL(cfs_node_get);
EXPORT_SYMBOL_GPL(cfs_node_put);
EXPORT_SYMBOL_GPL(cfs_node_net);

/* glue.h */
EXPORT_SYMBOL_GPL(cfs_mem_set_refuser);
