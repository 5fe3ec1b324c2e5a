// SPDX-License-Identifier: GPL-2.0
//
// Ownership. Objects are made with try_make (which can fail) and owned by UniquePtr, or shared by
// intrusive reference counts through RefPtr. There is no operator new: a type says with
//
//     static constexpr cfs_subsys kSubsys = CFS_S_LNET;
//
// whom its memory is charged to. A type that ends in a way of its own (slab cache, RCU) has a
// member `void destroy() noexcept`, which both pointers then call instead of destructor-and-free.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "libcfs/assert.hpp"
#include "libcfs/plat/mem.h"
#include "libcfs/result.hpp"

namespace cfs
{

namespace detail
{
template <typename T>
concept HasDestroy = requires(T *p) { p->destroy(); };

template <typename T>
inline void destroy_object(T *p) noexcept
{
	if constexpr (HasDestroy<T>) {
		p->destroy();
	} else {
		static_assert(!std::is_polymorphic_v<T> || std::is_final_v<T>,
			      "its real size is not known here: give it a virtual destroy()");
		p->~T();
		cfs_free(T::kSubsys, p, sizeof(T));
	}
}
} // namespace detail

/// Sole owner of an object made by try_make.
template <typename T>
class [[nodiscard]] UniquePtr
{
	T *p_ = nullptr;
	template <typename U>
	friend class UniquePtr;

public:
	constexpr UniquePtr() = default;
	constexpr UniquePtr(std::nullptr_t) noexcept {}
	/// Takes over p, which came from try_make or release().
	explicit constexpr UniquePtr(T *p) noexcept : p_(p) {}
	constexpr UniquePtr(UniquePtr &&o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
	template <typename U>
		requires std::is_convertible_v<U *, T *>
	constexpr UniquePtr(UniquePtr<U> &&o) noexcept : p_(std::exchange(o.p_, nullptr))
	{
		static_assert(std::is_same_v<U, T> || detail::HasDestroy<T>,
			      "owned through a base, it needs a virtual destroy()");
	}
	UniquePtr &operator=(UniquePtr &&o) noexcept
	{
		reset(std::exchange(o.p_, nullptr));
		return *this;
	}
	~UniquePtr() { reset(); }

	void reset(T *p = nullptr) noexcept
	{
		T *old = std::exchange(p_, p);
		if (old && old != p)
			detail::destroy_object(old);
	}
	[[nodiscard]] T *release() noexcept { return std::exchange(p_, nullptr); }
	[[nodiscard]] T *get() const noexcept { return p_; }
	T *operator->() const noexcept { return p_; }
	T &operator*() const noexcept { return *p_; }
	explicit operator bool() const noexcept { return p_ != nullptr; }
};

/// Makes a T, or err::NOMEM. flags: CFS_ALLOC_DEFAULT or CFS_ALLOC_ATOMIC.
template <typename T, typename... Args>
[[nodiscard]] Result<UniquePtr<T>> try_make_flags(unsigned flags, Args &&...args) noexcept
{
	static_assert(alignof(T) <= 16);
	void *m = cfs_alloc(T::kSubsys, sizeof(T), flags);
	if (!m) [[unlikely]]
		return fail(err::NOMEM);
	return UniquePtr<T>(::new (m) T(std::forward<Args>(args)...));
}

template <typename T, typename... Args>
[[nodiscard]] Result<UniquePtr<T>> try_make(Args &&...args) noexcept
{
	return try_make_flags<T>(CFS_ALLOC_DEFAULT, std::forward<Args>(args)...);
}

/// An owned array of trivially destructible or default-constructible elements, of a length fixed at
/// its making. Large ones are virtually contiguous only.
template <typename T>
class [[nodiscard]] Array
{
	T *p_ = nullptr;
	std::size_t n_ = 0;
	cfs_subsys s_ = CFS_S_UNDEFINED;

public:
	constexpr Array() = default;
	Array(Array &&o) noexcept
	    : p_(std::exchange(o.p_, nullptr)), n_(std::exchange(o.n_, 0)), s_(o.s_)
	{
	}
	Array &operator=(Array &&o) noexcept
	{
		if (this != &o) {
			clear();
			p_ = std::exchange(o.p_, nullptr);
			n_ = std::exchange(o.n_, 0);
			s_ = o.s_;
		}
		return *this;
	}
	~Array() { clear(); }

	/// n value-initialised elements; err::NOMEM, or err::OVERFLOWED when n is absurd. May
	/// sleep.
	[[nodiscard]] static Result<Array> make(cfs_subsys s, std::size_t n) noexcept
	{
		static_assert(alignof(T) <= 16);
		Array a;
		std::size_t bytes = 0;
		if (__builtin_mul_overflow(n, sizeof(T), &bytes))
			return fail(err::OVERFLOWED);
		if (n == 0)
			return a;
		unsigned flags = bytes > 4096 ? CFS_ALLOC_LARGE : CFS_ALLOC_DEFAULT;
		a.p_ = static_cast<T *>(cfs_alloc(s, bytes, flags));
		if (!a.p_)
			return fail(err::NOMEM);
		for (std::size_t i = 0; i < n; i++)
			::new (static_cast<void *>(a.p_ + i)) T();
		a.n_ = n;
		a.s_ = s;
		return a;
	}

