// SPDX-License-Identifier: GPL-2.0
//
// A client of an MDT that speaks the protocol and nothing more: each call is one request, composed
// by hand, and gives back what the reply says. It keeps no locks: what is granted is cancelled.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rpc/format/ops_ldlm.hpp"
#include "rpc/format/ops_mds.hpp"
#include "tests/sim/cluster.hpp"
#include "wire/page.hpp"

namespace mds_client
{

using cluster::check;
using cluster::must;
using wire::Fid;
using wire::u32;
using wire::u64;
namespace fld = rpc::fld;
namespace op = rpc::op;

/// A reply: its status (an error as its negative number) and what it told.
struct Answer {
	int status = 0;
	wire::MdtBody body{};
	std::vector<std::byte> md; ///< layout, text, value
	u64 transno = 0;
	// Of intents:
	u64 disposition = 0;
	int result = 0;
	bool locked = false;
	u64 lock_bits = 0;
	ldlm::Mode lock_mode{};
	u64 xid = 0;
};

struct Entry {
	std::string name;
	Fid fid;
	u32 type;
};

class Client
{
	cfs::RefPtr<rpc::Import> import_;
	u64 sequence_ = 0;
	u32 next_oid_ = 1;
	u64 cookie_ = 0x1000;

	template <typename Format>
	rpc::Request<Format> make(const rpc::RequestLengths<Format> &n = {},
				  const rpc::ReplyLengths<Format> &r = {})
	{
		return must(rpc::Request<Format>::make(*import_, n, r), "no request");
	}
	template <typename Format>
	Answer send(rpc::Request<Format> &req)
	{
		Answer a;
		auto status = req.send_wait();
		a.status = status ? *status : cfs::to_rc(status);
		a.transno = static_cast<u64>(req->transno());
		a.xid = static_cast<u64>(req->xid());
		auto reply = req.reply();
		if (!reply)
			return a;
		if constexpr (Format::Reply::template occurrences<fld::MdtBody> != 0)
			a.body = reply->template get<fld::MdtBody>();
		if constexpr (Format::Reply::template occurrences<fld::MdtMd> != 0)
			copy(a.md, reply->template get<fld::MdtMd>());
		if constexpr (Format::Reply::template occurrences<fld::EaData> != 0)
			copy(a.md, reply->template get<fld::EaData>());
		if constexpr (Format::Reply::template occurrences<fld::DlmRep> != 0)
			take_lock(a, reply->template get<fld::DlmRep>());
		if constexpr (Format::Reply::template occurrences<fld::Lvb> != 0)
			copy(a.md, reply->template get<fld::Lvb>());
		return a;
	}
	static void copy(std::vector<std::byte> &to, cfs::Bytes from)
	{
		to.assign(from.begin(), from.end());
	}
	void take_lock(Answer &a, const wire::LdlmReply &rep)
	{
		a.disposition = rep.lock_policy_res1;
		a.result = static_cast<int>(rep.lock_policy_res2.get());
		a.locked = a.status == 0 && rep.lock_handle.raw() != 0;
		if (!a.locked)
			return;
		a.lock_bits = rep.lock_desc.policy_data.inodebits.bits;
		a.lock_mode = rep.lock_desc.granted_mode;
		cancel(rep.lock_handle);
	}
	void cancel(wire::LockHandle handle)
	{
		using Format = op::LdlmCancel;
		rpc::RequestLengths<Format> n;
		n.elements<fld::DlmReq>(1);
		auto req = make<Format>(n);
		req->options.request_portal = wire::Portal::LDLM_CANCEL_REQUEST_PORTAL;
		req->options.reply_portal = wire::Portal::LDLM_CANCEL_REPLY_PORTAL;
		auto dlm = req.get<fld::DlmReq>();
		dlm->lock_count = 1;
		dlm.tail[0] = handle;
		(void)req.send_wait();
	}
	template <typename Format>
	rpc::RequestLengths<Format> enqueue_lengths()
	{
		rpc::RequestLengths<Format> n;
		n.template elements<fld::DlmReq>(1);
		return n;
	}
	template <typename Format>
	void fill_enqueue(rpc::Request<Format> &req, const Fid &resource, u64 bits, u64 intent,
			  ldlm::Mode mode = ldlm::LCK_PR)
	{
		auto dlm = req.template get<fld::DlmReq>();
		dlm->lock_flags = static_cast<u32>(wire::LDLM_FL_HAS_INTENT);
		dlm->lock_count = 1;
		dlm->lock_desc.resource.type = ldlm::LDLM_IBITS;
		dlm->lock_desc.resource.name = ldlm::to_wire(ldlm::ResName::of_fid(resource));
		dlm->lock_desc.req_mode = mode;
		dlm->lock_desc.policy_data.inodebits.bits = bits;
		dlm.tail[0] = wire::LockHandle{++cookie_};
		req.template get<fld::Intent>().opc = intent;
	}
	/// The head that all reint records share.
	template <typename Rec>
	void fill_rec(Rec &rec, wire::ReintOp reint)
	{
		auto &r = reinterpret_cast<wire::MdtRecReint &>(rec);
		r.opcode = reint;
		r.fsuid = uid;
		r.fsgid = gid;
		r.cap = uid == 0 ? ~0u : 0u;
		r.suppgid1 = r.suppgid2 = wire::MDT_INVALID_GID;
	}
	void fill_body(wire::MdtBody &b, const Fid &fid, u64 valid)
	{
		b.fid1 = fid;
		b.valid = valid | wire::OBD_MD_FLID;
		b.fsuid = b.uid = uid;
		b.fsgid = b.gid = gid;
		b.capability = uid == 0 ? ~0u : 0u;
		b.suppgid = wire::MDT_INVALID_GID;
		b.eadatasize = 4096;
	}

public:
	u32 uid = 0, gid = 0;
	std::int64_t now = 1000;

