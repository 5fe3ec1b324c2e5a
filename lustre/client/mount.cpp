// SPDX-License-Identifier: GPL-2.0
//
// Mounting and unmounting (spec 06 section 1), the table of inodes, statfs.
#include "client/mount_impl.hpp"

#include "libcfs/log.hpp"
#include "wire/print.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;

namespace
{

/// How long an unmount waits for servers to hear its good-bye.
constexpr cfs::Duration kGoodbye = cfs::Duration::seconds(10);

} // namespace

// ---- bringing it up ----

Result<> Mount::parse(std::string_view options) noexcept
{
	text_ = TRY(cfs::Array<char>::make(kSubsys, options.size() + 1));
	for (std::size_t i = 0; i < options.size(); i++)
		text_[i] = options[i];
	std::string_view bad;
	auto o = MountOptions::parse({text_.data(), options.size()}, &bad);
	if (!o) {
		LCONSOLE_ERROR(CFS_S_LLITE, "mount: option '{:e}': {}, won't mount", bad,
			       o.error());
		return cfs::fail(o.error());
	}
	options_ = *o;
	return {};
}

Result<> Mount::connect_services(cfs_node *node) noexcept
{
	node_ = TRY(cfs::Node::get(node));
	rpc_ = TRY(rpc::RpcHold::take(node));
	ldlm_ = TRY(ldlm::of(*node_));
	shared_ = TRY(node_->part<ClientNode>());
	rpc_->new_uuid(uuid_);
	// Any text that no other mount of the node has; stock's looks like this.
	u64 number = 0xffff888000000000 + (shared_->new_instance() << 12);
	(void)cfs::format_to(std::span<char>(instance_, sizeof(instance_) - 1), "{:016x}", number);
	TRY(inodes_.open(kSubsys, nullptr));
	inodes_open_ = true;
	mgc_ = TRY(shared_->take_mgc(options_.mgs, options_.extra_mgs,
				     options_.has(MountSwitch::noir)));
	return {};
}

Result<> Mount::read_config() noexcept
{
	DataSpaceSpec spec;
	spec.fsname = options_.fsname;
	spec.instance = instance_;
	spec.client_uuid = uuid_;
	spec.checksum = options_.has(MountSwitch::checksum);
	spec.lazystatfs = options_.has(MountSwitch::lazystatfs);
	spec.read_only = read_only_;
	data_ = TRY(DataSpace::make(*node_, *rpc_, *ldlm_, spec));
	char buf[64];
	std::string_view log = cfs::format_to(buf, "{}-client", options_.fsname);
	auto r = mgc_->mgc->follow(log, mgc::Kind::MGS_CFG_T_CONFIG, config_, false,
				   options_.exclude);
	if (!r) {
		LCONSOLE_ERROR(CFS_S_LLITE,
			       "{}: The configuration from log '{}' failed: {}. Is this the right "
			       "MGS, and has the file system been started once?",
			       mgc_->name, log, r.error());
		return cfs::fail(r.error());
	}
	following_ = true;
	if (!mdc_) {
		LCONSOLE_ERROR(CFS_S_LLITE, "{}: log '{}' names no MDT", mgc_->name, log);
		return cfs::fail(INVAL);
	}
	follow_targets();
	return {};
}

/// Where they run. A mount can do without.
void Mount::follow_targets() noexcept
{
	char table[64], shown[64];
	if (options_.has(MountSwitch::noir))
		return;
	auto r = mgc_->mgc->follow_targets(cfs::format_to(table, "{}-cliir", options_.fsname),
					   config_,
					   cfs::format_to(shown, "{}-client", options_.fsname));
	if (!r)
		CWARN(CFS_S_LLITE, "{}: the MGS cannot be asked where targets run: rc = {}",
		      instance(), r);
}

Result<> Mount::make_mdc(std::string_view device, std::string_view target) noexcept
{
	char buf[96];
	MdcSpec spec;
	spec.device = cfs::format_to(buf, "{}-{}", device, instance());
	spec.target = target;
	spec.client_uuid = uuid_;
	spec.user_xattr = options_.has(MountSwitch::user_xattr);
	spec.read_only = read_only_;
	spec.always_ping = options_.has(MountSwitch::always_ping);
	spec.locks = this;
	mdc_ = TRY(Mdc::make(*rpc_, *ldlm_, spec));
	return {};
}

