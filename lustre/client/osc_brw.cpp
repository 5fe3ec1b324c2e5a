// SPDX-License-Identifier: GPL-2.0
//
// Reads and writes on the wire (spec 05 section 7). Of a write the pages are referenced until the
// server has committed it, since it may have to be sent again; what is read is not.
#include "client/osc_brw.hpp"

#include <cstring>

#include "client/osc.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;

void FileIdent::pack_identity(Obdo &oa) const noexcept
{
	oa.valid = oa.valid.get() | OBD_MD_FLID | OBD_MD_FLGROUP | OBD_MD_FLFID | OBD_MD_FLPARENT |
		   OBD_MD_FLOSTLAYOUT;
	oa.oi = object;
	oa.parent_seq = fid.seq.get();
	oa.parent_oid = fid.oid.get();
	oa.parent_ver = fid.ver.get();
	oa.stripe_idx = stripe;
	oa.layout = layout;
}

Result<cfs::RefPtr<Brw>> Brw::make(cfs::RefPtr<OscObject> object, bool write, u32 brw_flags,
				   const FileIdent &ident, BrwUser &user) noexcept
{
	return cfs::try_make_ref<Brw>(std::move(object), write, brw_flags, ident, user);
}

Brw::Brw(cfs::RefPtr<OscObject> object, bool write, u32 brw_flags, const FileIdent &ident,
	 BrwUser &user) noexcept
    : object_(std::move(object)), user_(user), ident_(ident), flags_(brw_flags), write_(write)
{
	object_->osc().count_brw(1);
	if (write_)
		object_->writes.fetch_add(1, std::memory_order_relaxed);
}

Brw::~Brw()
{
	// Osc::stop() waits for the last of us, so it must be the last that is done here.
	Osc &osc = object_->osc();
	ended();
	if (write_)
		for (std::size_t i = 0; i < count_; i++)
			cfs_page_put(pieces_[i].page);
	object_.reset();
	osc.count_brw(-1);
}

void Brw::ended() noexcept
{
	if (write_ && !ended_)
		object_->writes.fetch_sub(1, std::memory_order_relaxed);
	ended_ = true;
}

// ---- pieces ----

Result<> Brw::grow() noexcept
{
	std::size_t n = pieces_.empty() ? 4 : pieces_.size() * 4;
	auto pieces = TRY(cfs::Array<cfs_bvec>::make(kSubsys, n));
	auto offsets = TRY(cfs::Array<u64>::make(kSubsys, n));
	for (std::size_t i = 0; i < count_; i++) {
		pieces[i] = pieces_[i];
		offsets[i] = offsets_[i];
	}
	pieces_ = std::move(pieces);
	offsets_ = std::move(offsets);
	return {};
}

Result<> Brw::add(cfs_page *page, u32 in_page, u32 len, u64 offset) noexcept
{
	CFS_ASSERT(len > 0 && in_page + len <= CFS_PAGE_SIZE);
	if (count_ == pieces_.size())
		TRY(grow());
	if (write_)
		cfs_page_get(page);
	pieces_[count_] = {page, len, in_page};
	offsets_[count_] = offset;
	count_++;
	bytes_ += len;
	return {};
}

bool Brw::takes(u64 offset, u32 max_pages) const noexcept
{
	return count_ == 0 || (count_ < max_pages && offset >= end() && end() % CFS_PAGE_SIZE == 0);
}

u32 Brw::niobufs() const noexcept
{
	u32 n = 0;
	for (std::size_t i = 0; i < count_; i++)
		if (i == 0 || offsets_[i] != offsets_[i - 1] + pieces_[i - 1].len)
			n++;
	return n;
}

u32 Brw::checksum(u32 bytes) noexcept
{
	rpc::DataChecksum sum(sum_type_);
	for (std::size_t i = 0; i < count_ && bytes; i++) {
		u32 n = std::min(pieces_[i].len, bytes);
		auto *at = static_cast<std::byte *>(cfs_page_map(pieces_[i].page));
		sum.add(offsets_[i], cfs::Bytes(at + pieces_[i].offset, n));
		cfs_page_unmap(at);
		bytes -= n;
	}
	return sum.value();
}