	/// Connects as `uuid`; ends the run when it cannot.
	Client(cluster::Stack &s, const lnet::Nid &server, std::string_view uuid,
	       std::string_view target = "tfs-MDT0000_UUID")
	{
		auto spec = rpc::mdt_import();
		spec.device = "tfs-MDT0000-mdc";
		spec.target = target;
		spec.client_uuid = uuid;
		spec.wanted.connect_flags = wire::MDT_CONNECT_SUPPORTED &
					    ~wire::OBD_CONNECT_LIGHTWEIGHT &
					    ~wire::OBD_CONNECT_MDS_MDS & ~wire::OBD_CONNECT_RDONLY;
		spec.wanted.ibits_known = wire::MDS_INODELOCK_FULL;
		spec.wanted.brw_size = 1 << 20;
		spec.wanted.max_easize = 65536;
		spec.wanted.maxmodrpcs = 8;
		import_ = must(s.rpc->new_import(spec), "no import");
		must(import_->add_connection({&server, 1}), "no connection");
		must(import_->start(), "no start");
		must(import_->wait_full(cfs::WaitMode::idle, cfs::Instant::never()),
		     "not connected");
	}
	~Client()
	{
		(void)import_->disconnect(cfs::WaitMode::idle,
					  cfs::after(cfs::Duration::seconds(10)));
	}
	[[nodiscard]] rpc::Import &import() { return *import_; }

	Fid new_fid()
	{
		if (sequence_ == 0) {
			auto req = make<op::SeqQuery>();
			req->options.request_portal = wire::Portal::SEQ_METADATA_PORTAL;
			req->options.during_recovery = true;
			req.get<fld::SeqOp>() = wire::SeqOp::SEQ_ALLOC_META;
			must(req.send_wait(), "no sequence");
			auto range = must(req.reply(), "no reply").get<fld::SeqRange>();
			check(range.end == range.start + 1, "not one sequence");
			sequence_ = range.start;
		}
		return wire::make_fid(sequence_, next_oid_++);
	}
	u64 sequence() { return sequence_; }