Result<> Mount::connect_mdt() noexcept
{
	auto r = mdc_->connect(cfs::WaitMode::killable, cfs::Instant::never());
	if (!r) {
		LCONSOLE_ERROR(CFS_S_LLITE, "{}: cannot connect to {}: {}", mdt().device(),
			       mdt().target(), r);
		return r;
	}
	auto s = TRY(mdc_->statfs());
	constexpr u32 kNameMax = 255;
	namelen_ = s.namelen.get() && s.namelen.get() < kNameMax ? s.namelen.get() : kNameMax;
	root_ = TRY(mdc_->get_root(options_.fileset));
	return {};
}

void Mount::describe(lustre_mount_info &info, u32 namelen) noexcept
{
	char buf[64];
	rpc::Import &i = mdt();
	info = {};
	info.root = plat_fid(root_);
	info.dev = device_of(cfs::format_to(buf, "{}-MDT0000_UUID", options_.fsname));
	info.name_max = namelen;
	info.size_max = 0x7fffffffffffffff;
	info.read_only = read_only_ || i.has_flag(OBD_CONNECT_RDONLY);
	info.acl = i.has_flag(OBD_CONNECT_ACL);
	info.user_xattr = i.has_flag(OBD_CONNECT_XATTR);
	info.read_pages = data_->rpc_pages();
	if (options_.has(MountSwitch::user_xattr) && !info.user_xattr)
		LCONSOLE_INFO(CFS_S_LLITE, "{}: no user_xattr: {} does not offer it", instance(),
			      i.target());
}

Result<> Mount::bring_up(cfs_node *node, std::string_view options, bool read_only,
			 lustre_mount_info &info) noexcept
{
	read_only_ = read_only;
	TRY(parse(options));
	TRY(connect_services(node));
	TRY(read_config());
	TRY(connect_mdt());
	describe(info, namelen_);
	if (options_.has(MountSwitch::verbose))
		LCONSOLE_MARK(CFS_S_LLITE, "Mounted {}-client", options_.fsname);
	return {};
}

// ---- and down ----

void Mount::force() noexcept
{
	forced_.store(true, std::memory_order_relaxed);
	if (mdc_)
		mdc_->abort();
	if (data_)
		data_->abort();
}

void Mount::release_inodes() noexcept
{
	while (!callbacks_.close(cfs::WaitMode::idle, cfs::Instant::never()))
		;
}

void Mount::take_down() noexcept
{
	char buf[64];
	if (following_) {
		mgc_->mgc->unfollow_targets(cfs::format_to(buf, "{}-cliir", options_.fsname),
					    config_);
		mgc_->mgc->unfollow(cfs::format_to(buf, "{}-client", options_.fsname), config_);
	}
	if (data_)
		data_->close(cfs::WaitMode::killable, cfs::after(kGoodbye));
	data_.reset();
	if (mdc_)
		mdc_->close(cfs::WaitMode::killable, cfs::after(kGoodbye));
	mdc_.reset();
	if (mgc_)
		shared_->put_mgc(mgc_);
	if (inodes_open_) {
		CFS_ASSERT(inodes_.size() == 0);
		inodes_.close();
	}
	bool verbose = following_ && options_.has(MountSwitch::verbose);
	if (verbose)
		LCONSOLE_MARK(CFS_S_LLITE, "Unmounted {}-client", options_.fsname);
	rpc_.reset();
	node_.reset();
}

void Mount::destroy() noexcept
{
	take_down();
	this->~Mount();
	cfs_free(kSubsys, this, sizeof(*this));
}

// ---- inodes ----

