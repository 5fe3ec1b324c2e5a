/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Checksums (spec 05 section 9). Incremental: pass the previous result as seed. Kernel: its own
 * crypto with whatever acceleration the CPU has; hosted: zlib and a table. Pure, any context.
 */
#ifndef LIBCFS_PLAT_CSUM_H
#define LIBCFS_PLAT_CSUM_H

#include "libcfs/plat/base.h"

CFS_DECLS_BEGIN

/* Raw little-endian CRC-32 (0xEDB88320) and CRC-32C (0x82F63B78) without pre- or post-inversion. */
uint32_t cfs_crc32(uint32_t seed, const void *p, size_t n) CFS_NOEXCEPT;
uint32_t cfs_crc32c(uint32_t seed, const void *p, size_t n) CFS_NOEXCEPT;
/* Adler-32; the start value is 1. */
uint32_t cfs_adler32(uint32_t seed, const void *p, size_t n) CFS_NOEXCEPT;
/* T10 DIF guard tag, CRC-16 0x8BB7; the start value is 0. */
uint16_t cfs_crc_t10dif(uint16_t seed, const void *p, size_t n) CFS_NOEXCEPT;
/* Internet checksum folded to 16 bits and inverted, of one whole buffer. */
uint16_t cfs_ip_csum(const void *p, size_t n) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
