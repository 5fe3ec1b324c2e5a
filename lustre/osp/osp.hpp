// SPDX-License-Identifier: GPL-2.0
//
// An MDT's connection to one OST (spec 05 section 6): a pool of objects that were created ahead of
// their use, removal of objects and changes of their owners after the MDT has committed why, and
// the OST's statfs.
//
// Using an object:
//
//     auto r = TRY(osp.reserve(cfs::after(...)));     // may wait for the OST; before a transaction
//     TRY(osp.declare_take(tx));
//     ...start...
//     wire::Fid object = TRY(osp.take(tx, r));        // recorded as used in this transaction
//
// A reservation that goes without take() gives its place back. Invariants: an object is taken once,
// in ascending order of numbers; the number of the last one taken is on disk (lov_objid,
// lov_objseq) with the transaction that took it; at each reconnect the OST destroys what is above
// the last one taken, so a pool never survives a connection unseen.
#pragma once

#include "libcfs/params.hpp"
#include "osd/osd.hpp"
#include "rpc/rpc.hpp"
#include "wire/ost.hpp"

namespace osp
{

using wire::u32;
using wire::u64;

struct OspConfig {
	std::string_view device;      ///< "lustre-OST0000-osc-MDT0000". Copied, as the next.
	std::string_view target;      ///< "lustre-OST0000_UUID"
	std::string_view client_uuid; ///< "lustre-MDT0000-mdtlov_UUID"
	u32 ost_index = 0;
	u32 mdt_index = 0;
	/// As set_recovering(): from the beginning, until that is called.
	bool recovering = false;
	/// The folder that gets one named like the device; none when null.
	cfs::ParamGroup *params = nullptr;
};

class Osp;

/// The right to take one object. Moves only.
class [[nodiscard]] Reservation
{
	friend class Osp;
	Osp *osp_ = nullptr;

	explicit Reservation(Osp *o) noexcept : osp_(o) {}

public:
	Reservation() = default;
	Reservation(Reservation &&o) noexcept : osp_(std::exchange(o.osp_, nullptr)) {}
	inline Reservation &operator=(Reservation &&o) noexcept;
	inline ~Reservation();
	explicit operator bool() const noexcept { return osp_ != nullptr; }
	/// Whose object it is; null when there is none.
	[[nodiscard]] Osp *osp() const noexcept { return osp_; }
};

/// What an owner change sets.
struct OwnerChange {
	bool has_uid = false, has_gid = false, has_projid = false;
	u32 uid = 0, gid = 0, projid = 0;
};

class Osp
{
public:
	/// device: the MDT's, which keeps what has been used; stays until stop() has returned. The
	/// connection is not begun yet. Sleeps.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<Osp>>
	create(rpc::Rpc &rpc, osd::Device &device, const OspConfig &config) noexcept;
	/// A node that may serve the OST: by the uuid of a configuration log, or by its NIDs.
	[[nodiscard]] virtual cfs::Result<> add_connection(std::string_view uuid) noexcept = 0;
	[[nodiscard]] virtual cfs::Result<>
	add_connection(std::span<const lnet::Nid> nids) noexcept = 0;
	/// As rpc::Import::target_moved().
	virtual void target_moved(std::span<const lnet::Nid> nids, u32 instance) noexcept = 0;
	/// Connects, and goes on for ever. Does not wait.
	[[nodiscard]] virtual cfs::Result<> start() noexcept = 0;
	/// Ends everything; waiting callers get err::SHUTDOWN. What was to be removed and has not
	/// been is left behind. No reservation may be left. Sleeps.
	virtual void stop() noexcept = 0;

	// ---- facts ----
	[[nodiscard]] virtual u32 ost_index() const noexcept = 0;
	[[nodiscard]] virtual const char *name() const noexcept = 0;
	/// Whether new files should get objects here: connected, and the OST has space and takes
	/// new objects. Any context.
	[[nodiscard]] virtual bool usable() const noexcept = 0;
	/// Objects at hand.
	[[nodiscard]] virtual u64 available() noexcept = 0;
	/// As the OST told last, at most a few seconds ago when connected. err::AGAIN: it has never
	/// answered; err::NODEV: not connected now.
	[[nodiscard]] virtual cfs::Result<wire::ObdStatfs> statfs() noexcept = 0;

	// ---- objects ----
	/// Waits until there is an object. err::TIMEDOUT, err::NOSPC, err::SHUTDOWN, err::NODEV
	/// (deactivated); a deadline in the past: err::AGAIN instead of waiting. Not within a
	/// transaction. Sleeps.
	[[nodiscard]] virtual cfs::Result<Reservation> reserve(cfs::Instant deadline) noexcept = 0;
	[[nodiscard]] virtual cfs::Result<> declare_take(osd::Transaction &tx) noexcept = 0;
	/// The next object; its FID in the form of the object store and of layouts (ost_id_of() of
	/// ost/object_id.hpp makes the layout's). The reservation is used up.
	[[nodiscard]] virtual cfs::Result<wire::Fid> take(osd::Transaction &tx,
							  Reservation &r) noexcept = 0;

	/// An object that was taken in another life of the MDT is used after all: a replayed
	/// request names it. Within a transaction for which declare_take() was called. What can not
	/// have been taken there, being of another sequence or far from what was, is left alone.
	[[nodiscard]] virtual cfs::Result<> note_used(osd::Transaction &tx,
						      const wire::Fid &object) noexcept = 0;
	/// While the MDT recovers, nothing is cleared away that replays may name, and no object is
	/// given out. At first as OspConfig::recovering says. Any thread.
	virtual void set_recovering(bool yes) noexcept = 0;

	/// Removes an object when the transaction has been committed. Within it. err::NOMEM: it
	/// will not be removed.
	[[nodiscard]] virtual cfs::Result<> destroy_later(osd::Transaction &tx,
							  const wire::Fid &object) noexcept = 0;
	/// Likewise changes the owner.
	[[nodiscard]] virtual cfs::Result<> set_owner_later(osd::Transaction &tx,
							    const wire::Fid &object,
							    const OwnerChange &to) noexcept = 0;
	/// Waits until every change that was committed has been made on the OST.
	[[nodiscard]] virtual cfs::Result<> drain(cfs::Instant deadline) noexcept = 0;

	/// Reservation's: one goes without having been used.
	virtual void unreserve() noexcept = 0;
	virtual void destroy() noexcept = 0;

protected:
	~Osp() = default;
	[[nodiscard]] static Reservation make_reservation(Osp *o) noexcept
	{
		return Reservation(o);
	}
	static void forget(Reservation &r) noexcept { r.osp_ = nullptr; }
};

inline Reservation::~Reservation()
{
	if (osp_)
		osp_->unreserve();
}
inline Reservation &Reservation::operator=(Reservation &&o) noexcept
{
	if (this != &o) {
		if (osp_)
			osp_->unreserve();
		osp_ = std::exchange(o.osp_, nullptr);
	}
	return *this;
}

} // namespace osp
