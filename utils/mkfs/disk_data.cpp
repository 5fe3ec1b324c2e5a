// SPDX-License-Identifier: GPL-2.0
//
// mountdata as bytes and as text. What is stored is the machine's own byte order, which is little
// endian wherever this runs.

#include "mkfs/disk_data.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace mkfs
{

using namespace wire;

namespace
{

constexpr std::size_t kTypeAndIndex = 7; // "OST0000"

char separator(std::uint32_t flags)
{
	if (flags & LDD_F_WRITECONF)
		return '=';
	if (flags & LDD_F_VIRGIN)
		return ':';
	if (flags & LDD_F_NO_LOCAL_LOGS)
		return '+';
	return '-';
}

std::string named(const DiskData &d, char sep)
{
	if (d.only_mgs())
		return "MGS";
	char tail[16];
	snprintf(tail, sizeof(tail), "%c%s%04x", sep, d.is_ost() ? "OST" : "MDT", d.index & 0xffff);
	return d.fsname + tail;
}

std::string format(const char *fmt, auto... args)
{
	char buf[256];
	snprintf(buf, sizeof(buf), fmt, args...);
	return buf;
}

template <std::size_t N>
bool read_text(const Chars<N> &field, std::string &out)
{
	out = field.view();
	return field.terminated();
}

} // namespace

std::string DiskData::make_label() const
{
	return named(*this, separator(flags));
}

std::string DiskData::server_name() const
{
	return named(*this, '-');
}

bool DiskData::adopt_label(std::string_view label)
{
	constexpr auto kStates = LDD_F_VIRGIN | LDD_F_WRITECONF | LDD_F_NO_LOCAL_LOGS;
	if (label == "MGS") {
		flags &= ~kStates;
		svname = label;
		return true;
	}
	if (label.size() <= kTypeAndIndex + 1)
		return false;
	auto at = label.size() - kTypeAndIndex - 1;
	std::uint32_t state = 0;
	switch (label[at]) {
	case '-':
		break;
	case ':':
		state = LDD_F_VIRGIN;
		break;
	case '=':
		state = LDD_F_WRITECONF;
		break;
	case '+':
		state = LDD_F_NO_LOCAL_LOGS;
		break;
	default:
		return false;
	}
	flags = (flags & ~kStates) | state;
	svname = label;
	svname[at] = '-';
	return true;
}

std::vector<std::string> DiskData::values(std::string_view key) const
{
	std::vector<std::string> found;
	for (const auto &p : params)
		if (p.size() > key.size() && p.starts_with(key) && p[key.size()] == '=')
			found.push_back(p.substr(key.size() + 1));
	return found;
}

void DiskData::append_param(std::string_view key, std::string_view value)
{
	for (auto &p : params) {
		if (p.size() > key.size() && p.starts_with(key) && p[key.size()] == '=') {
			p += ':';
			p += value;
			return;
		}
	}
	params.push_back(std::string(key) + "=" + std::string(value));
}

void DiskData::erase_param(std::string_view key)
{
	std::erase_if(params, [&](const std::string &p) {
		return p.starts_with(key) && (p.size() == key.size() || p[key.size()] == '=');
	});
}

Outcome<DiskData> decode(std::string_view bytes)
{
	if (bytes.size() != sizeof(LustreDiskData))
		return failure(EINVAL, format("mountdata has %zu bytes instead of %zu",
					      bytes.size(), sizeof(LustreDiskData)));
	const auto &raw = *reinterpret_cast<const LustreDiskData *>(bytes.data());
	if (raw.magic.get() != LDD_MAGIC)
		return failure(EINVAL,
			       format("mountdata has the bad magic number %#x", raw.magic.get()));
	DiskData d;
	d.flags = raw.flags;
	d.index = raw.svindex;
	d.mount_type = raw.mount_type.raw();
	d.config_ver = raw.config_ver;
	std::string params;
	if (!read_text(raw.fsname, d.fsname) || !read_text(raw.svname, d.svname) ||
	    !read_text(raw.uuid, d.uuid) || !read_text(raw.userdata, d.comment) ||
	    !read_text(raw.mount_opts, d.mount_opts) || !read_text(raw.params, params))
		return failure(EINVAL, "mountdata has a text without an end");
	for (std::size_t at = 0; at < params.size();) {
		auto end = std::min(params.find(' ', at), params.size());
		if (end > at)
			d.params.push_back(params.substr(at, end - at));
		at = end + 1;
	}
	return d;
}

Outcome<std::string> encode(const DiskData &d)
{
	std::string bytes(sizeof(LustreDiskData), '\0');
	auto &raw = *reinterpret_cast<LustreDiskData *>(bytes.data());
	raw.magic = LDD_MAGIC;
	raw.config_ver = d.config_ver;
	raw.flags = d.flags;
	raw.svindex = d.index;
	raw.mount_type = static_cast<LddMountType>(d.mount_type);
	std::string params;
	for (const auto &p : d.params)
		params += ' ' + p;
	if (!raw.params.set(params))
		return failure(E2BIG, "parameters are too long, at most 4095 bytes are possible");
	if (!raw.mount_opts.set(d.mount_opts))
		return failure(E2BIG,
			       "mount options are too long, at most 4095 bytes are possible");
	if (!raw.userdata.set(d.comment))
		return failure(E2BIG, "comment is too long, at most 823 bytes are possible");
	if (!raw.fsname.set(d.fsname) || !raw.svname.set(d.svname) || !raw.uuid.set(d.uuid))
		return failure(EINVAL, "name is too long");
	return bytes;
}

std::string describe(const DiskData &d, std::string_view heading)
{
	static const struct {
		std::uint32_t flag;
		const char *word;
	} words[] = {
		{LDD_F_SV_TYPE_MDT, "MDT "},	       {LDD_F_SV_TYPE_OST, "OST "},
		{LDD_F_SV_TYPE_MGS, "MGS "},	       {LDD_F_NEED_INDEX, "needs_index "},
		{LDD_F_VIRGIN, "first_time "},	       {LDD_F_UPDATE, "update "},
		{LDD_F_WRITECONF, "writeconf "},       {LDD_F_NO_PRIMNODE, "no_primnode "},
		{LDD_F_NO_LOCAL_LOGS, "nolocallogs "},
	};
	std::string s = "\n   " + std::string(heading) + ":\nTarget:     " + d.svname + "\n";
	bool none = d.index == kNoIndex || d.is(LDD_F_NEED_INDEX);
	s += "Index:      " + (none ? std::string("unassigned") : std::to_string(d.index)) + "\n";
	if (!d.uuid.empty())
		s += "UUID:       " + d.uuid + "\n";
	s += "Lustre FS:  " + d.fsname + "\nMount type: ldiskfs\n";
	s += format("Flags:      0x%x\n              (", d.flags);
	for (const auto &w : words)
		if (d.flags & w.flag)
			s += w.word;
	s += ")\nPersistent mount opts: " + d.mount_opts + "\nParameters:";
	for (const auto &p : d.params)
		s += " " + p;
	s += "\n";
	if (!d.comment.empty())
		s += "Comment: " + d.comment + "\n";
	return s + "\n";
}

Outcome<> check_fsname(std::string_view name)
{
	if (name.empty() || name.size() > 8)
		return failure(EPERM, "filesystem name must be 1-8 chars");
	for (char c : name)
		if (!isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-')
			return failure(EPERM,
				       format("char '%c' not allowed in filesystem name", c));
	return {};
}

Outcome<std::uint32_t> parse_index(const std::string &text)
{
	char *end = nullptr;
	int base = text.starts_with("0x") || text.starts_with("0X") ? 16 : 10;
	auto v = static_cast<std::uint32_t>(strtoul(text.c_str(), &end, base));
	if (text.empty() || *end)
		return failure(EPERM, "wrong index " + text +
					      ". Target index must be decimal or hexadecimal.");
	if (v >= kMaxIndex)
		return failure(EPERM, format("wrong index %u. Target index must be less than %u.",
					     v, kMaxIndex));
	return v;
}

} // namespace mkfs
