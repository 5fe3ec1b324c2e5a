// SPDX-License-Identifier: GPL-2.0
//
// Parameter folders and files; see libcfs/params.hpp.
//
// Locking: groups_lock of the machine protects the list of folders and the making of the platform's
// folders. It is never held while files are removed, since that waits for handlers, and a handler
// may open folders.
#include "libcfs/params.hpp"

#include "libcfs/log.hpp"
#include "libcfs/machine.hpp"

namespace cfs
{

namespace
{

/// Formatted text on its way to the platform, noting whether it ended in a newline.
class SinkAdapter
{
	cfs_psink *sink_;
	char last_ = '\n';
	char buf_[256];

	static void drain(void *ctx, const char *text, std::size_t n) noexcept
	{
		auto *self = static_cast<SinkAdapter *>(ctx);
		cfs_psink_write(self->sink_, text, n);
		self->last_ = text[n - 1];
	}

public:
	FormatSink out{buf_, drain, this};

	explicit SinkAdapter(cfs_psink *sink) noexcept : sink_(sink) {}
	/// Every file ends with a newline (spec 08 section 7.1), unless it is empty.
	void finish(bool always_a_line) noexcept
	{
		out.flush();
		if (last_ != '\n' || always_a_line)
			cfs_psink_write(sink_, "\n", 1);
	}
};

int show_file(void *ctx, cfs_psink *sink) noexcept
{
	auto *f = static_cast<ParamFile *>(ctx);
	if (!f->info->show)
		return to_rc(err::ACCES);
	SinkAdapter adapter(sink);
	auto r = f->info->show(*f->info, f->obj, adapter.out);
	if (!r)
		return to_rc(r);
	adapter.finish(f->info->type != ParamType::text);
	return 0;
}

std::string_view type_name(ParamType t) noexcept
{
	switch (t) {
	case ParamType::integer:
		return "number";
	case ParamType::boolean:
		return "0 or 1";
	case ParamType::size:
		return "size";
	case ParamType::duration:
		return "duration";
	case ParamType::percent:
		return "percentage";
	case ParamType::choice:
		return "word";
	case ParamType::mask:
		return "set of words";
	case ParamType::text:
		break;
	}
	return "text";
}

bool has_range(ParamType t) noexcept
{
	return t == ParamType::integer || t == ParamType::size || t == ParamType::duration ||
	       t == ParamType::percent;
}

std::string_view unit_of(const ParamInfo &info) noexcept
{
	if (info.type == ParamType::size)
		return info.spec.scale == kScaleMiB   ? "MiB"
		       : info.spec.scale == kScaleKiB ? "KiB"
						      : "bytes";
	if (info.type == ParamType::duration && !*info.spec.unit)
		return info.spec.scale == kScaleSec    ? "seconds"
		       : info.spec.scale == kScaleMsec ? "milliseconds"
		       : info.spec.scale == kScaleUsec ? "microseconds"
						       : "nanoseconds";
	return info.spec.unit;
}

/// The range as users see it.
struct ParamRange {
	const ParamInfo &info;
};
void format_value(FormatSink &out, const ParamRange &r) noexcept
{
	out.print("{}..", r.info.spec.min);
	if (r.info.spec.max != UINT64_MAX)
		out.print("{}", r.info.spec.max);
}

void complain(const ParamFile &f, std::string_view text, Errno why) noexcept
{
	char path_buf[2 * kParamNameMax];
	FormatSink path(path_buf);
	f.group->print_path(path);
	if (path.size())
		path.put('.');
	path.put(f.info->spec.name);
	if (why == err::RANGE && has_range(f.info->type))
		LCONSOLE_WARN(CFS_S_CLASS, "{}: {:.64e} is out of range {} {}", path.text(),
			      trim(text), ParamRange{*f.info}, unit_of(*f.info));
	else
		LCONSOLE_WARN(CFS_S_CLASS, "{}: cannot set to '{:.64e}', which should be a {}: {}",
			      path.text(), trim(text), type_name(f.info->type), why);
}

Result<> store_file(const ParamFile &f, std::string_view text) noexcept
{
	if (!f.info->store)
		return fail(err::ACCES);
	auto r = f.info->store(*f.info, f.obj, text);
	if (!r && (r.error() == err::RANGE || r.error() == err::INVAL))
		complain(f, text, r.error());
	return r;
}

int store_file_op(void *ctx, const char *text, std::size_t n) noexcept
{
	return to_rc(store_file(*static_cast<ParamFile *>(ctx), {text, n}));
}

constexpr cfs_pfile_ops kFileOps = {show_file, store_file_op};

// ---- folders ----

struct RootPath {
	std::string_view name;
	const char *path[CFS_PTREE_COUNT];
};
constexpr RootPath kRoots[] = {
	{"lustre", {"fs/lustre", "lustre"}},
	{"lnet", {"fs/lnet", "lnet"}},
};

const RootPath *find_root(std::string_view name) noexcept
{
	for (const RootPath &r : kRoots)
		if (r.name == name)
			return &r;
	return nullptr;
}

/// The platform's folder of a group, made with those above it when missing.
Result<cfs_pdir *> dir_of(cfs_param_group *g, cfs_ptree tree) noexcept
{
	cfs_param_group *chain[kParamDepthMax + 1];
	unsigned n = 0;
	for (; g && !g->dirs[tree]; g = g->parent) {
		CFS_ASSERT(n <= kParamDepthMax);
		chain[n++] = g;
	}
	cfs_pdir *above = g ? g->dirs[tree] : nullptr;
	while (n-- > 0) {
		cfs_param_group *c = chain[n];
		int rc = c->parent ? cfs_pdir_add(above, c->name, &c->dirs[tree])
				   : cfs_pdir_root(c->node, tree, find_root(c->name)->path[tree],
						   &c->dirs[tree]);
		TRY(to_result(rc));
		above = c->dirs[tree];
	}
	return above;
}

Result<cfs_param_group *> open_group(cfs_node *node, cfs_param_group *parent,
				     std::string_view name) noexcept
{
	cfs_machine *m = cfs_machine_get();
	if (!m)
		return fail(err::SHUTDOWN);
	if (name.empty() || name.find('/') != std::string_view::npos)
		return fail(err::INVAL);
	if (name.size() >= kParamNameMax)
		return fail(err::NAMETOOLONG);
	if (parent && parent->depth == kParamDepthMax)
		return fail(err::LOOP);
	UniquePtr<cfs_param_group> g = TRY(try_make<cfs_param_group>());
	format_cstr(g->name, "{}", name);
	g->node = node;
	g->parent = parent;
	g->depth = parent ? parent->depth + 1 : 0;
	MutexGuard guard(m->groups_lock);
	// The platform would refuse it, too, but loudly, and only with the first file.
	for (const cfs_param_group &other : m->groups)
		if (parent && other.parent == parent && name == std::string_view(other.name))
			return fail(err::EXIST);
	if (parent)
		parent->children++;
	m->groups.push_back(*g);
	return g.release();
}

void close_group(cfs_param_group *g) noexcept
{
	cfs_machine *m = cfs_machine_get();
	CFS_ASSERT(m);
	{
		MutexGuard guard(m->groups_lock);
		CFS_ASSERT(g->children == 0);
		m->groups.erase(m->groups.iterator_to(*g));
	}
	g->blocks.clear_and_dispose([](ParamFiles *b) noexcept {
		for (ParamFile &f : b->files)
			cfs_pfile_del(f.file);
		UniquePtr<ParamFiles>(b).reset();
	});
	for (cfs_pdir *d : g->dirs)
		if (d)
			cfs_pdir_del(d);
	if (g->parent) {
		MutexGuard guard(m->groups_lock);
		g->parent->children--;
	}
	UniquePtr<cfs_param_group>(g).reset();
}

Result<> make_file(cfs_param_group *g, ParamFile &f, const ParamInfo &info, void *obj) noexcept
{
	cfs_machine *m = cfs_machine_get();
	CFS_ASSERT(m);
	cfs_pdir *dir = nullptr;
	{
		MutexGuard guard(m->groups_lock);
		dir = TRY(dir_of(g, info.spec.tree));
	}
	f.info = &info;
	f.obj = obj;
	f.group = g;
	return to_result(cfs_pfile_add(dir, info.spec.name, info.mode, &kFileOps, &f, &f.file));
}

Result<> add_params(cfs_param_group *g, std::span<const ParamInfo> params, void *obj) noexcept
{
	cfs_machine *m = cfs_machine_get();
	CFS_ASSERT(m);
	UniquePtr<ParamFiles> block = TRY(try_make<ParamFiles>());
	block->files = TRY(Array<ParamFile>::make(CFS_S_LIBCFS, params.size()));
	for (std::size_t i = 0; i < params.size(); i++) {
		auto r = make_file(g, block->files[i], params[i], obj);
		if (r)
			continue;
		while (i-- > 0)
			cfs_pfile_del(block->files[i].file);
		return r;
	}
	MutexGuard guard(m->groups_lock);
	g->blocks.push_back(*block.release());
	return {};
}

} // namespace

void print_param_doc(FormatSink &out, std::string_view group, const ParamInfo &info) noexcept
{
	const ParamSpec &s = info.spec;
	out.print("{}{}{} ({}, {}", group, group.empty() ? "" : ".", s.name, type_name(info.type),
		  info.mode == 0644   ? "read and write"
		  : info.mode == 0444 ? "read only"
				      : "write only");
	if (auto unit = unit_of(info); !unit.empty())
		out.print(", {}", unit);
	if (has_range(info.type) && info.store) {
		out.print(", {}", ParamRange{info});
		out.print(", default {}", s.by_default);
	}
	if (info.type == ParamType::boolean && info.store)
		out.print(", default {}", s.by_default);
	if (info.type == ParamType::choice) {
		out.put(", one of");
		for (std::string_view w : s.words)
			out.print(" {}", w);
	}
	out.print("): {}\n", s.doc);
}

} // namespace cfs

