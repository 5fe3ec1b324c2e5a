// SPDX-License-Identifier: GPL-2.0
//
// Parameter files in memory.
#include "libcfs/host/params.hpp"

#include <cerrno>
#include <optional>

#include "libcfs/host/common/params_tree.hpp"
#include "libcfs/host/common/task.hpp"
#include "libcfs/plat/page.h"

using namespace cfs::hosted;

/// A sink of limited size, which notes that it ran over.
struct cfs_psink {
	std::string text;
	std::size_t limit;
	bool over = false;
};

std::string cfs_pdir::path() const
{
	if (!parent)
		return "";
	std::string up = parent->path();
	return up.empty() ? name : up + "/" + name;
}

namespace cfs::hosted
{

ParamTree::ParamTree()
{
	static constinit cfs_lock_class cls{"hosted parameter files", {}};
	cfs_waitq_init(&idle, &cls);
	for (auto &r : roots)
		r = std::make_unique<cfs_pdir>(cfs_pdir{this, nullptr, ""});
}

bool ParamTree::empty()
{
	std::lock_guard g(lock);
	for (auto &r : roots)
		if (!r->dirs.empty() || !r->files.empty())
			return false;
	return true;
}

} // namespace cfs::hosted

namespace
{

std::string_view next_part(std::string_view &path)
{
	auto slash = path.find('/');
	auto part = path.substr(0, slash);
	path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
	return part;
}

ParamTree &tree_of(cfs_node *node)
{
	return *node_or_default(node)->params;
}

cfs_pdir *find_dir(cfs_pdir *d, std::string_view path)
{
	while (d && !path.empty()) {
		auto it = d->dirs.find(next_part(path));
		d = it == d->dirs.end() ? nullptr : it->second.get();
	}
	return d;
}

cfs_pfile *find_file(cfs_pdir *root, std::string_view path)
{
	auto slash = path.rfind('/');
	auto *d = slash == std::string_view::npos ? root : find_dir(root, path.substr(0, slash));
	if (!d)
		return nullptr;
	auto it = d->files.find(slash == std::string_view::npos ? path : path.substr(slash + 1));
	return it == d->files.end() || it->second->dying ? nullptr : it->second.get();
}

// A file held against removal while it is shown or stored.
class RunningFile
{
	ParamTree &tree_;
	cfs_pfile *f_;

public:
	RunningFile(ParamTree &t, cfs_ptree tree, std::string_view path) : tree_(t)
	{
		std::lock_guard g(t.lock);
		f_ = find_file(t.roots[tree].get(), path);
		if (f_)
			f_->running++;
	}
	~RunningFile()
	{
		if (!f_)
			return;
		{
			std::lock_guard g(tree_.lock);
			f_->running--;
		}
		cfs_wake_all(&tree_.idle);
	}
	RunningFile(const RunningFile &) = delete;
	RunningFile &operator=(const RunningFile &) = delete;
	cfs_pfile *operator->() const { return f_; }
	explicit operator bool() const { return f_ != nullptr; }
};

void collect(const cfs_pdir *d, std::vector<cfs::host::ParamFile> *files,
	     std::vector<std::string> *folders)
{
	std::string here = d->path();
	std::string prefix = here.empty() ? "" : here + "/";
	if (files)
		for (auto &[name, f] : d->files)
			files->push_back({prefix + name, f->mode});
	for (auto &[name, sub] : d->dirs) {
		if (folders)
			folders->push_back(prefix + name);
		collect(sub.get(), files, folders);
	}
}

// One component of a shared path, made when missing.
cfs_pdir *share_dir(cfs_pdir *d, std::string_view name)
{
	auto it = d->dirs.find(name);
	if (it != d->dirs.end()) {
		it->second->users++;
		return it->second.get();
	}
	auto sub = std::make_unique<cfs_pdir>(cfs_pdir{d->tree, d, std::string(name)});
	auto *p = sub.get();
	d->dirs.emplace(name, std::move(sub));
	return p;
}

} // namespace

