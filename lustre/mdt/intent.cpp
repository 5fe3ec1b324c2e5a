// SPDX-License-Identifier: GPL-2.0
//
// The intents but open: lookup and getattr, layout, all extended attributes.
#include "mdt/intent.hpp"

#include <algorithm>

#include "wire/xattr.hpp"

namespace mdt
{

using namespace cfs::err;

namespace
{

/// Attributes that did not change for so long will not change soon: they are locked with a lookup.
constexpr std::int64_t kOldAge = 10;

/// IT_GETATTR and IT_LOOKUP.
class Getattr
{
	MdtTarget &t_;
	rpc::ServerRequest &req_;
	const wire::MdtBody &asked_;
	std::string_view name_;
	bool lookup_;
	LockSet locks_;

	/// The object by itself: it is known, and its lock is to be had again.
	[[nodiscard]] bool by_fid() const noexcept { return name_.empty() || name_ == "/"; }
	[[nodiscard]] cfs::Result<osd::ObjectRef> find(IntentResult &r) noexcept;
	[[nodiscard]] cfs::Result<LocalLock> lock(osd::Object &o) noexcept;
	[[nodiscard]] cfs::Result<> serve(IntentResult &r) noexcept;

public:
	Details details;

	Getattr(MdtTarget &t, rpc::ServerRequest &req,
		rpc::RequestView<op::LdlmIntentGetattr> in) noexcept
	    : t_(t), req_(req), asked_(in.get<fld::MdtBody>()), name_(in.get<fld::Name>()),
	      lookup_(in.get<fld::Intent>().opc & wire::IT_LOOKUP), locks_(t.locks().ns(), req)
	{
	}
	void run(IntentResult &r) noexcept
	{
		if (auto done = serve(r); !done) {
			r.status = done.error();
			r.lock.release();
		}
	}
	/// The lock exists; only the reply is missing.
	void run_again(const Fid &fid) noexcept
	{
		auto o = t_.object(fid);
		if (o)
			(void)t_.describe(**o, asked_.valid, details);
	}
};

cfs::Result<osd::ObjectRef> Getattr::find(IntentResult &r) noexcept
{
	Fid fid = asked_.fid2;
	if (by_fid()) {
		if (fid.is_zero() || (asked_.valid & wire::OBD_MD_FLCROSSREF))
			fid = asked_.fid1;
	} else {
		Place p = TRY(t_.locate(locks_, asked_.fid1, name_, NameUse::look_up,
					Caller::of(asked_)));
		if (!p.found) {
			r.disposition |= wire::DISP_LOOKUP_NEG;
			return osd::ObjectRef();
		}
		fid = p.child;
	}
	r.disposition |= wire::DISP_LOOKUP_POS;
	return t_.object(fid);
}

cfs::Result<LocalLock> Getattr::lock(osd::Object &o) noexcept
{
	u64 bits = wire::MDS_INODELOCK_LOOKUP | wire::MDS_INODELOCK_PERM;
	u64 wish = 0;
	osd::Attr a;
	TRY(o.attr_get(a));
	// Nobody finds it by a name any more.
	if (is_orphan(a))
		bits &= ~wire::MDS_INODELOCK_LOOKUP;
	if (!lookup_ || a.ctime.sec + kOldAge < cfs::real_seconds())
		bits |= wire::MDS_INODELOCK_UPDATE;
	if (is_file(a) && req_.exp()->has_flag(wire::OBD_CONNECT_LAYOUTLOCK))
		wish |= wire::MDS_INODELOCK_LAYOUT;
	return locks_.take(ResName::of_fid(o.fid()), ldlm::LCK_PR, bits, wish);
}

cfs::Result<> Getattr::serve(IntentResult &r) noexcept
{
	r.disposition = wire::DISP_IT_EXECD;
	if (!(asked_.valid & wire::OBD_MD_FLID))
		return cfs::fail(NOENT);
	r.disposition |= wire::DISP_LOOKUP_EXECD;
	osd::ObjectRef o = TRY(find(r));
	if (!o)
		return {};
	// Who wants no more than the FID takes no lock.
	if (asked_.valid == wire::OBD_MD_FLID) {
		details.body.fid1 = o->fid();
		details.body.valid = wire::OBD_MD_FLID;
		return {};
	}
	r.lock = TRY(lock(*o));
	return t_.describe(*o, asked_.valid, details);
}

cfs::Result<> serve_getattr(MdtTarget &t, rpc::ServerRequest &req, ldlm::Peer &peer) noexcept
{
	using Format = op::LdlmIntentGetattr;
	auto in = TRY(req.as<Format>());
	Getattr g(t, req, in);
	IntentRun policy([&](IntentResult &r) noexcept { g.run(r); });
	ldlm::EnqueueAnswer answer;
	auto call = target::enqueue_call(req, in.get<fld::DlmReq>());
	t.locks().ns().enqueue(peer, call, &policy, answer);
	if (!policy.ran && has_lock(answer)) {
		wire::Fid fid{};
		auto name = answer.lock->desc().name;
		fid = wire::make_fid(name.name[0], static_cast<u32>(name.name[1]));
		g.run_again(fid);
		answer.rep.lock_policy_res1 =
			wire::DISP_IT_EXECD | wire::DISP_LOOKUP_EXECD | wire::DISP_LOOKUP_POS;
	}
	const Details &d = g.details;
	rpc::ReplyLengths<Format> lengths;
	lengths.bytes<fld::MdtMd>(d.md.size());
	lengths.bytes<fld::Acl>(d.acl.size());
	auto out = TRY(req.reply<Format>(lengths));
	out.get<fld::MdtBody>() = d.body;
	TRY(out.put<fld::MdtMd>(cfs::Bytes{d.md.data(), d.md.size()}));
	return target::put_answer(req, out.get<fld::DlmRep>(), answer);
}

// ---- layout ----

/// IT_LAYOUT: the layout under a lock, or objects for a file that is about to be written.
class LayoutOf
{
	MdtTarget &t_;
	rpc::ServerRequest &req_;
	const wire::LayoutIntent &intent_;
	Fid fid_;
	cfs::Bytes replayed_;
	LockSet locks_;

