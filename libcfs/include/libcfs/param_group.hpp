// SPDX-License-Identifier: GPL-2.0
//
// The inside of libcfs/params.hpp: open folders, their files, and the machine's list of them. Only
// libcfs includes it.
#pragma once

#include "libcfs/containers.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/params.hpp"

namespace cfs
{

inline constexpr std::size_t kParamNameMax = 128; ///< of a folder, with its NUL
inline constexpr unsigned kParamDepthMax = 8;	  ///< folders below the root

/// One file: a declared parameter of one object.
struct ParamFile {
	const ParamInfo *info = nullptr;
	void *obj = nullptr;
	cfs_param_group *group = nullptr;
	cfs_pfile *file = nullptr;
};

/// The files that one ParamGroup::add() made.
struct ParamFiles {
	static constexpr cfs_subsys kSubsys = CFS_S_LIBCFS;

	SListHook in_group;
	Array<ParamFile> files;
};

} // namespace cfs

struct cfs_param_group {
	static constexpr cfs_subsys kSubsys = CFS_S_LIBCFS;

	cfs::ListHook in_machine; // the machine's groups_lock
	cfs_node *node = nullptr;
	cfs_param_group *parent = nullptr; // null in a root
	unsigned depth = 0;
	unsigned children = 0; // the machine's groups_lock
	char name[cfs::kParamNameMax] = {};
	/// Made when the first file of the tree needs them; the machine's groups_lock.
	cfs_pdir *dirs[CFS_PTREE_COUNT] = {};
	/// The owner's alone, as add() and close() are never called at once.
	cfs::SList<cfs::ParamFiles, &cfs::ParamFiles::in_group> blocks;

	[[nodiscard]] const cfs::ParamFile *find(std::string_view name) const noexcept;
	/// osc.lustre-OST0000-osc-ffff; empty for a root.
	void print_path(cfs::FormatSink &out) const noexcept;
};

namespace cfs
{

using ParamGroups = List<cfs_param_group, &cfs_param_group::in_machine>;

/// All parameters of the machine: f(group, info) for each, with the list locked: f must not open or
/// close folders.
template <typename F>
void for_each_param(const ParamGroups &groups, F f) noexcept
{
	for (const cfs_param_group &g : groups)
		for (const ParamFiles &block : g.blocks)
			for (const ParamFile &file : block.files)
				f(g, *file.info);
}

} // namespace cfs