void Brw::copy_out(cfs::MutBytes to) noexcept
{
	std::size_t done = 0;
	for (std::size_t i = 0; i < count_; i++) {
		auto *at = static_cast<std::byte *>(cfs_page_map(pieces_[i].page));
		std::memcpy(to.data() + done, at + pieces_[i].offset, pieces_[i].len);
		cfs_page_unmap(at);
		done += pieces_[i].len;
	}
}

void Brw::copy_in(cfs::Bytes from) noexcept
{
	std::size_t done = 0;
	for (std::size_t i = 0; i < count_ && done < from.size(); i++) {
		std::size_t n = std::min<std::size_t>(pieces_[i].len, from.size() - done);
		auto *at = static_cast<std::byte *>(cfs_page_map(pieces_[i].page));
		std::memcpy(at + pieces_[i].offset, from.data() + done, n);
		cfs_page_unmap(at);
		done += n;
	}
}

void Brw::zero_from(u32 bytes) noexcept
{
	u64 done = 0;
	for (std::size_t i = 0; i < count_; i++) {
		u64 keep = bytes > done ? bytes - done : 0;
		done += pieces_[i].len;
		if (keep >= pieces_[i].len)
			continue;
		auto *at = static_cast<std::byte *>(cfs_page_map(pieces_[i].page));
		std::memset(at + pieces_[i].offset + keep, 0, pieces_[i].len - keep);
		cfs_page_unmap(at);
	}
}

// ---- sending ----

template <typename Writer>
void Brw::fill(Writer &req, u32 niobufs, bool short_io) noexcept
{
	Osc &osc = object_->osc();
	Obdo &oa = req.template get<rpc::fld::OstBody>().oa;
	u64 valid = OBD_MD_FLTYPE | OBD_MD_FLUID | OBD_MD_FLGID;
	u32 o_flags = short_io ? OBD_FL_SHORT_IO : 0;

	ident_.pack_identity(oa);
	osc.grant_pack(oa, write_ ? grant_used : 0);
	oa.uid = ident_.uid;
	oa.gid = ident_.gid;
	oa.atime = ident_.atime;
	oa.mtime = ident_.mtime;
	oa.ctime = ident_.ctime;
	valid |= (ident_.mtime ? OBD_MD_FLMTIME : 0) | (ident_.ctime ? OBD_MD_FLCTIME : 0);
	if (write_) {
		valid |= OBD_MD_FLPROJID;
		oa.projid = ident_.projid;
	} else if (ident_.atime) {
		valid |= OBD_MD_FLATIME;
	}
	u64 handle = 0;
	if (use)
		handle = use->remote_handle();
	else if (write_ && !(flags_ & OBD_BRW_SRVLOCK))
		handle = object_->write_handle(first(), end() - 1);
	if (handle) {
		valid |= OBD_MD_FLHANDLE;
		oa.handle = static_cast<LockHandle>(handle);
	}
	summed_ = osc.checksums();
	if (summed_) {
		sum_type_ = osc.numbers().checksum;
		if (write_)
			sum_ = checksum(bytes_);
		valid |= OBD_MD_FLCKSUM;
		o_flags |= static_cast<u32>(sum_type_);
		oa.cksum() = sum_;
	}
	if (tries_)
		o_flags |= OBD_FL_RECOV_RESEND;
	if (o_flags) {
		valid |= OBD_MD_FLFLAGS;
		oa.flags = o_flags;
	}
	oa.valid = oa.valid.get() | valid;

	ObdIoobj &io = req.template get<rpc::fld::IoObj>();
	io.oid = ident_.object;
	io.bufcnt = niobufs;
	u32 mds = osc.numbers().max_pages / static_cast<u32>(rpc::kFragmentsPerMd);
	io.max_brw = short_io ? 0xffff0000u : rpc::max_brw_of(mds ? mds : 1);

	auto list = req.template get<rpc::fld::Niobufs>();
	u32 n = 0;
	for (std::size_t i = 0; i < count_; i++) {
		if (i == 0 || offsets_[i] != offsets_[i - 1] + pieces_[i - 1].len) {
			list[n].offset = offsets_[i];
			list[n].len = pieces_[i].len;
			list[n].flags = flags_;
			n++;
		} else {
			list[n - 1].len = list[n - 1].len.get() + pieces_[i].len;
		}
	}
	if (write_ && short_io)
		copy_out(req.template get<rpc::fld::ShortIo>());
}

