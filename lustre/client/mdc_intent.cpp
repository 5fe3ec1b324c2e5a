// SPDX-License-Identifier: GPL-2.0
//
// Lock requests that do something on the way: lookup, attributes, open, layouts (spec 04 sections
// 4.3 to 7, 14).
#include <algorithm>

#include "client/mdc.hpp"
#include "libcfs/log.hpp"
#include "wire/print.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;
namespace fld = rpc::fld;
namespace op = rpc::op;

namespace
{

/// What a stock getattr by intent asks for.
constexpr u64 kIntentValid = OBD_MD_FLGETATTR | OBD_MD_FLEASIZE | OBD_MD_FLMODEASIZE |
			     OBD_MD_FLDIREA | OBD_MD_MEA | OBD_MD_DEFAULT_MEA | OBD_MD_FLACL;
/// Room for the layout in replies of opens, which must not be cut: the file is open then.
constexpr u32 kOpenLayoutRoom = 4096;
constexpr u32 kDefaultMdRoom = 48;
constexpr u32 kNiobufRoom = sizeof(NiobufRemote);

ldlm::EnqueueSpec spec_of(const Fid &resource, ldlm::Mode mode, u64 bits) noexcept
{
	ldlm::EnqueueSpec s;
	s.type = ldlm::LDLM_IBITS;
	s.name = ldlm::ResName::of_fid(resource);
	s.mode = mode;
	s.policy = ldlm::Policy::of_bits(bits);
	s.flags = LDLM_FL_HAS_INTENT;
	return s;
}

/// A lock that was begun and whose request may never be sent: then it is given up.
class Begun
{
	ldlm::ClientNamespace &ns_;
	ldlm::ClientLockPtr lock_;
	bool sent_ = false;

public:
	Begun(ldlm::ClientNamespace &ns, ldlm::ClientLockPtr lock) noexcept
	    : ns_(ns), lock_(std::move(lock))
	{
	}
	~Begun()
	{
		if (!sent_)
			(void)ns_.complete(*lock_, cfs::fail(NOMEM), nullptr, {});
	}
	Begun(const Begun &) = delete;
	Begun &operator=(const Begun &) = delete;
	[[nodiscard]] ldlm::ClientLock &lock() noexcept { return *lock_; }
	void sent() noexcept { sent_ = true; }
};

template <typename Format>
void pack(rpc::Request<Format> &req, ldlm::ClientNamespace &ns, ldlm::ClientLock &lock,
	  u64 intent) noexcept
{
	auto v = req.template get<fld::DlmReq>();
	ns.pack(lock,
		{reinterpret_cast<std::byte *>(v.head), sizeof(LdlmRequest) + v.tail.size_bytes()});
	req.template get<fld::Intent>().opc = intent;
}

} // namespace

Result<> MdReply::ended() const noexcept
{
	if (status < 0)
		return cfs::fail(cfs::Errno{-status});
	return has(DISP_IT_EXECD) ? Result<>{} : Result<>(cfs::fail(PROTO));
}

/// Takes in what came of an intent, the lock too.
template <typename Format>
Result<MdReply> Mdc::intent_done(rpc::Request<Format> &req, ldlm::ClientLock &lock,
				 Result<int32_t> status) noexcept
{
	if (!status)
		return cfs::fail(ns_->complete(lock, status, nullptr, {}).error());
	rpc::Defect why;
	auto reply = req.reply(&why);
	if (!reply) {
		CERROR(CFS_S_MDC, "{}: reply of {}: {}", import_->device(), req->info().name, why);
		return cfs::fail(ns_->complete(lock, cfs::fail(PROTO), nullptr, {}).error());
	}
	const LdlmReply &rep = reply->template get<fld::DlmRep>();
	cfs::Bytes lvb;
	if constexpr (Format::Reply::template occurrences<fld::Lvb> == 1)
		lvb = reply->template get<fld::Lvb>();
	auto got = TRY(ns_->complete(lock, status, &rep, lvb));
	if (got.blocked)
		TRY(ns_->wait(lock, cfs::WaitMode::killable));
	MdReply r;
	r.req = req.ref();
	r.lock = std::move(got.use);
	if (r.lock)
		r.bits = r.lock->desc().policy.ibits.bits;
	r.waited = got.blocked;
	r.disp = got.res1;
	r.status = static_cast<int32_t>(static_cast<int64_t>(got.res2));
	if constexpr (Format::Reply::template occurrences<fld::MdtBody> == 1)
		r.body = reply->template get<fld::MdtBody>();
	if constexpr (Format::Reply::template occurrences<fld::MdtMd> == 1)
		r.md = reply->template get<fld::MdtMd>();
	if constexpr (Format::Reply::template occurrences<fld::Acl> == 1)
		r.acl = reply->template get<fld::Acl>();
	if constexpr (Format::Reply::template occurrences<fld::Lvb> == 1)
		r.md = got.blocked ? cfs::Bytes{} : lvb;
	return r;
}