const cfs::ParamFile *cfs_param_group::find(std::string_view wanted) const noexcept
{
	for (const cfs::ParamFiles &block : blocks)
		for (const cfs::ParamFile &f : block.files)
			if (wanted == f.info->spec.name)
				return &f;
	return nullptr;
}

void cfs_param_group::print_path(cfs::FormatSink &out) const noexcept
{
	const cfs_param_group *chain[cfs::kParamDepthMax];
	unsigned n = 0;
	for (const cfs_param_group *g = this; g->parent; g = g->parent)
		chain[n++] = g;
	for (unsigned i = n; i-- > 0;)
		out.print("{}{}", chain[i]->name, i ? "." : "");
}

int cfs_param_root_open(cfs_node *node, const char *name, std::size_t n,
			cfs_param_group **out) noexcept
{
	if (!cfs::find_root({name, n}))
		return to_rc(cfs::err::INVAL);
	auto g = cfs::open_group(node, nullptr, {name, n});
	if (g)
		*out = *g;
	return to_rc(g);
}

int cfs_param_group_open(cfs_param_group *parent, const char *name, std::size_t n,
			 cfs_param_group **out) noexcept
{
	CFS_ASSERT(parent);
	auto g = cfs::open_group(parent->node, parent, {name, n});
	if (g)
		*out = *g;
	return to_rc(g);
}