	Answer root()
	{
		rpc::RequestLengths<op::MdsGetRoot> n;
		auto req = make<op::MdsGetRoot>(n);
		return send(req);
	}
	wire::ObdStatfs statfs()
	{
		auto req = make<op::MdsStatfs>();
		must(req.send_wait(), "statfs failed");
		return must(req.reply(), "no reply").get<fld::ObdStatfs>();
	}
	Answer create(const Fid &dir, std::string_view name, u32 mode, const Fid &fid,
		      u32 umask = 022)
	{
		using Format = op::MdsReintCreate;
		rpc::RequestLengths<Format> n;
		n.text<fld::Name>(name);
		auto req = make<Format>(n);
		auto &rec = req.get<fld::RecCreate>();
		fill_rec(rec, wire::ReintOp::REINT_CREATE);
		rec.fid1 = dir;
		rec.fid2 = fid;
		rec.mode = mode;
		rec.umask = umask;
		rec.time = now;
		must(req.put<fld::Name>(name), "name");
		req->options.modifies = true;
		return send(req);
	}
	Answer mkdir(const Fid &dir, std::string_view name)
	{
		return create(dir, name, osd::kTypeDir | 0777, new_fid());
	}
	Answer mknod(const Fid &dir, std::string_view name)
	{
		return create(dir, name, osd::kTypeFile | 0666, new_fid());
	}
	Answer symlink(const Fid &dir, std::string_view name, std::string_view text)
	{
		using Format = op::MdsReintSymlink;
		rpc::RequestLengths<Format> n;
		n.text<fld::Name>(name);
		n.text<fld::SymTgt>(text);
		auto req = make<Format>(n);
		auto &rec = req.get<fld::RecCreate>();
		fill_rec(rec, wire::ReintOp::REINT_CREATE);
		rec.fid1 = dir;
		rec.fid2 = new_fid();
		rec.mode = osd::kTypeLink | 0777;
		rec.umask = 022;
		rec.time = now;
		must(req.put<fld::Name>(name), "name");
		must(req.put<fld::SymTgt>(text), "text");
		req->options.modifies = true;
		return send(req);
	}
	Answer link(const Fid &object, const Fid &dir, std::string_view name)
	{
		using Format = op::MdsReintLink;
		rpc::RequestLengths<Format> n;
		n.text<fld::Name>(name);
		auto req = make<Format>(n);
		auto &rec = req.get<fld::RecLink>();
		fill_rec(rec, wire::ReintOp::REINT_LINK);
		rec.fid1 = object;
		rec.fid2 = dir;
		rec.time = now;
		must(req.put<fld::Name>(name), "name");
		req->options.modifies = true;
		return send(req);
	}
	Answer unlink(const Fid &dir, std::string_view name, u32 mode = 0)
	{
		using Format = op::MdsReintUnlink;
		rpc::RequestLengths<Format> n;
		n.text<fld::Name>(name);
		auto req = make<Format>(n);
		auto &rec = req.get<fld::RecUnlink>();
		fill_rec(rec, wire::ReintOp::REINT_UNLINK);
		rec.fid1 = dir;
		rec.mode = mode;
		rec.time = now;
		must(req.put<fld::Name>(name), "name");
		req->options.modifies = true;
		return send(req);
	}
	Answer rmdir(const Fid &dir, std::string_view name)
	{
		return unlink(dir, name, osd::kTypeDir);
	}
	Answer rename(const Fid &from, std::string_view old_name, const Fid &to,
		      std::string_view new_name, u32 mode)
	{
		using Format = op::MdsReintRename;
		rpc::RequestLengths<Format> n;
		n.text<fld::Name>(old_name);
		n.text<fld::SymTgt>(new_name);
		auto req = make<Format>(n);
		auto &rec = req.get<fld::RecRename>();
		fill_rec(rec, wire::ReintOp::REINT_RENAME);
		rec.fid1 = from;
		rec.fid2 = to;
		rec.mode = mode;
		rec.time = now;
		must(req.put<fld::Name>(old_name), "name");
		must(req.put<fld::SymTgt>(new_name), "name");
		req->options.modifies = true;
		return send(req);
	}
	/// rec: what is to be set; the head is filled in. ea: the layout of `lfs setstripe`.
	Answer setattr(wire::MdtRecSetattr rec, const std::vector<std::byte> &ea = {})
	{
		using Format = op::MdsReintSetattr;
		rpc::RequestLengths<Format> n;
		n.bytes<fld::EaData>(ea.size());
		auto req = make<Format>(n);
		fill_rec(rec, wire::ReintOp::REINT_SETATTR);
		req.get<fld::RecSetattr>() = rec;
		must(req.put<fld::EaData>(cfs::Bytes(ea.data(), ea.size())), "ea");
		req->options.modifies = true;
		return send(req);
	}
	Answer setxattr(const Fid &fid, std::string_view name, std::string_view value,
			u32 flags = 0, bool remove = false)
	{
		using Format = op::MdsReintSetxattr;
		rpc::RequestLengths<Format> n;
		n.text<fld::Name>(name);
		n.bytes<fld::EaData>(value.size());
		auto req = make<Format>(n);
		auto &rec = req.get<fld::RecSetxattr>();
		fill_rec(rec, wire::ReintOp::REINT_SETXATTR);
		rec.fid = fid;
		rec.valid = remove ? wire::OBD_MD_FLXATTRRM : wire::OBD_MD_FLXATTR;
		rec.time = now;
		rec.size = static_cast<u32>(value.size());
		rec.flags = flags;
		must(req.put<fld::Name>(name), "name");
		must(req.put<fld::EaData>(value), "value");
		req->options.modifies = true;
		return send(req);
	}
	Answer getxattr(const Fid &fid, std::string_view name, u32 room = 4096)
	{
		using Format = op::MdsGetxattr;
		rpc::RequestLengths<Format> n;
		n.text<fld::Name>(name);
		auto req = make<Format>(n);
		fill_body(req.get<fld::MdtBody>(), fid,
			  name.empty() ? wire::OBD_MD_FLXATTRLS : wire::OBD_MD_FLXATTR);
		req.get<fld::MdtBody>().eadatasize = room;
		must(req.put<fld::Name>(name), "name");
		return send(req);
	}
	Answer getattr(const Fid &fid, u64 valid = wire::OBD_MD_FLGETATTR)
	{
		auto req = make<op::MdsGetattr>();
		fill_body(req.get<fld::MdtBody>(), fid, valid);
		return send(req);
	}
	Answer lookup(const Fid &dir, std::string_view name, u64 intent = wire::IT_GETATTR,
		      const Fid &child = {})
	{
		using Format = op::LdlmIntentGetattr;
		auto n = enqueue_lengths<Format>();
		n.text<fld::Name>(name);
		auto req = make<Format>(n);
		fill_enqueue(req, dir, wire::MDS_INODELOCK_UPDATE, intent);
		fill_body(req.get<fld::MdtBody>(), dir,
			  wire::OBD_MD_FLGETATTR | wire::OBD_MD_FLEASIZE |
				  wire::OBD_MD_FLMODEASIZE | wire::OBD_MD_FLACL);
		req.get<fld::MdtBody>().fid2 = child;
		must(req.put<fld::Name>(name), "name");
		return send(req);
	}
	struct OpenArgs {
		u64 flags = wire::MDS_FMODE_READ;
		Fid fid{}; ///< new or known
		u32 mode = osd::kTypeFile | 0666;
		std::vector<std::byte> ea{};
	};
	Answer open(const Fid &dir, std::string_view name, const OpenArgs &args)
	{
		using Format = op::LdlmIntentOpen;
		auto n = enqueue_lengths<Format>();
		n.text<fld::Name>(name);
		n.bytes<fld::EaData>(args.ea.size());
		auto req = make<Format>(n);
		bool creates = args.flags & wire::MDS_OPEN_CREAT;
		fill_enqueue(req, dir, wire::MDS_INODELOCK_OPEN,
			     creates ? wire::IT_OPEN_CREAT : wire::IT_OPEN, ldlm::LCK_CR);
		auto &rec = req.get<fld::RecCreate>();
		fill_rec(rec, wire::ReintOp::REINT_OPEN);
		rec.fid1 = dir;
		rec.fid2 = args.fid;
		rec.mode = args.mode;
		rec.umask = 022;
		rec.time = now;
		rec.flags_l = static_cast<u32>(args.flags);
		rec.flags_h = static_cast<u32>(args.flags >> 32);
		must(req.put<fld::Name>(name), "name");
		must(req.put<fld::EaData>(cfs::Bytes(args.ea.data(), args.ea.size())), "ea");
		req->options.modifies = true;
		return send(req);
	}
	Answer layout(const Fid &fid, wire::LayoutIntentOp what)
	{
		using Format = op::LdlmIntentLayout;
		auto req = make<Format>(enqueue_lengths<Format>());
		fill_enqueue(req, fid, wire::MDS_INODELOCK_LAYOUT, wire::IT_LAYOUT,
			     what == wire::LayoutIntentOp::LAYOUT_INTENT_ACCESS ? ldlm::LCK_CR
										: ldlm::LCK_EX);
		req.get<fld::LayoutIntent>().opc = what;
		req->options.modifies = true;
		return send(req);
	}
	/// All extended attributes: names in md.
	Answer getxattrs(const Fid &fid, u32 room = 2500)
	{
		using Format = op::LdlmIntentGetxattr;
		auto req = make<Format>(enqueue_lengths<Format>());
		fill_enqueue(req, fid, wire::MDS_INODELOCK_XATTR, wire::IT_GETXATTR);
		fill_body(req.get<fld::MdtBody>(), fid, wire::OBD_MD_FLXATTRALL);
		req.get<fld::MdtBody>().eadatasize = room;
		return send(req);
	}
	Answer close(const Fid &fid, wire::OpenHandle handle,
		     const std::optional<wire::MdtRecSetattr> &times = {})
	{
		auto req = make<op::MdsClose>();
		req->options.request_portal = wire::Portal::MDS_READPAGE_PORTAL;
		req->options.modifies = true;
		req->options.is_close = true;
		auto &rec = req.get<fld::RecSetattr>();
		if (times)
			rec = *times;
		fill_rec(rec, wire::ReintOp::REINT_SETATTR);
		rec.fid = fid;
		req.get<fld::IoEpoch>().open_handle = handle;
		return send(req);
	}
	/// The names of a directory, read `pages` at a time.
	std::vector<Entry> readdir(const Fid &dir, std::size_t pages = 256)
	{
		std::vector<Entry> all;
		u64 hash = 0;
		while (hash != wire::MDS_DIR_END_OFF) {
			std::size_t bytes = pages * wire::LU_PAGE_SIZE;
			auto *room = static_cast<std::byte *>(
				cfs_alloc(CFS_S_MDC, bytes, CFS_ALLOC_ZERO | CFS_ALLOC_LARGE));
			auto req = make<op::MdsReadpage>();
			req->options.request_portal = wire::Portal::MDS_READPAGE_PORTAL;
			req->options.bulk = rpc::BulkDesc::linear(
				rpc::Bulk::to_client, wire::Portal::MDS_BULK_PORTAL, {room, bytes});
			wire::MdtBody &b = req.get<fld::MdtBody>();
			fill_body(b, dir, 0);
			b.size = hash;
			b.nlink = static_cast<u32>(bytes);
			b.mode = wire::LUDA_FID | wire::LUDA_TYPE;
			must(req.send_wait(), "readpage failed");
			check(req->bulk_bytes() && req->bulk_bytes() % wire::LU_PAGE_SIZE == 0,
			      "no whole pages");
			for (std::size_t at = 0; at < req->bulk_bytes(); at += wire::LU_PAGE_SIZE)
				hash = read_page({room + at, wire::LU_PAGE_SIZE}, all);
			cfs_free(CFS_S_MDC, room, bytes);
		}
		return all;
	}

private:
	static u64 read_page(cfs::Bytes page, std::vector<Entry> &out)
	{
		const auto &head = *reinterpret_cast<const wire::LuDirpage *>(page.data());
		std::size_t at = sizeof(head);
		while (!(head.flags & wire::LDF_EMPTY)) {
			const auto &e = *reinterpret_cast<const wire::LuDirent *>(page.data() + at);
			const auto *name =
				reinterpret_cast<const char *>(page.data() + at + sizeof(e));
			std::size_t n = e.namelen;
			const auto &type = *reinterpret_cast<const wire::LudaType *>(
				page.data() + at + sizeof(e) + (n + 1) / 2 * 2);
			check(n > 0 && name[n] == '\0', "an entry without end");
			out.push_back({std::string(name, n), e.fid, type.type});
			if (e.reclen == 0)
				break;
			at += e.reclen;
		}
		return head.hash_end;
	}
};

} // namespace mds_client