namespace
{

/// A lock of an answer is on what the answer is about.
Result<> check_lock(const MdReply &r, const char *device) noexcept
{
	if (!r.lock || !r.valid(OBD_MD_FLID) ||
	    r.lock->desc().name == ldlm::ResName::of_fid(r.body.fid1))
		return {};
	CERROR(CFS_S_MDC, "{}: lock {} came with {}", device, r.lock->desc().name, r.body.fid1);
	return cfs::fail(PROTO);
}

} // namespace

Result<MdReply> Mdc::intent_getattr(const Caller &who, const Entry &e, u64 intent,
				    const Fid &child) noexcept
{
	using Format = op::LdlmIntentGetattr;
	u64 bits = intent == IT_LOOKUP ? MDS_INODELOCK_LOOKUP : MDS_INODELOCK_UPDATE;
	Begun begun(*ns_, TRY(ns_->begin(spec_of(e.dir, ldlm::LCK_CR, bits))));
	rpc::RequestLengths<Format> lengths;
	lengths.text<fld::Name>(e.name);
	rpc::ReplyLengths<Format> room;
	room.bytes<fld::MdtMd>(layout_room_.load(std::memory_order_relaxed));
	room.bytes<fld::Acl>(kAclRoom);
	room.bytes<fld::DefaultMdtMd>(kDefaultMdRoom);
	auto req = TRY(rpc::Request<Format>::make(*import_, lengths, room));
	pack(req, *ns_, begun.lock(), intent);
	MdtBody &b = req.get<fld::MdtBody>();
	put_caller(b, who);
	put_ids(*req, who);
	b.fid1 = e.dir;
	b.fid2 = child;
	b.valid = kIntentValid;
	b.eadatasize = layout_room_.load(std::memory_order_relaxed);
	TRY(req.put<fld::Name>(e.name));
	begun.sent();
	auto r = TRY(intent_done(req, begun.lock(), req.send_wait()));
	TRY(check_lock(r, import_->device()));
	return r;
}

namespace
{

void fill_open(MdtRecCreate &rec, const Entry &e, const OpenArgs &args) noexcept
{
	rec.opcode = ReintOp::REINT_OPEN;
	rec.fid1 = e.dir;
	rec.fid2 = args.fid;
	rec.time = vfs_now();
	rec.mode = args.mode;
	rec.flags_l = static_cast<u32>(args.flags);
	rec.flags_h = static_cast<u32>(args.flags >> 32);
	rec.umask = args.umask;
}

} // namespace

void Mdc::expect_osts(u32 n) noexcept
{
	std::size_t bytes = sizeof(LovMdsMdV3) + std::size_t{n} * sizeof(LovOstData);
	bytes = std::clamp<std::size_t>(bytes, kLayoutRoom, kOpenLayoutRoom);
	replay_room_.store(static_cast<u32>(bytes), std::memory_order_relaxed);
}