template <typename Format>
Result<> Brw::send_as() noexcept
{
	Osc &osc = object_->osc();
	constexpr bool kWrite = std::is_same_v<Format, rpc::op::OstWrite>;
	// An eviction ends when all pages under lost locks are dropped, which waits for what is
	// under way with them: nothing may wait for the end of the eviction in turn.
	auto import = cfs::RefPtr<rpc::Import>::share(&osc.import());
	u32 generation = import->generation();
	if (import->state() == rpc::ImportState::evicted)
		return cfs::fail(IO);
	u32 n = niobufs();
	rpc::RequestLengths<Format> lengths;
	rpc::ReplyLengths<Format> reply;

	short_ = osc.numbers().short_io && n == 1 && bytes_ <= Osc::kShortMax;
	lengths.template elements<rpc::fld::Niobufs>(n);
	if constexpr (kWrite) {
		reply.template elements<rpc::fld::Rcs>(n);
		if (short_)
			lengths.template bytes<rpc::fld::ShortIo>(bytes_);
	} else if (short_) {
		reply.template bytes<rpc::fld::ShortIo>(bytes_);
	}
	auto req = TRY(rpc::Request<Format>::make(osc.import(), lengths, reply));
	fill(req, n, short_);
	req->options.request_portal = Portal::OST_IO_PORTAL;
	if (!short_)
		req->options.bulk = rpc::BulkDesc::pages(
			kWrite ? rpc::Bulk::from_client : rpc::Bulk::to_client,
			Portal::OST_BULK_PORTAL, {pieces_.data(), count_}, bytes_);
	auto self = cfs::RefPtr<Brw>::share(this);
	get(); // until on_gone()
	req->send(*this);
	bool stop = import->generation() != generation;
	cfs::RefPtr<rpc::ClientRequest> now = req.ref();
	{
		cfs::SpinGuard g(stop_lock_);
		stop = stop || stopped_;
		if (!finished_)
			std::swap(sent_, now); // that of an earlier try ends without the lock
	}
	if (stop)
		req->interrupt();
	return {};
}

void Brw::interrupt() noexcept
{
	cfs::RefPtr<rpc::ClientRequest> req;
	{
		cfs::SpinGuard g(stop_lock_);
		stopped_ = true;
		req = sent_;
	}
	if (req)
		req->interrupt();
}

void Brw::start() noexcept
{
	auto r = write_ ? send_as<rpc::op::OstWrite>() : send_as<rpc::op::OstRead>();
	if (!r)
		finish(r, 0);
}

// ---- the answer ----

Result<> Brw::check_write(rpc::ClientRequest &req, bool &redo) noexcept
{
	auto reply = TRY(rpc::reply_of<rpc::op::OstWrite>(req));
	auto rcs = reply.get<rpc::fld::Rcs>();
	const Obdo &oa = reply.get<rpc::fld::OstBody>().oa;

	if (rcs.size() < niobufs())
		return cfs::fail(PROTO);
	for (const auto &rc : rcs) {
		if (rc.get() < 0)
			return cfs::fail(cfs::Errno{-rc.get()});
		if (rc.get() > 0)
			return cfs::fail(PROTO);
	}
	if (!short_ && req.bulk_bytes() != bytes_)
		return cfs::fail(PROTO);
	u64 valid = oa.valid.get();
	if (summed_ && sum_ && (valid & OBD_MD_FLCKSUM) && oa.cksum().get() != sum_) {
		CERROR(CFS_S_OSC,
		       "{}: data of {} bytes at {} of object {} was damaged on its way to the "
		       "server: checksum {:#x} there, {:#x} here; writing again",
		       object_->osc().name(), bytes_, first(), object_->name, oa.cksum().get(),
		       sum_);
		redo = true;
	}
	if (valid & OBD_MD_FLBLOCKS)
		object_->set_blocks(oa.blocks.get());
	return {};
}

