// SPDX-License-Identifier: GPL-2.0
//
// Opening, and creating by an open (spec 04 section 7). An open that succeeds always takes a
// transaction number, whether it changes the disk or not: clients replay opens in that order.
#include "mdt/creation.hpp"
#include "mdt/intent.hpp"

namespace mdt
{

using namespace cfs::err;

namespace
{

constexpr u64 kLookedUp = wire::DISP_IT_EXECD | wire::DISP_LOOKUP_EXECD;
constexpr u64 kFound = kLookedUp | wire::DISP_LOOKUP_POS;

class Open
{
	MdtTarget &t_;
	rpc::ServerRequest &req_;
	const wire::MdtRecCreate &rec_;
	std::string_view name_;
	cfs::Bytes ea_;
	u64 flags_;
	Caller caller_;
	LockSet locks_;
	osd::ObjectRef object_;
	osd::Attr attr_;
	wire::OpenHandle handle_{}; // of a file that this request opened

	[[nodiscard]] bool has(u64 flags) const noexcept { return (flags_ & flags) != 0; }
	[[nodiscard]] bool writes() const noexcept { return has(wire::MDS_FMODE_WRITE); }
	[[nodiscard]] bool creates() const noexcept { return has(wire::MDS_OPEN_CREAT); }
	[[nodiscard]] bool replay() const noexcept { return t_.replaying(req_); }
	[[nodiscard]] u64 wanted_attrs() const noexcept;

	[[nodiscard]] cfs::Result<> check() noexcept;
	[[nodiscard]] cfs::Result<> by_fid(IntentResult &r) noexcept;
	[[nodiscard]] cfs::Result<> by_name(IntentResult &r) noexcept;
	[[nodiscard]] cfs::Result<> replayed(IntentResult &r) noexcept;
	[[nodiscard]] cfs::Result<> again(const target::SavedReply &saved,
					  IntentResult &r) noexcept;
	[[nodiscard]] cfs::Result<> create(Place &p, IntentResult &r) noexcept;
	[[nodiscard]] cfs::Result<> existing(IntentResult &r) noexcept;
	[[nodiscard]] cfs::Result<> check_kind() noexcept;
	[[nodiscard]] cfs::Result<> check_permission(IntentResult &r) noexcept;
	[[nodiscard]] cfs::Result<> plan_layout(NewLayout &layout, osd::Object *dir) noexcept;
	[[nodiscard]] cfs::Result<> take_lock(IntentResult &r) noexcept;
	[[nodiscard]] cfs::Result<> open_handle() noexcept;
	void close_handle() noexcept;
	[[nodiscard]] cfs::Result<> tell() noexcept;
	[[nodiscard]] cfs::Result<> serve(IntentResult &r) noexcept;

public:
	Details details;