Result<MdReply> Mdc::intent_open(const Caller &who, const Entry &e, const OpenArgs &args,
				 Early &early, OpenHandleRef *handle) noexcept
{
	using Format = op::LdlmIntentOpen;
	bool creates = args.flags & MDS_OPEN_CREAT;
	bool writes = args.flags & (MDS_FMODE_WRITE | MDS_OPEN_TRUNC);
	auto spec = spec_of(e.dir, writes ? ldlm::LCK_CW : ldlm::LCK_CR,
			    creates ? MDS_INODELOCK_UPDATE : MDS_INODELOCK_LOOKUP);
	spec.early_cancels = early.handles();
	auto open = TRY(cfs::try_make_ref<OpenHandle>());
	Begun begun(*ns_, TRY(ns_->begin(spec)));
	rpc::RequestLengths<Format> lengths;
	lengths.elements<fld::DlmReq>(1 + early.handles().size());
	lengths.text<fld::Name>(e.name);
	std::size_t sent = args.layout.size();
	if (args.layout.empty() && !(args.flags & MDS_OPEN_DELAY_CREATE))
		sent = layout_room_.load(std::memory_order_relaxed);
	std::size_t for_replay = replay_room_.load(std::memory_order_relaxed);
	lengths.bytes<fld::EaData>(std::max(sent, for_replay));
	rpc::ReplyLengths<Format> room;
	room.bytes<fld::MdtMd>(kOpenLayoutRoom);
	room.bytes<fld::Acl>(kAclRoom);
	room.bytes<fld::NiobufInline>(kNiobufRoom);
	auto req = TRY(rpc::Request<Format>::make(*import_, lengths, room));
	TRY(req.resize<fld::EaData>(sent));
	pack(req, *ns_, begun.lock(), creates ? IT_OPEN_CREAT : IT_OPEN);
	fill_open(req.get<fld::RecCreate>(), e, args);
	put_caller(req.get<fld::RecCreate>(), who);
	put_ids(*req, who);
	TRY(req.put<fld::Name>(e.name));
	if (!args.layout.empty())
		TRY(req.put<fld::EaData>(args.layout));
	req->options.modifies = true;
	req->options.keep_committed = true;
	begun.sent();
	early.sent();
	open->generation_ = import_->generation();
	open->get(); // the request's, until on_gone()
	auto status = req->send_wait(cfs::WaitMode::killable, open.get());
	auto r = TRY(intent_done(req, begun.lock(), status));
	if (r.has(DISP_OPEN_OPEN) && r.status >= 0) {
		cfs::SpinGuard g(open->lock_);
		if (open->handle_ == wire::OpenHandle{})
			open->handle_ = r.body.open_handle.get();
		open->open_ = req.ref();
	} else {
		req->drop_replay();
		open.reset();
	}
	if (r.md.size() > layout_room_.load(std::memory_order_relaxed) &&
	    r.md.size() <= kOpenLayoutRoom)
		layout_room_.store(static_cast<u32>(round8(r.md.size())),
				   std::memory_order_relaxed);
	*handle = std::move(open);
	return r;
}

Result<MdReply> Mdc::intent_layout(const Fid &fid, LayoutIntentOp what, u64 start, u64 end,
				   Early &early) noexcept
{
	using Format = op::LdlmIntentLayout;
	bool fetch = what == LayoutIntentOp::LAYOUT_INTENT_ACCESS;
	auto spec = spec_of(fid, fetch ? ldlm::LCK_CR : ldlm::LCK_EX, MDS_INODELOCK_LAYOUT);
	spec.lvb_type = LvbType::LVB_T_LAYOUT;
	spec.lvb_max = rpc::kBlobBytesMax;
	spec.early_cancels = early.handles();
	Begun begun(*ns_, TRY(ns_->begin(spec)));
	rpc::RequestLengths<Format> lengths;
	lengths.elements<fld::DlmReq>(1 + early.handles().size());
	rpc::ReplyLengths<Format> room;
	room.bytes<fld::Lvb>(kOpenLayoutRoom);
	auto req = TRY(rpc::Request<Format>::make(*import_, lengths, room));
	pack(req, *ns_, begun.lock(), IT_LAYOUT);
	LayoutIntent &l = req.get<fld::LayoutIntent>();
	l.opc = what;
	l.extent.start = start;
	l.extent.end = end;
	put_ids(*req, Caller::here());
	req->options.modifies = !fetch;
	begun.sent();
	early.sent();
	auto r = TRY(intent_done(req, begun.lock(), req.send_wait()));
	if (r.status < 0)
		return cfs::fail(cfs::Errno{-r.status});
	if (!r.waited || !r.lock)
		return r;
	// Not "no layout": the lock is held now, and what it guards can be asked for.
	auto now = TRY(getattr(Caller::here(), fid, OBD_MD_FLEASIZE, kOpenLayoutRoom));
	r.req = now.req;
	r.md = now.valid(OBD_MD_FLEASIZE) ? now.md : cfs::Bytes{};
	return r;
}

Result<ldlm::LockUse> Mdc::lock_dir(const Fid &dir) noexcept
{
	ldlm::MatchSpec m;
	m.type = ldlm::LDLM_IBITS;
	m.name = ldlm::ResName::of_fid(dir);
	m.modes = ldlm::modes(ldlm::LCK_CR, ldlm::LCK_CW, ldlm::LCK_PR, ldlm::LCK_PW);
	m.policy = ldlm::Policy::of_bits(MDS_INODELOCK_UPDATE);
	if (auto use = ns_->match(m))
		return use;
	auto got = TRY(ns_->enqueue(spec_of(dir, ldlm::LCK_PR, MDS_INODELOCK_UPDATE), {}));
	if (!got.use)
		return cfs::fail(PROTO);
	return std::move(got.use);
}

} // namespace client