namespace cfs::host
{

std::vector<ParamFile> param_list(cfs_node *node, cfs_ptree tree, std::string_view below)
{
	ParamTree &t = tree_of(node);
	std::lock_guard g(t.lock);
	std::vector<ParamFile> out;
	if (auto *d = find_dir(t.roots[tree].get(), below))
		collect(d, &out, nullptr);
	return out;
}

std::vector<std::string> param_folders(cfs_node *node, cfs_ptree tree, std::string_view below)
{
	ParamTree &t = tree_of(node);
	std::lock_guard g(t.lock);
	std::vector<std::string> out;
	if (auto *d = find_dir(t.roots[tree].get(), below))
		collect(d, nullptr, &out);
	return out;
}

Result<std::string> param_get(cfs_node *node, cfs_ptree tree, std::string_view path)
{
	may_block("param_get");
	RunningFile f(tree_of(node), tree, path);
	if (!f)
		return fail(err::NOENT);
	if (!(f->mode & 0444) || !f->ops->show)
		return fail(err::ACCES);
	for (std::size_t limit = 64;; limit *= 8) {
		cfs_psink sink{{}, limit};
		int rc = f->ops->show(f->ctx, &sink);
		if (rc < 0)
			return fail(Errno{-rc});
		if (!sink.over)
			return std::move(sink.text);
		if (tree == CFS_PTREE_SYSFS && limit >= CFS_PAGE_SIZE)
			return fail(err::TOOBIG);
	}
}

Result<> param_set(cfs_node *node, cfs_ptree tree, std::string_view path, std::string_view text)
{
	may_block("param_set");
	RunningFile f(tree_of(node), tree, path);
	if (!f)
		return fail(err::NOENT);
	if (!(f->mode & 0222) || !f->ops->store)
		return fail(err::ACCES);
	std::string copy(text);
	int rc = f->ops->store(f->ctx, copy.c_str(), copy.size());
	return to_result(rc);
}

} // namespace cfs::host

extern "C" {

void cfs_psink_write(cfs_psink *s, const char *text, size_t n) noexcept
{
	if (s->text.size() + n > s->limit) {
		s->over = true;
		return;
	}
	s->text.append(text, n);
}

int cfs_pdir_root(cfs_node *node, enum cfs_ptree tree, const char *path, cfs_pdir **out) noexcept
{
	may_block("cfs_pdir_root");
	if (inject_failure())
		return -ENOMEM;
	ParamTree &t = tree_of(node);
	std::lock_guard g(t.lock);
	cfs_pdir *d = t.roots[tree].get();
	for (std::string_view rest = path; !rest.empty();)
		d = share_dir(d, next_part(rest));
	d->top_users++;
	*out = d;
	return 0;
}

int cfs_pdir_add(cfs_pdir *parent, const char *name, cfs_pdir **out) noexcept
{
	may_block("cfs_pdir_add");
	if (!*name || std::string_view(name).contains('/'))
		return -EINVAL;
	if (inject_failure())
		return -ENOMEM;
	std::lock_guard g(parent->tree->lock);
	if (parent->dirs.contains(name) || parent->files.contains(name))
		return -EEXIST;
	*out = share_dir(parent, name);
	return 0;
}

void cfs_pdir_del(cfs_pdir *d) noexcept
{
	if (!d)
		return;
	may_block("cfs_pdir_del");
	std::lock_guard g(d->tree->lock);
	// A top folder holds what leads to it; any other folder only itself.
	bool top = d->top_users > 0;
	if (top)
		d->top_users--;
	for (cfs_pdir *up = d->parent; up; d = up, up = d->parent) {
		if (--d->users == 0) {
			if (!d->dirs.empty() || !d->files.empty())
				misuse("cfs_pdir_del(): folder " + d->path() + " is not empty");
			up->dirs.erase(d->name);
		}
		if (!top)
			break;
	}
}

int cfs_pfile_add(cfs_pdir *d, const char *name, unsigned int mode, const cfs_pfile_ops *ops,
		  void *ctx, cfs_pfile **out) noexcept
{
	may_block("cfs_pfile_add");
	if (!*name || std::string_view(name).contains('/') ||
	    (mode != 0444 && mode != 0644 && mode != 0200))
		return -EINVAL;
	if (inject_failure())
		return -ENOMEM;
	std::lock_guard g(d->tree->lock);
	if (d->dirs.contains(name) || d->files.contains(name))
		return -EEXIST;
	auto f = std::make_unique<cfs_pfile>(cfs_pfile{d, name, mode, ops, ctx});
	*out = f.get();
	d->files.emplace(name, std::move(f));
	return 0;
}

void cfs_pfile_del(cfs_pfile *f) noexcept
{
	if (!f)
		return;
	may_block("cfs_pfile_del");
	ParamTree &t = *f->dir->tree;
	{
		std::lock_guard g(t.lock);
		f->dying = true;
	}
	cfs_waitent_t e{};
	for (;;) {
		cfs_wait_prepare(&t.idle, &e, CFS_WAIT_IDLE);
		{
			std::lock_guard g(t.lock);
			if (f->running == 0)
				break;
		}
		cfs_wait_block(&e, CFS_WAIT_IDLE, CFS_NEVER);
	}
	cfs_wait_finish(&t.idle, &e);
	std::lock_guard g(t.lock);
	f->dir->files.erase(f->name);
}

} // extern "C"