	Open(MdtTarget &t, rpc::ServerRequest &req,
	     rpc::RequestView<op::LdlmIntentOpen> in) noexcept
	    : t_(t), req_(req), rec_(in.get<fld::RecCreate>()), name_(in.get<fld::Name>()),
	      ea_(in.get<fld::EaData>()), flags_(u64{rec_.flags_h} << 32 | rec_.flags_l),
	      caller_(Caller::of_record(rec_)), locks_(t.locks().ns(), req)
	{
	}
	void run(IntentResult &r) noexcept;
	/// The lock exists; only the reply is missing.
	void run_again(IntentResult &r) noexcept;
};

u64 Open::wanted_attrs() const noexcept
{
	u64 wanted = wire::OBD_MD_FLEASIZE | wire::OBD_MD_FLACL;
	if (!has(wire::MDS_OPEN_BY_FID))
		wanted |= wire::OBD_MD_FLMODEASIZE;
	return wanted;
}

/// What refuses the request before anything is done.
cfs::Result<> Open::check() noexcept
{
	if (flags_ == 0)
		return cfs::fail(PROTO);
	if (has(wire::MDS_OPEN_HAS_EA | wire::MDS_OPEN_HAS_OBJS) && ea_.empty())
		return cfs::fail(INVAL);
	if (has(wire::MDS_OPEN_LEASE | wire::MDS_OPEN_VOLATILE | wire::MDS_OPEN_PCC))
		return cfs::fail(OPNOTSUPP);
	return writes() ? t_.may_change(req_) : cfs::Result<>{};
}

/// Attributes for the reply; a replay has the layout already.
cfs::Result<> Open::tell() noexcept
{
	details = {};
	TRY(t_.describe(*object_, wanted_attrs(), details));
	if (replay())
		details.md = {};
	return {};
}

// ---- handles ----

cfs::Result<> Open::open_handle() noexcept
{
	auto handle = wire::OpenHandle{t_.rpc().new_cookie()};
	TRY(t_.opens().open(*req_.exp(), object_, handle, flags_, req_.xid()));
	handle_ = handle;
	return {};
}

/// The open failed after all.
void Open::close_handle() noexcept
{
	auto handle = std::exchange(handle_, {});
	if (handle == wire::OpenHandle{})
		return;
	if (OpenFile *f = t_.opens().take(*req_.exp(), handle))
		t_.release(f);
}

// ---- new objects ----

/// Objects, if the file will be written now. dir: whose default counts.
cfs::Result<> Open::plan_layout(NewLayout &layout, osd::Object *dir) noexcept
{
	StripeWish wish;
	bool given = has(wire::MDS_OPEN_HAS_EA);
	if (replay()) {
		// The objects exist: the reply to the first open named them.
		std::size_t n = layout_bytes(ea_);
		return n ? layout.adopt(t_.osts(), ea_.first(n)) : cfs::Result<>{};
	}
	if (!given && (!writes() || has(wire::MDS_OPEN_DELAY_CREATE)))
		return {};
	if (given)
		wish = TRY(parse_wish(ea_));
	return t_.reserve_layout(layout, dir, wish);
}

cfs::Result<> Open::create(Place &p, IntentResult &r) noexcept
{
	NewObject n;
	NewLayout layout;
	n.fid = rec_.fid2;
	n.mode = (rec_.mode & ~(rec_.umask & 0777u) & ~osd::kTypeMask) | osd::kTypeFile;
	n.time = rec_.time;
	n.caller = caller_;
	Creation c(t_, p, n);
	TRY(t_.may_change(req_));
	TRY(c.prepare());
	TRY(plan_layout(layout, p.object.get()));
	object_ = c.object();
	TRY(open_handle());
	u64 done =
		kLookedUp | wire::DISP_LOOKUP_NEG | wire::DISP_OPEN_CREATE | wire::DISP_OPEN_OPEN;
	if (!layout.wanted() && req_.exp()->has_flag(wire::OBD_CONNECT_DISP_STRIPE))
		done |= wire::DISP_OPEN_STRIPE;
	auto declare = [&](osd::Transaction &tx) -> cfs::Result<> {
		TRY(c.declare(tx));
		return layout.wanted() ? layout.declare(tx, *object_) : cfs::Result<>{};
	};
	TRY(change(
		t_, &req_, declare,
		[&](Modification &m) -> cfs::Result<> {
			TRY(c.run(m));
			return layout.wanted() ? layout.make(m.tx(), *object_) : cfs::Result<>{};
		},
		done));
	r.disposition = done;
	TRY(object_->attr_get(attr_));
	// The file is there now, with the lock or without it.
	(void)take_lock(r);
	locks_.keep();
	return tell();
}

// ---- what exists ----

cfs::Result<> Open::check_kind() noexcept
{
	if (is_dir(attr_) && (writes() || creates()))
		return cfs::fail(ISDIR);
	return {};
}

cfs::Result<> Open::check_permission(IntentResult &r) noexcept
{
	u32 wanted = 0;
	wanted |= has(wire::MDS_FMODE_READ) ? kMayRead : 0;
	wanted |= writes() ? kMayWrite : 0;
	wanted |= has(kOpenExec) ? kMayExec : 0;
	if (has(kOpenExec))
		wanted &= ~kMayRead;
	if (replay() || (has(wire::MDS_OPEN_OWNEROVERRIDE) && caller_.uid == attr_.uid))
		return {};
	if (auto may = check_access(attr_, caller_, wanted); !may) {
		if (may.error() == ACCES)
			r.disposition |= wire::DISP_OPEN_DENY;
		return may;
	}
	if ((attr_.flags & wire::LUSTRE_APPEND_FL) && writes() && !has(wire::MDS_OPEN_APPEND))
		return cfs::fail(PERM);
	return {};
}

/// The lock for the client (spec 04 section 7.4), or none.
cfs::Result<> Open::take_lock(IntentResult &r) noexcept
{
	const Fid &fid = object_->fid();
	auto name = ResName::of_fid(fid);
	constexpr u64 kOpenBits = wire::MDS_INODELOCK_LOOKUP | wire::MDS_INODELOCK_OPEN;
	constexpr u64 kAll = wire::MDS_INODELOCK_LOOKUP | wire::MDS_INODELOCK_UPDATE |
			     wire::MDS_INODELOCK_LAYOUT | wire::MDS_INODELOCK_PERM;
	if (replay())
		return {};
	if (has(wire::MDS_OPEN_LOCK)) {
		ldlm::Mode mode = writes()	   ? ldlm::LCK_CW
				  : has(kOpenExec) ? ldlm::LCK_PR
						   : ldlm::LCK_CR;
		u64 wish = is_file(attr_) ? wire::MDS_INODELOCK_LAYOUT : 0;
		r.lock = TRY(locks_.take(name, mode, kOpenBits, wish));
		r.disposition |= wire::DISP_OPEN_LOCK;
		return {};
	}
	if (!is_file(attr_))
		return {};
	auto lock = locks_.take(name, ldlm::LCK_PR, 0, kAll);
	if (!lock)
		return lock.error() == AGAIN ? cfs::Result<>{} : cfs::fail(lock.error());
	// A client that learns no layout has no use for it.
	if ((*lock)->desc().policy.ibits.bits & wire::MDS_INODELOCK_LAYOUT)
		r.lock = std::move(*lock);
	return {};
}

/// The object is there, and object_ is it.
cfs::Result<> Open::existing(IntentResult &r) noexcept
{
	r.disposition = kFound;
	NewLayout layout;
	// Against an unlink: the object stays, or its orphan is known to be open.
	LocalLock still = TRY(locks_.take(ResName::of_fid(object_->fid()), ldlm::LCK_CR,
					  wire::MDS_INODELOCK_LOOKUP));
	TRY(object_->attr_get(attr_));
	if (has(wire::MDS_OPEN_DIRECTORY) && !is_dir(attr_))
		return cfs::fail(NOTDIR); // with no word about the object
	TRY(tell());
	if (creates() && has(wire::MDS_OPEN_EXCL) && !replay() && !has(wire::MDS_OPEN_BY_FID)) {
		details.md = {};
		details.body.eadatasize = 0;
		details.body.valid = details.body.valid & ~wire::OBD_MD_FLEASIZE;
		return cfs::fail(EXIST);
	}
	TRY(check_kind());
	// Opened where they are used.
	if (!is_dir(attr_) && !is_file(attr_))
		return {};
	TRY(check_permission(r));
	TRY(open_handle());
	still.release();

	bool without = is_file(attr_) && TRY(read_layout(*object_)).empty();
	LocalLock layout_lock;
	if (without) {
		TRY(plan_layout(layout, nullptr));
		if (!replay() && req_.exp()->has_flag(wire::OBD_CONNECT_DISP_STRIPE))
			r.disposition |= wire::DISP_OPEN_STRIPE;
	}
	if (layout.wanted()) {
		layout_lock = TRY(locks_.take(ResName::of_fid(object_->fid()), ldlm::LCK_EX,
					      wire::MDS_INODELOCK_LAYOUT));
		// Somebody else may have been here.
		if (!TRY(read_layout(*object_)).empty())
			layout = NewLayout();
	}
	u64 done = r.disposition | wire::DISP_OPEN_OPEN;
	auto declare = [&](osd::Transaction &tx) -> cfs::Result<> {
		TRY(object_->declare_version_set(tx));
		return layout.wanted() ? layout.declare(tx, *object_) : cfs::Result<>{};
	};
	TRY(change(
		t_, &req_, declare,
		[&](Modification &m) -> cfs::Result<> {
			if (!layout.wanted())
				return {};
			TRY(layout.make(m.tx(), *object_));
			return object_->version_set(m.tx(), m.version());
		},
		done));
	r.disposition = done;
	if (!layout.wanted())
		TRY(take_lock(r));
	return tell();
}

cfs::Result<> Open::by_fid(IntentResult &r) noexcept
{
	r.disposition = kLookedUp;
	object_ = TRY(t_.object(rec_.fid2.is_zero() ? rec_.fid1 : rec_.fid2));
	return existing(r);
}

cfs::Result<> Open::by_name(IntentResult &r) noexcept
{
	r.disposition = kLookedUp;
	Place p = TRY(t_.locate(locks_, rec_.fid1, name_, NameUse::look_up, caller_));
	if (!p.found && creates()) {
		locks_.release();
		p = TRY(t_.locate(locks_, rec_.fid1, name_, NameUse::change, caller_));
	}
	if (!p.found) {
		r.disposition |= wire::DISP_LOOKUP_NEG;
		return creates() ? create(p, r) : cfs::Result<>{};
	}
	auto o = t_.object(p.child);
	if (!o)
		return cfs::fail(o.error() == NOENT ? IO : o.error());
	object_ = std::move(*o);
	return existing(r);
}

/// After a restart: the handle is made again, and with it the file if it is gone.
cfs::Result<> Open::replayed(IntentResult &r) noexcept
{
	if (OpenFile *old = t_.opens().take(*req_.exp(), rec_.open_handle_old))
		t_.release(old);
	auto o = t_.object(rec_.fid2);
	if (o) {
		object_ = std::move(*o);
		return existing(r);
	}
	if (o.error() != NOENT || !creates())
		return cfs::fail(o.error() == NOENT ? FAULT : o.error());
	r.disposition = kLookedUp | wire::DISP_LOOKUP_NEG;
	Place p = TRY(t_.locate(locks_, rec_.fid1, name_, NameUse::change, caller_));
	if (p.found)
		return cfs::fail(EXIST);
	return create(p, r);
}

/// It was executed, and the answer was lost.
cfs::Result<> Open::again(const target::SavedReply &saved, IntentResult &r) noexcept
{
	r.disposition = saved.data;
	// Its name may be another file's by now.
	wire::OpenHandle handle = t_.opens().find(*req_.exp(), req_.xid(), object_);
	if (handle == wire::OpenHandle{}) {
		if (!replay())
			return cfs::fail(STALE);
		object_ = TRY(t_.object(rec_.fid2.is_zero() ? rec_.fid1 : rec_.fid2));
		TRY(open_handle());
		handle = handle_;
	}
	TRY(object_->attr_get(attr_));
	TRY(take_lock(r));
	TRY(tell());
	details.body.open_handle = handle;
	return {};
}

cfs::Result<> Open::serve(IntentResult &r) noexcept
{
	if (auto may = check(); !may) {
		r.refused = may.error();
		return may;
	}
	if (auto saved = t_.saved_reply(req_))
		return again(*saved, r);
	if (replay())
		return replayed(r);
	if (has(wire::MDS_OPEN_BY_FID) || name_.empty())
		return by_fid(r);
	return by_name(r);
}

void Open::run(IntentResult &r) noexcept
{
	if (auto done = serve(r); !done) {
		r.status = done.error();
		r.lock.release();
		r.disposition &= ~(wire::DISP_OPEN_CREATE | wire::DISP_OPEN_LOCK);
		close_handle();
		return;
	}
	if (handle_ != wire::OpenHandle{})
		details.body.open_handle = handle_;
}

void Open::run_again(IntentResult &r) noexcept
{
	auto saved = t_.saved_reply(req_);
	auto done = saved ? again(*saved, r) : cfs::fail(STALE);
	if (!done)
		r.status = done.error();
	r.lock.release(); // there is one
}

} // namespace

cfs::Result<> intent_open(MdtTarget &t, rpc::ServerRequest &req, ldlm::Peer &peer) noexcept
{
	using Format = op::LdlmIntentOpen;
	auto in = TRY(req.as<Format>());
	Open o(t, req, in);
	IntentRun policy([&](IntentResult &r) noexcept { o.run(r); });
	ldlm::EnqueueAnswer answer;
	t.locks().ns().enqueue(peer, target::enqueue_call(req, in.get<fld::DlmReq>()), &policy,
			       answer);
	if (!policy.ran && has_lock(answer)) {
		IntentResult r;
		o.run_again(r);
		answer.rep.lock_policy_res1 = r.disposition;
		tell_status(answer, r.status);
	}
	const Details &d = o.details;
	rpc::ReplyLengths<Format> lengths;
	lengths.bytes<fld::MdtMd>(d.md.size());
	lengths.bytes<fld::Acl>(d.acl.size());
	lengths.elements<fld::NiobufInline>(0);
	lengths.bytes<fld::DefaultMdtMd>(0);
	auto out = TRY(req.reply<Format>(lengths));
	out.get<fld::MdtBody>() = d.body;
	TRY(out.put<fld::MdtMd>(cfs::Bytes{d.md.data(), d.md.size()}));
	return target::put_answer(req, out.get<fld::DlmRep>(), answer);
}

} // namespace mdt