Result<Inode *> Mount::inode_make(vfs_inode *vi, const Fid &fid, u32 mode) noexcept
{
	u64 serial = serials_.fetch_add(1, std::memory_order_relaxed);
	auto i = TRY(cfs::try_make_ref<Inode>(*this, vi, fid, mode, serial));
	TRY(i->make_data());
	if (!inodes_.insert(i)) {
		CERROR(CFS_S_LLITE, "{}: two inodes of {}", fsname(), fid);
		return cfs::fail(EXIST);
	}
	return i.release();
}

void Mount::inode_evict(Inode &i) noexcept
{
	(void)inodes_.erase(i);
	i.evict();
	i.put();
}

Result<Inode *> Mount::inode_of(MdReply &r) noexcept
{
	if (!r.valid(OBD_MD_FLID) || !r.valid(OBD_MD_FLTYPE)) {
		CERROR(CFS_S_LLITE, "{}: an answer of {} about no object", fsname(),
		       mdt().target());
		return cfs::fail(r.valid(OBD_MD_MDS) ? OPNOTSUPP : PROTO);
	}
	lustre_fid fid = plat_fid(r.body.fid1);
	lustre_attr attr = attr_of(r.body);
	vfs_inode *vi = nullptr;
	TRY(cfs::to_result(vfs_iget(sb_, &fid, &attr, &vi)));
	Inode &i = Inode::of(vfs_inode_core(vi));
	i.take(r);
	return &i;
}

Result<vfs_inode *> Mount::root_inode() noexcept
{
	constexpr u64 kRootValid = OBD_MD_FLGETATTR | OBD_MD_FLBLOCKS | OBD_MD_FLMODEASIZE;
	u64 acl = mdt().has_flag(OBD_CONNECT_ACL) ? OBD_MD_FLACL : 0;
	auto r = TRY(mdc_->getattr(Caller::here(), root_, kRootValid | acl, 0));
	if ((r.body.mode.get() & 0170000) != 0040000) {
		CERROR(CFS_S_LLITE, "{}: the root {} is no directory", fsname(), root_);
		return cfs::fail(NOTDIR);
	}
	Inode *i = TRY(inode_of(r));
	return i->vi();
}

Result<> Mount::statfs(struct ::lustre_statfs &out) noexcept
{
	char buf[64];
	auto s = TRY(mdc_->statfs());
	out = {};
	out.bsize = s.bsize.get();
	out.blocks = s.blocks.get();
	out.bfree = s.bfree.get();
	out.bavail = s.bavail.get();
	out.files = s.files.get();
	out.ffree = s.ffree.get();
	out.namelen = namelen_;
	out.fsid = device_of(cfs::format_to(buf, "{}-MDT0000_UUID", options_.fsname));
	if (s.state.get() & OS_STATFS_SUM)
		return {};
	struct ::lustre_statfs osts{};
	auto sum = data_->statfs(osts);
	if (!sum && data_->ost_end() == 0)
		return {}; // no OST at all: the MDT's numbers
	TRY(sum);
	out.bsize = osts.bsize;
	out.blocks = osts.blocks;
	out.bfree = osts.bfree;
	out.bavail = osts.bavail;
	// No more files than there can be objects for.
	if (osts.ffree < out.ffree) {
		out.files = out.files - out.ffree + osts.ffree;
		out.ffree = osts.ffree;
	}
	return {};
}

// ---- locks ----

void Mount::lose_bits(ldlm::ClientLock &lock, std::optional<u64> bits) noexcept
{
	ldlm::LockDesc d = lock.desc();
	auto pass = callbacks_.enter();
	if (!pass || d.type != ldlm::LDLM_IBITS)
		return;
	auto i = inodes_.find(make_fid(d.name.name[0], static_cast<u32>(d.name.name[1]),
				       static_cast<u32>(d.name.name[1] >> 32)));
	if (!i || !i->grab())
		return;
	i->lose(lock, bits.value_or(d.policy.ibits.bits), !bits);
	vfs_iput(i->vi());
}

void Mount::on_cancel(ldlm::ClientLock &lock, const ldlm::CancelInfo &) noexcept
{
	lose_bits(lock, std::nullopt);
}

bool Mount::on_drop_bits(ldlm::ClientLock &lock, u64 bits) noexcept
{
	lose_bits(lock, bits);
	return true;
}

} // namespace client