	[[nodiscard]] cfs::Result<> assign(osd::Object &o) noexcept;
	[[nodiscard]] cfs::Result<> serve(IntentResult &r) noexcept;

public:
	cfs::Array<std::byte> ea;

	LayoutOf(MdtTarget &t, rpc::ServerRequest &req,
		 rpc::RequestView<op::LdlmIntentLayout> in) noexcept
	    : t_(t), req_(req), intent_(in.get<fld::LayoutIntent>()),
	      replayed_(in.get<fld::EaData>()), locks_(t.locks().ns(), req)
	{
		const auto &name = in.get<fld::DlmReq>()->lock_desc.resource.name;
		fid_ = wire::make_fid(name.name[0].get(), static_cast<u32>(name.name[1].get()));
	}
	void run(IntentResult &r) noexcept
	{
		if (auto done = serve(r); !done) {
			r.lock.release();
			r.refused = done.error();
		}
	}
	void run_again() noexcept
	{
		if (auto o = t_.object(fid_))
			if (auto read = read_layout(**o))
				ea = std::move(*read);
	}
};

/// Objects for a file without any; under EX LAYOUT.
cfs::Result<> LayoutOf::assign(osd::Object &o) noexcept
{
	NewLayout layout;
	std::size_t n = t_.replaying(req_) ? layout_bytes(replayed_) : 0;
	if (n)
		TRY(layout.adopt(t_.osts(), replayed_.first(n)));
	else
		TRY(t_.reserve_layout(layout, nullptr, {}));
	auto declare = [&](osd::Transaction &tx) -> cfs::Result<> {
		TRY(layout.declare(tx, o));
		return o.declare_version_set(tx);
	};
	return change(
		t_, &req_, declare,
		[&](Modification &m) -> cfs::Result<> {
			TRY(layout.make(m.tx(), o));
			return o.version_set(m.tx(), m.version());
		},
		wire::DISP_IT_EXECD);
}

cfs::Result<> LayoutOf::serve(IntentResult &r) noexcept
{
	using enum wire::LayoutIntentOp;
	wire::LayoutIntentOp opc = intent_.opc;
	bool access = opc == LAYOUT_INTENT_ACCESS;
	u64 bits = wire::MDS_INODELOCK_LAYOUT;
	if (!access && opc != LAYOUT_INTENT_WRITE && opc != LAYOUT_INTENT_TRUNC)
		return cfs::fail(opc <= LAYOUT_INTENT_CHANGE ? OPNOTSUPP : INVAL);
	osd::ObjectRef o = TRY(t_.object(fid_));
	if (o->type() != osd::kTypeFile)
		return cfs::fail(INVAL);
	if (!access) {
		TRY(t_.may_change(req_));
		bits |= wire::MDS_INODELOCK_UPDATE;
		r.lock = TRY(locks_.take(ResName::of_fid(fid_), ldlm::LCK_EX, bits));
		ea = TRY(read_layout(*o));
		if (ea.empty() && !t_.saved_reply(req_))
			TRY(assign(*o));
		t_.locks().ns().downgrade(*r.lock.get(), ldlm::LCK_CR);
	} else {
		r.lock = TRY(locks_.take(ResName::of_fid(fid_), ldlm::LCK_CR, bits));
	}
	ea = TRY(read_layout(*o));
	r.disposition = wire::DISP_IT_EXECD;
	return {};
}

cfs::Result<> serve_layout(MdtTarget &t, rpc::ServerRequest &req, ldlm::Peer &peer) noexcept
{
	using Format = op::LdlmIntentLayout;
	auto in = TRY(req.as<Format>());
	LayoutOf l(t, req, in);
	IntentRun policy([&](IntentResult &r) noexcept { l.run(r); });
	ldlm::EnqueueAnswer answer;
	t.locks().ns().enqueue(peer, target::enqueue_call(req, in.get<fld::DlmReq>()), &policy,
			       answer);
	if (!policy.ran && has_lock(answer)) {
		l.run_again();
		(void)t.saved_reply(req); // the number of the transaction, if there was one
		answer.rep.lock_policy_res1 = wire::DISP_IT_EXECD;
	}
	rpc::ReplyLengths<Format> lengths;
	lengths.bytes<fld::Lvb>(l.ea.size());
	auto out = TRY(req.reply<Format>(lengths));
	TRY(out.put<fld::Lvb>(cfs::Bytes{l.ea.data(), l.ea.size()}));
	return target::put_answer(req, out.get<fld::DlmRep>(), answer);
}

// ---- extended attributes ----

/// All names and values of an object, as IT_GETXATTR tells them.
struct XattrSet {
	cfs::Array<std::byte> names, values;
	cfs::Array<wire::le32> lengths;
	std::size_t names_used = 0, values_used = 0, count = 0;

