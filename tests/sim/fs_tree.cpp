// SPDX-License-Identifier: GPL-2.0
#include "tests/sim/fs_tree.hpp"

#include <fcntl.h>
#include <getopt.h>

#include <cstring>
#include <set>

#include "lfs/layout.hpp"
#include "lfs/layout_make.hpp"
#include "wire/user_abi.hpp"

namespace cluster
{

namespace
{

std::string parent_of(const std::string &path)
{
	auto at = path.rfind('/');
	return at == std::string::npos ? "" : path.substr(0, at);
}

bool is_below(const std::string &path, const std::string &dir)
{
	return path.size() > dir.size() && path.starts_with(dir) && path[dir.size()] == '/';
}

/// Empty, small, a few pages, many.
std::size_t draw_size(cfs::sim::Rng &rng)
{
	switch (rng.below(8)) {
	case 0:
		return 0;
	case 1:
		return rng.between(40'000, 200'000);
	case 2:
	case 3:
		return rng.between(4000, 30'000);
	default:
		return rng.between(1, 4096);
	}
}

} // namespace

Data make_data(std::size_t n, std::uint64_t seed)
{
	Data v(n);
	cfs::sim::Rng rng(seed);
	for (std::size_t i = 0; i < n; i += 8) {
		std::uint64_t word = rng.u64();
		std::memcpy(v.data() + i, &word, std::min<std::size_t>(8, n - i));
	}
	return v;
}

// ---- the model ----

void Tree::add(const std::string &path, std::shared_ptr<Inode> i)
{
	check(model_.emplace(path, std::move(i)).second, path + ": twice in the model");
	touched(parent_of(path));
}

void Tree::drop(const std::string &path)
{
	at(path).links--;
	model_.erase(path);
	touched(parent_of(path));
}

void Tree::touched(const std::string &path)
{
	if (auto i = model_.find(path); i != model_.end())
		i->second->mtime.reset();
}

std::vector<std::string> Tree::below(const std::string &path, std::uint32_t type) const
{
	std::vector<std::string> out;
	for (auto &[p, i] : model_)
		if (is_below(p, path) && i->is(type))
			out.push_back(p);
	return out;
}

// ---- steps ----

void Tree::mkdir(const std::string &path)
{
	step();
	must(v_.mkdir(path, 0755), "mkdir " + path);
	add(path, std::make_shared<Inode>(Inode{.mode = kDir | 0755}));
}

void Tree::setstripe(const std::string &path, std::vector<std::string> options)
{
	step();
	options.insert(options.begin(), "setstripe");
	options.push_back(path);
	std::vector<char *> argv;
	for (auto &o : options)
		argv.push_back(o.data());
	optind = 0; // getopt(3) begins anew
	auto request =
		lfs::parse_setstripe("setstripe", static_cast<int>(argv.size()), argv.data());
	check(request.has_value(), "lfs setstripe");
	auto bytes = lfs::encode_layout(*request);
	bytes.resize(std::max(bytes.size(), sizeof(wire::LovUserMdV3)));
	constexpr int kDelay = static_cast<int>(wire::O_LOV_DELAY_CREATE);
	auto f = must(v_.open(path, O_CREAT | O_EXCL | O_WRONLY | kDelay, 0644), "open " + path);
	must(f->ioctl(wire::LL_IOC_LOV_SETSTRIPE, bytes.data()), "setstripe " + path);
	must(f->close(), "close " + path);
	add(path, std::make_shared<Inode>(Inode{.mode = kFile | 0644}));
}

void Tree::write(const std::string &path, const Data &data)
{
	step();
	auto f = must(v_.open(path, O_CREAT | O_WRONLY, 0644), "open " + path);
	if (!model_.contains(path))
		add(path, std::make_shared<Inode>(Inode{.mode = kFile | 0644}));
	for (std::size_t at = 0; at < data.size();) {
		std::size_t n = std::min(data.size() - at, 1 + rng_.below(1 << 17));
		must(f->write(at, {data.data() + at, n}), "write " + path);
		at += n;
	}
	if (rng_.chance(10))
		must(f->fsync(), "fsync " + path);
	must(f->close(), "close " + path);
	at(path).data = data;
	at(path).mtime.reset();
}

void Tree::symlink(const std::string &target, const std::string &path)
{
	step();
	must(v_.symlink(target, path), "symlink " + path);
	add(path, std::make_shared<Inode>(Inode{.mode = kLink | 0777, .target = target}));
}

void Tree::link(const std::string &from, const std::string &to)
{
	step();
	must(v_.link(from, to), "link " + to);
	auto i = model_.at(from);
	i->links++;
	add(to, i);
}

void Tree::chmod(const std::string &path, std::uint32_t mode)
{
	step();
	must(v_.chmod(path, mode), "chmod " + path);
	at(path).mode = (at(path).mode & 0170000) | mode;
}

void Tree::set_time(const std::string &path)
{
	step();
	auto when = static_cast<std::int64_t>(rng_.below(2'000'000'000));
	must(v_.utimes(path, when + 1, when), "utimes " + path);
	at(path).mtime = when;
}

void Tree::rename(const std::string &from, const std::string &to)
{
	step();
	must(v_.rename(from, to), "rename " + from);
	if (model_.contains(to))
		drop(to);
	Model moved;
	for (auto it = model_.begin(); it != model_.end();) {
		auto next = std::next(it);
		if (it->first == from || is_below(it->first, from)) {
			auto node = model_.extract(it);
			node.key() = to + node.key().substr(from.size());
			moved.insert(std::move(node));
		}
		it = next;
	}
	model_.merge(moved);
	touched(parent_of(from));
	touched(parent_of(to));
}

void Tree::unlink(const std::string &path)
{
	step();
	must(v_.unlink(path), "unlink " + path);
	drop(path);
}

void Tree::remove_all(const std::string &path)
{
	if (!at(path).is(kDir))
		return unlink(path);
	for (auto &e : must(v_.readdir(path), "readdir " + path))
		if (e.name != "." && e.name != "..") // no deeper than make() went
			remove_all(path + "/" + e.name);
	step();
	must(v_.rmdir(path), "rmdir " + path);
	drop(path);
}

void Tree::make(const std::string &path, unsigned count)
{
	mkdir(path);
	std::vector<std::string> dirs{path}, files;
	for (unsigned i = 0; i < count; i++) {
		std::string name = dirs[rng_.below(dirs.size())] + "/" +
				   std::string(rng_.magnitude(5), 'n') + std::to_string(i);
		switch (rng_.below(8)) {
		case 0:
			mkdir(name);
			dirs.push_back(name);
			break;
		case 1:
			symlink(std::string(rng_.between(1, 100), 't'), name);
			break;
		case 2:
			if (!files.empty()) {
				link(files[rng_.below(files.size())], name);
				break;
			}
			[[fallthrough]];
		default:
			write(name, make_data(draw_size(rng_), rng_.u64()));
			chmod(name, 0400 | static_cast<std::uint32_t>(rng_.below(0400)));
			set_time(name);
			files.push_back(name);
		}
	}
	for (auto d = dirs.rbegin(); d != dirs.rend(); ++d)
		set_time(*d);
}

// ---- what is there ----

void Tree::compare(const std::string &path, const client::host::Stat &s)
{
	const Inode &i = at(path);
	auto same = [&](std::string_view what, auto have, auto want) {
		check(have == want, path + ": " + std::string(what) + " is " +
					    std::to_string(have) + " instead of " +
					    std::to_string(want));
	};
	same("mode", s.mode, i.mode);
	if (i.mtime)
		same("mtime", s.mtime, *i.mtime);
	if (i.is(kLink)) {
		check(must(v_.readlink(path), "readlink " + path) == i.target, path + ": target");
		same("size", s.size, i.target.size());
	}
	if (!i.is(kDir))
		same("link count", s.nlink, i.links);
	if (!i.is(kFile))
		return;
	same("size", s.size, i.data.size());
	auto f = must(v_.open(path, O_RDONLY), "open " + path);
	Data have(i.data.size() + 1);
	std::size_t n = must(f->read(0, have), "read " + path);
	have.resize(n);
	check(have == i.data, path + ": contents differ");
	must(f->close(), "close " + path);
}

void Tree::compare_dir(const std::string &path)
{
	std::map<std::string, std::uint64_t> have;
	std::set<std::string> want;
	for (auto &e : must(v_.readdir(path), "readdir " + path))
		if (e.name != "." && e.name != "..")
			check(have.emplace(path + "/" + e.name, e.ino).second,
			      path + "/" + e.name + ": listed twice");
	unsigned subdirs = 0;
	for (auto &[p, i] : model_) {
		if (parent_of(p) != path)
			continue;
		want.insert(p);
		subdirs += i->is(kDir);
		check(have.contains(p), p + ": not listed");
	}
	for (auto &[p, ino] : have) {
		check(want.contains(p), p + ": listed, and not there");
		step();
		auto s = must(v_.lstat(p), "stat " + p);
		check(s.ino == ino, p + ": another inode number in the directory");
		compare(p, s);
	}
	auto links = must(v_.lstat(path), "stat " + path).nlink;
	check(links == 2 + subdirs, path + ": " + std::to_string(links) + " links");
}

void Tree::verify(const std::string &path)
{
	step();
	compare(path, must(v_.lstat(path), "stat " + path));
	if (at(path).is(kDir))
		compare_dir(path);
	for (auto &d : below(path, kDir))
		compare_dir(d);
}

void Tree::make_durable(const std::string &path)
{
	auto paths = below(path, kFile);
	auto dirs = below(path, kDir);
	paths.insert(paths.end(), dirs.begin(), dirs.end());
	paths.push_back(path);
	for (auto &p : paths) {
		step();
		auto f = must(v_.open(p, O_RDONLY), "open " + p);
		must(f->fsync(), "fsync " + p);
		must(f->close(), "close " + p);
	}
}

void Tree::look(const std::string &path)
{
	step();
	compare(path, must(v_.lstat(path), "stat " + path));
}

void Tree::verify_names(const std::string &dir, const std::string &prefix)
{
	step();
	std::multiset<std::string> have, want;
	for (auto &e : must(v_.readdir(dir), "readdir " + dir))
		if (e.name.starts_with(prefix))
			have.insert(dir + "/" + e.name);
	for (auto &[p, i] : model_)
		if (parent_of(p) == dir && p.starts_with(dir + "/" + prefix))
			want.insert(p);
	check(have == want, dir + ": lists " + std::to_string(have.size()) + " names instead of " +
				    std::to_string(want.size()) + ", or others");
}

std::vector<std::uint32_t> Tree::osts_of(const std::string &path)
{
	step();
	auto f = must(v_.open(path, O_RDONLY), "open " + path);
	Data ea(4096);
	wire::LovUserMdV1 room{};
	room.magic = wire::LOV_USER_MAGIC_V1;
	room.stripe_count = 100;
	std::memcpy(ea.data(), &room, sizeof(room));
	must(f->ioctl(wire::LL_IOC_LOV_GETSTRIPE, ea.data()), "getstripe " + path);
	must(f->close(), "close " + path);
	auto l = lfs::decode_layout(ea, lfs::Owner::file);
	check(l.has_value(), path + ": layout: " + (l ? "" : l.error()));
	std::vector<std::uint32_t> out;
	for (auto &o : l->components.at(0).objects)
		out.push_back(o.ost);
	return out;
}

} // namespace cluster
