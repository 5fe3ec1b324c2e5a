// SPDX-License-Identifier: GPL-2.0
//
// The parameter files of one hosted node. One mutex guards the shape; files being shown or stored
// are counted, and removing a file waits for that count, as the kernel does.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "libcfs/plat/param.h"
#include "libcfs/plat/wait.h"

namespace cfs::hosted
{
class ParamTree;
}

struct cfs_pfile {
	cfs_pdir *dir;
	std::string name;
	unsigned mode;
	const cfs_pfile_ops *ops;
	void *ctx;
	unsigned running = 0; // calls of show and store under way
	bool dying = false;   // no new ones
};

struct cfs_pdir {
	cfs::hosted::ParamTree *tree;
	cfs_pdir *parent;
	std::string name;
	unsigned users = 1;	// its creator, or the top folders at or below it
	unsigned top_users = 0; // handles that cfs_pdir_root() gave out
	std::map<std::string, std::unique_ptr<cfs_pdir>, std::less<>> dirs{};
	std::map<std::string, std::unique_ptr<cfs_pfile>, std::less<>> files{};

	[[nodiscard]] std::string path() const;
};

namespace cfs::hosted
{

class ParamTree
{
public:
	ParamTree();
	~ParamTree() = default;

	[[nodiscard]] bool empty();

	std::mutex lock;
	cfs_waitq_t idle; // woken when a file's `running` becomes 0
	std::array<std::unique_ptr<cfs_pdir>, CFS_PTREE_COUNT> roots;
};

} // namespace cfs::hosted