void cfs_param_group_close(cfs_param_group *g) noexcept
{
	cfs::close_group(g);
}

int cfs_param_add(cfs_param_group *g, const cfs_param_info *params, std::size_t count,
		  void *obj) noexcept
{
	return to_rc(cfs::add_params(g, {params, count}, obj));
}

int cfs_param_set(cfs_param_group *g, const char *name, std::size_t n, const char *value,
		  std::size_t value_n) noexcept
{
	const cfs::ParamFile *f = g->find({name, n});
	if (!f)
		return to_rc(cfs::err::NOENT);
	return to_rc(cfs::store_file(*f, {value, value_n}));
}

int cfs_param_find(cfs_param_group *g, const char *name, std::size_t n, const cfs_param_info **info,
		   void **obj) noexcept
{
	const cfs::ParamFile *f = g->find({name, n});
	if (!f)
		return to_rc(cfs::err::NOENT);
	*info = f->info;
	*obj = f->obj;
	return 0;
}

int cfs_param_parse_mask(const cfs_param_info *info, const char *text, std::size_t n,
			 std::uint32_t *mask) noexcept
{
	const cfs::MaskRules &rules = *info->spec.mask;
	cfs::ParsedMask p = cfs::parse_mask({text, n}, rules, *mask);
	if (!p.unknown.empty())
		CWARN(CFS_S_LNET,
		      "unknown mask '{:.64e}'.\n               mask usage: [+|-]<all|type> ...",
		      p.unknown);
	if (!p.ok)
		return to_rc(cfs::err::INVAL);
	if (p.deprecated_number)
		CWARN(CFS_S_LNET, "using a numerical {} mask is deprecated", info->spec.name);
	*mask = p.mask;
	return 0;
}
