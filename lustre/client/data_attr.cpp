// SPDX-License-Identifier: GPL-2.0
//
// Sizes and times: what locks tell of them, glimpses for the rest, merging over the objects (spec
// 06 sections 4 and 5).
#include "client/data_file.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;

u64 FileDataImpl::known_size(const FileMap &m) noexcept
{
	u64 size = 0;
	for (const Stripe &s : m.stripes)
		if (s.object)
			size = std::max(size, s.file_size(s.object->known_size()));
	return size;
}

bool FileDataImpl::exact_size(const FileMap &m, u64 &size) noexcept
{
	u64 most = 0;
	for (const Stripe &s : m.stripes) {
		u64 n = 0;
		if (!s.object || !s.object->size_exact(s.share(), &n))
			return false;
		most = std::max(most, s.file_size(n));
	}
	size = most;
	return true;
}

u64 FileDataImpl::inode_size() noexcept
{
	lustre_attr a{};
	vfs_inode_attr(vi_, &a);
	return a.size;
}

void FileDataImpl::set_inode_size(u64 size) noexcept
{
	lustre_attr a{};
	a.valid = LUSTRE_ATTR_SIZE;
	a.size = vfs_size(size);
	vfs_inode_update(vi_, &a, true);
}

void FileDataImpl::refresh_size(const FileMap &m) noexcept
{
	cfs::MutexGuard g(size_lock_);
	u64 size = 0;
	if (exact_size(m, size)) {
		if (size != inode_size())
			set_inode_size(size);
		return;
	}
	size = known_size(m);
	if (size > inode_size())
		set_inode_size(size);
}

DataAttr FileDataImpl::merge(const FileMap &m, bool tell_inode) noexcept
{
	DataAttr out;
	cfs::MutexGuard g(size_lock_);
	for (const Stripe &s : m.stripes) {
		if (!s.object)
			continue;
		ObjectAttr a = s.object->attr();
		out.valid = true;
		out.size = std::max(out.size, s.file_size(a.size));
		out.blocks += a.blocks;
		out.mtime = std::max(out.mtime, a.mtime);
		out.atime = std::max(out.atime, a.atime);
		out.ctime = std::max(out.ctime, a.ctime);
		// Not sparse, only not written yet.
		if (out.blocks == 0 && s.object->has_dirty())
			out.blocks = 1;
	}
	if (tell_inode && out.valid && out.size != inode_size())
		set_inode_size(out.size);
	return out;
}

// ---- asking ----

/// A lock request that brings the attributes, and perhaps the lock.
Result<ldlm::ClientLockPtr> FileDataImpl::glimpse_send(Stripe &s, Batch &batch,
						       std::size_t i) noexcept
{
	using Format = rpc::op::LdlmEnqueue;
	Osc &osc = s.object->osc();
	ldlm::EnqueueSpec spec;
	spec.type = ldlm::LDLM_EXTENT;
	spec.name = s.object->name;
	spec.mode = LockMode::LCK_PR;
	spec.policy = s.share();
	spec.flags = LDLM_FL_HAS_INTENT;
	spec.lvb_type = LvbType::LVB_T_OST;
	spec.lvb_max = sizeof(OstLvb);
	auto lock = TRY(osc.ns().begin(spec));
	std::byte packed[ldlm::dlm_request_bytes(1)];
	osc.ns().pack(*lock, packed);
	rpc::RequestLengths<Format> lengths;
	rpc::ReplyLengths<Format> reply;
	lengths.elements<rpc::fld::DlmReq>(LDLM_LOCKREQ_HANDLES);
	reply.bytes<rpc::fld::Lvb>(sizeof(OstLvb));
	auto req = rpc::Request<Format>::make(osc.import(), lengths, reply);
	if (!req) {
		(void)osc.ns().complete(*lock, cfs::fail(req.error()), nullptr, {});
		return cfs::fail(req.error());
	}
	ldlm::detail::put_dlm_req(*req, packed);
	batch.send(i, req->ref());
	return lock;
}

Result<> FileDataImpl::glimpse_take(Stripe &s, ldlm::ClientLock &lock, Batch &batch,
				    std::size_t i) noexcept
{
	ldlm::ClientNamespace &ns = s.object->osc().ns();
	auto status = batch.result(i);
	auto reply =
		status ? rpc::reply_of<rpc::op::LdlmEnqueue>(batch.request(i))
		       : Result<rpc::ReplyView<rpc::op::LdlmEnqueue>>(cfs::fail(status.error()));
	if (!reply) {
		(void)ns.complete(lock, cfs::fail(reply.error()), nullptr, {});
		return cfs::fail(reply.error());
	}
	LdlmReply rep = reply->get<rpc::fld::DlmRep>();
	cfs::Bytes bytes = reply->get<rpc::fld::Lvb>();
	auto got = TRY(ns.complete(lock, *status, &rep, bytes));
	if (got.blocked)
		TRY(ns.wait(lock, cfs::WaitMode::killable));
	if (got.status != 0) {
		auto res = static_cast<std::int64_t>(got.res1);
		if (res < 0)
			return cfs::fail(cfs::Errno{static_cast<int>(-res)});
		s.object->learn(TRY(parse_lvb(bytes)));
		return {};
	}
	// The lock has come with it, and the object knows.
	auto *rec = static_cast<LockRecord *>(lock.user_data());
	if (rec && rec->missing == cfs::Errno{})
		return {};
	cfs::Errno why = rec ? rec->missing : NOMEM;
	ns.cancel(lock, false);
	return cfs::fail(why);
}

Result<DataAttr> FileDataImpl::glimpse(FileMap &m, bool size_only) noexcept
{
	std::size_t n = m.stripes.size();
	auto batch = TRY(Batch::make(n));
	auto locks = TRY(cfs::Array<ldlm::ClientLockPtr>::make(kSubsys, n));
	Result<> out;
	for (std::size_t i = 0; i < n; i++) {
		Stripe &s = m.stripes[i];
		if (!s.object) {
			out = cfs::fail(IO);
			continue;
		}
		u64 size = 0;
		if (size_only ? s.object->size_exact(s.share(), &size)
			      : s.object->all_covered(s.share()))
			continue;
		auto lock = glimpse_send(s, *batch, i);
		if (lock)
			locks[i] = std::move(*lock);
		else
			out = cfs::fail(lock.error());
	}
	batch->wait();
	for (std::size_t i = 0; i < n; i++)
		if (locks[i])
			if (auto r = glimpse_take(m.stripes[i], *locks[i], *batch, i); !r)
				out = r;
	batch->clear();
	if (!out)
		return cfs::fail(out.error());
	return merge(m, true);
}

Result<DataAttr> FileDataImpl::attributes(bool cached) noexcept
{
	if (cached) {
		auto m = map();
		return m ? merge(*m, false) : DataAttr{};
	}
	TRY(owner_.need_layout());
	auto m = TRY(enter());
	Result<DataAttr> out = DataAttr{};
	if (m && !m->stripes.empty())
		out = glimpse(*m, false);
	leave();
	return out;
}

} // namespace client