Result<> Brw::check_read(rpc::ClientRequest &req, u32 bytes, bool &redo) noexcept
{
	auto reply = TRY(rpc::reply_of<rpc::op::OstRead>(req));
	const Obdo &oa = reply.get<rpc::fld::OstBody>().oa;

	if (bytes > bytes_)
		return cfs::fail(PROTO);
	if (short_) {
		cfs::Bytes data = reply.get<rpc::fld::ShortIo>();
		if (data.size() != bytes)
			return cfs::fail(PROTO);
		copy_in(data);
	} else if (req.bulk_bytes() != bytes) {
		return cfs::fail(PROTO);
	}
	got_ = bytes;
	u64 valid = oa.valid.get();
	if (summed_ && (valid & OBD_MD_FLCKSUM)) {
		if (valid & OBD_MD_FLFLAGS)
			sum_type_ = rpc::checksum_type_of(oa.flags.get());
		sum_ = checksum(bytes);
		if (sum_ != oa.cksum().get()) {
			CERROR(CFS_S_OSC,
			       "{}: data of {} bytes at {} of object {} was damaged on its way "
			       "from the server: checksum {:#x} there, {:#x} here; reading again",
			       object_->osc().name(), bytes, first(), object_->name,
			       oa.cksum().get(), sum_);
			redo = true;
			return {};
		}
	}
	zero_from(bytes);
	return {};
}

void Brw::on_complete(rpc::ClientRequest &req, Result<rpc::i32> r) noexcept
{
	Result<> out;
	if (!r)
		out = cfs::fail(r.error() == INTR ? IO : r.error());
	bool redo = false;
	u64 granted = 0;

	if (r && write_)
		out = *r > 0 ? Result<>(cfs::fail(PROTO)) : check_write(req, redo);
	else if (r)
		out = check_read(req, static_cast<u32>(*r), redo);
	if (req.replied() && (r || r.error() == DQUOT)) {
		const Obdo *oa = nullptr;
		if (write_) {
			if (auto reply = rpc::reply_of<rpc::op::OstWrite>(req))
				oa = &reply->get<rpc::fld::OstBody>().oa;
		} else if (auto reply = rpc::reply_of<rpc::op::OstRead>(req)) {
			oa = &reply->get<rpc::fld::OstBody>().oa;
		}
		if (oa && (oa->valid.get() & OBD_MD_FLGRANT))
			granted = oa->grant.get();
	}
	if (redo && tries_++ < Osc::kRedoMax) {
		object_->osc().grant_received(granted);
		start();
		return;
	}
	finish(redo ? Result<>(cfs::fail(IO)) : out, granted);
}

void Brw::finish(Result<> r, u64 granted) noexcept
{
	// What submit() took; this may be the last.
	auto self = cfs::RefPtr<Brw>::adopt(this);
	cfs::RefPtr<OscObject> object = object_;
	u64 used = grant_used, pages = grant_pages;
	cfs::RefPtr<rpc::ClientRequest> sent;

	{
		cfs::SpinGuard g(stop_lock_);
		finished_ = true;
		sent = std::move(sent_);
	}
	user_.brw_done(*this, r);
	ended();
	use.release();
	object->osc().finished(write_, used, pages, granted);
}

// ---- waiting ----

cfs::RefPtr<Brw> BrwWait::next_to_stop() noexcept
{
	cfs::SpinGuard g(lock_);
	for (Brw &b : pending_)
		if (!std::exchange(b.told_to_stop, true))
			return cfs::RefPtr<Brw>::share(&b);
	return nullptr;
}

Result<> BrwWait::wait() noexcept
{
	auto done = [this]() CFS_NO_TSA { return pending_.empty(); };
	cfs::SpinGuard g(lock_);
	if (!waitq_.wait(lock_, cfs::WaitMode::killable, cfs::Instant::never(), done)) {
		g.unlock();
		while (auto b = next_to_stop())
			b->object().osc().withdraw(*b);
		cfs::SpinGuard again(lock_);
		(void)waitq_.wait(lock_, cfs::WaitMode::idle, cfs::Instant::never(), done);
		return cfs::fail(INTR);
	}
	if (error_ != cfs::Errno{})
		return cfs::fail(error_);
	return {};
}

} // namespace client