	[[nodiscard]] cfs::Result<> read(osd::Object &o, std::size_t room) noexcept;
	[[nodiscard]] cfs::Result<> add(osd::Object &o, std::string_view name) noexcept;
};

cfs::Result<> XattrSet::add(osd::Object &o, std::string_view name) noexcept
{
	cfs::MutBytes to{values.data() + values_used, values.size() - values_used};
	std::size_t n = TRY(o.xattr_get(name, {}));
	if (n > to.size() || count == lengths.size() || name.size() + 1 > names.size() - names_used)
		return cfs::fail(RANGE);
	if (n)
		n = TRY(o.xattr_get(name, to));
	auto text = cfs::as_bytes(name);
	std::copy(text.begin(), text.end(), names.begin() + names_used);
	names_used += text.size() + 1;
	values_used += n;
	lengths[count++] = static_cast<u32>(n);
	return {};
}

/// err::RANGE: more than `room` bytes of values.
cfs::Result<> XattrSet::read(osd::Object &o, std::size_t room) noexcept
{
	std::size_t n = TRY(o.xattr_list({}));
	auto list = TRY(cfs::Array<std::byte>::make(CFS_S_MDS, n));
	n = TRY(o.xattr_list({reinterpret_cast<char *>(list.data()), n}));
	names = TRY(cfs::Array<std::byte>::make(CFS_S_MDS, n));
	values = TRY(cfs::Array<std::byte>::make(CFS_S_MDS, room));
	lengths = TRY(cfs::Array<wire::le32>::make(CFS_S_MDS, n / 2 + 1));
	cfs::Bytes rest{list.data(), n};
	while (!rest.empty()) {
		std::string_view name = cfs::as_string(rest);
		auto added = add(o, name);
		// Removed meanwhile: not there.
		if (!added && added.error() != NODATA)
			return added;
		rest = rest.subspan(std::min(name.size() + 1, rest.size()));
	}
	return {};
}

/// Buffers that stock leaves in the reply though nothing is in them.
constexpr std::size_t kStockMdBytes = 56;
constexpr std::size_t kStockAclBytes = wire::LUSTRE_POSIX_ACL_MAX_SIZE_OLD;

cfs::Result<> read_all(MdtTarget &t, rpc::ServerRequest &req, const wire::MdtBody &asked,
		       XattrSet &set, IntentResult &r) noexcept
{
	LockSet locks(t.locks().ns(), req);
	u32 room = asked.eadatasize;
	if (room == 0 || room % 4 || room > osd::kXattrSizeMax)
		return cfs::fail(INVAL);
	osd::ObjectRef o = TRY(t.object(asked.fid1));
	r.lock = TRY(
		locks.take(ResName::of_fid(asked.fid1), ldlm::LCK_PR, wire::MDS_INODELOCK_XATTR));
	auto read = set.read(*o, room);
	if (!read) {
		set = {};
		// Too much for the cache of the client, which keeps the lock and asks singly.
		if (read.error() != RANGE)
			return read;
		r.status = RANGE;
	}
	return {};
}

cfs::Result<> serve_getxattr(MdtTarget &t, rpc::ServerRequest &req, ldlm::Peer &peer) noexcept
{
	using Format = op::LdlmIntentGetxattr;
	auto in = TRY(req.as<Format>());
	const wire::MdtBody &asked = in.get<fld::MdtBody>();
	XattrSet set;
	bool full = false;
	auto run = [&](IntentResult &r) noexcept {
		if (auto done = read_all(t, req, asked, set, r); !done) {
			r.lock.release();
			r.refused = done.error();
		}
		full = r.status == RANGE;
	};
	IntentRun policy(run);
	ldlm::EnqueueAnswer answer;
	t.locks().ns().enqueue(peer, target::enqueue_call(req, in.get<fld::DlmReq>()), &policy,
			       answer);
	if (!policy.ran && has_lock(answer)) {
		// Under the lock that was granted the first time.
		auto o = t.object(asked.fid1);
		full = !o || !set.read(**o, asked.eadatasize);
		if (full) {
			set = {};
			tell_status(answer, RANGE);
		}
	}
	rpc::ReplyLengths<Format> lengths;
	lengths.bytes<fld::MdtMd>(kStockMdBytes);
	lengths.bytes<fld::Acl>(kStockAclBytes);
	lengths.bytes<fld::EaData>(set.names_used);
	lengths.bytes<fld::EaVals>(set.values_used);
	lengths.elements<fld::EaValsLens>(set.count);
	auto out = TRY(req.reply<Format>(lengths));
	TRY(out.put<fld::EaData>(cfs::Bytes{set.names.data(), set.names_used}));
	TRY(out.put<fld::EaVals>(cfs::Bytes{set.values.data(), set.values_used}));
	auto to = out.get<fld::EaValsLens>();
	for (std::size_t i = 0; i < set.count; i++)
		to[i] = set.lengths[i];
	if (!full && answer.status == 0) {
		wire::MdtBody &b = out.get<fld::MdtBody>();
		b.valid = wire::OBD_MD_FLXATTR;
		b.eadatasize = static_cast<u32>(set.names_used);
		b.aclsize = static_cast<u32>(set.values_used);
		b.max_mdsize = static_cast<u32>(set.count);
	}
	return target::put_answer(req, out.get<fld::DlmRep>(), answer);
}

} // namespace

cfs::Result<> MdtTarget::serve_intent(rpc::ServerRequest &req, ldlm::Peer &peer) noexcept
{
	u64 what = op::intent_of(req.message());
	if (what & wire::IT_OPEN)
		return intent_open(*this, req, peer);
	if (what & (wire::IT_GETATTR | wire::IT_LOOKUP))
		return serve_getattr(*this, req, peer);
	if (what & wire::IT_LAYOUT)
		return serve_layout(*this, req, peer);
	if (what & wire::IT_GETXATTR)
		return serve_getxattr(*this, req, peer);
	return not_served(req);
}

} // namespace mdt