	void clear() noexcept
	{
		for (std::size_t i = n_; i-- > 0;)
			p_[i].~T();
		if (p_)
			cfs_free(s_, p_, n_ * sizeof(T));
		p_ = nullptr;
		n_ = 0;
	}

	[[nodiscard]] std::size_t size() const noexcept { return n_; }
	[[nodiscard]] bool empty() const noexcept { return n_ == 0; }
	[[nodiscard]] T *data() noexcept { return p_; }
	[[nodiscard]] const T *data() const noexcept { return p_; }
	[[nodiscard]] T *begin() noexcept { return p_; }
	[[nodiscard]] T *end() noexcept { return p_ + n_; }
	[[nodiscard]] const T *begin() const noexcept { return p_; }
	[[nodiscard]] const T *end() const noexcept { return p_ + n_; }
	T &operator[](std::size_t i) noexcept
	{
		CFS_ASSERT(i < n_);
		return p_[i];
	}
	const T &operator[](std::size_t i) const noexcept
	{
		CFS_ASSERT(i < n_);
		return p_[i];
	}
	operator std::span<T>() noexcept { return {p_, n_}; }
	operator std::span<const T>() const noexcept { return {p_, n_}; }
};

/// An intrusive reference count, starting at 1. Derive: `class Peer : public RefCounted<Peer>`.
template <typename T>
class RefCounted
{
	mutable std::atomic<std::uint32_t> refs_{1};

protected:
	~RefCounted() = default;

public:
	void get() const noexcept
	{
		auto old = refs_.fetch_add(1, std::memory_order_relaxed);
		CFS_ASSERT(old != 0 && old < 0x7fffffff);
	}
	/// For lookups under RCU: false when the last reference has gone already.
	[[nodiscard]] bool try_get() const noexcept
	{
		auto v = refs_.load(std::memory_order_relaxed);
		while (v != 0)
			if (refs_.compare_exchange_weak(v, v + 1, std::memory_order_acquire,
							std::memory_order_relaxed))
				return true;
		return false;
	}
	void put() const noexcept
	{
		auto old = refs_.fetch_sub(1, std::memory_order_acq_rel);
		CFS_ASSERT(old != 0);
		if (old == 1)
			detail::destroy_object(const_cast<T *>(static_cast<const T *>(this)));
	}
	/// For messages only: may be wrong by the time it is read.
	[[nodiscard]] std::uint32_t refs() const noexcept
	{
		return refs_.load(std::memory_order_relaxed);
	}
};

/// A reference to a RefCounted object.
template <typename T>
class [[nodiscard]] RefPtr
{
	T *p_ = nullptr;
	template <typename U>
	friend class RefPtr;

public:
	constexpr RefPtr() = default;
	constexpr RefPtr(std::nullptr_t) noexcept {}
	/// Takes over a reference the caller holds (a fresh object's first one, or release()).
	[[nodiscard]] static RefPtr adopt(T *p) noexcept
	{
		RefPtr r;
		r.p_ = p;
		return r;
	}
	/// A reference of its own to an object that someone surely keeps alive.
	[[nodiscard]] static RefPtr share(T *p) noexcept
	{
		if (p)
			p->get();
		return adopt(p);
	}
	RefPtr(const RefPtr &o) noexcept : p_(o.p_)
	{
		if (p_)
			p_->get();
	}
	RefPtr(RefPtr &&o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
	template <typename U>
		requires std::is_convertible_v<U *, T *>
	RefPtr(RefPtr<U> o) noexcept : p_(std::exchange(o.p_, nullptr))
	{
	}
	RefPtr &operator=(RefPtr o) noexcept
	{
		std::swap(p_, o.p_);
		return *this;
	}
	~RefPtr() { reset(); }

	void reset() noexcept
	{
		if (T *p = std::exchange(p_, nullptr))
			p->put();
	}
	[[nodiscard]] T *release() noexcept { return std::exchange(p_, nullptr); }
	[[nodiscard]] T *get() const noexcept { return p_; }
	T *operator->() const noexcept { return p_; }
	T &operator*() const noexcept { return *p_; }
	explicit operator bool() const noexcept { return p_ != nullptr; }
	friend bool operator==(const RefPtr &a, const RefPtr &b) noexcept { return a.p_ == b.p_; }
};

/// A fresh reference-counted T, or err::NOMEM.
template <typename T, typename... Args>
[[nodiscard]] Result<RefPtr<T>> try_make_ref(Args &&...args) noexcept
{
	auto u = try_make<T>(std::forward<Args>(args)...);
	if (!u)
		return fail(u.error());
	return RefPtr<T>::adopt(u->release());
}

/// Runs f at the end of the scope unless dismissed.
template <typename F>
class [[nodiscard]] ScopeExit
{
	F f_;
	bool armed_ = true;

public:
	explicit ScopeExit(F f) noexcept : f_(std::move(f)) {}
	~ScopeExit()
	{
		if (armed_)
			f_();
	}
	ScopeExit(const ScopeExit &) = delete;
	ScopeExit &operator=(const ScopeExit &) = delete;
	void dismiss() noexcept { armed_ = false; }
};

} // namespace cfs
