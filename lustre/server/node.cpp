// SPDX-License-Identifier: GPL-2.0
#include "server/node.hpp"

namespace server
{

cfs::Result<cfs::UniquePtr<ServerNode>> ServerNode::make(cfs::Node &node) noexcept
{
	return cfs::try_make<ServerNode>(node);
}

cfs::Result<> ServerNode::open() noexcept
{
	constexpr std::string_view kNames[] = {"mgs", "mdt", "obdfilter", "osp"};
	static_assert(std::size(kNames) == static_cast<unsigned>(Kind::count));
	rpc_ = TRY(rpc::RpcHold::take(node_.plat()));
	ldlm_ = TRY(ldlm::of(node_));
	for (unsigned i = 0; i < std::size(kNames); i++)
		TRY(folders_[i].open(node_.params(), kNames[i]));
	// A client of this node may have it, and it is only shown.
	(void)mgc_folder_.open(node_.params(), "mgc");
	return {};
}

void ServerNode::close() noexcept
{
	for (cfs::ParamGroup &f : folders_)
		f.close();
	mgc_folder_.close();
	ldlm_ = nullptr;
	rpc_.reset();
}

cfs::Result<> ServerNode::hold() noexcept
{
	cfs::MutexGuard g(lock_);
	if (mounts_ == 0)
		if (auto r = open(); !r) {
			close();
			return r;
		}
	mounts_++;
	return {};
}

void ServerNode::release() noexcept
{
	cfs::MutexGuard g(lock_);
	CFS_ASSERT(mounts_ > 0);
	if (--mounts_ == 0)
		close();
}

void ServerNode::destroy() noexcept
{
	{
		cfs::MutexGuard g(lock_);
		CFS_ASSERT(mounts_ == 0);
	}
	this->~ServerNode();
	cfs_free(kSubsys, this, sizeof(*this));
}

cfs::Result<> ServerNode::start(Kind k, Shared &s) noexcept
{
	bool mdt = k == Kind::mdt;
	TRY(s.folder.open(node_.params(), mdt ? "mds" : "ost"));
	auto opened = s.name.open(s.folder, mdt ? "MDS" : "OSS");
	cfs::Result<ServicesPtr> made = cfs::fail(cfs::err::NODEV);
	if (opened)
		made = mdt ? static_cast<const MdtPart *>(server_mdt_part())
				       ->services(*rpc_, &s.name)
			   : static_cast<const OstPart *>(server_ost_part())
				       ->services(*rpc_, &s.name);
	if (made) {
		s.services = std::move(*made);
		return {};
	}
	s.name.close();
	s.folder.close();
	return cfs::fail(opened ? made.error() : opened.error());
}

cfs::Result<> ServerNode::begin(Kind k) noexcept
{
	cfs::MutexGuard g(lock_);
	Shared &s = k == Kind::mdt ? mds_ : oss_;
	if (s.users == 0)
		TRY(start(k, s));
	s.users++;
	return {};
}

void ServerNode::end(Kind k) noexcept
{
	cfs::MutexGuard g(lock_);
	Shared &s = k == Kind::mdt ? mds_ : oss_;
	CFS_ASSERT(s.users > 0);
	if (--s.users)
		return;
	s.services->stop();
	s.services.reset();
	s.name.close();
	s.folder.close();
}

} // namespace server
