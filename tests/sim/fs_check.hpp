// SPDX-License-Identifier: GPL-2.0
//
// What a check of a whole file system would look at while nothing is mounted: the names of the MDT
// against its inodes, and the objects of files against those on the OSTs.
#pragma once

namespace cluster
{

struct Fs;

/// Ends the run with what it finds wrong: a link count that is not the number of names, a
/// trusted.link that tells other names, an entry of another type than its inode, ".." of a
/// directory that is not its parent, a file without a name, one whose object is missing or another
/// file's, an object that no file has (but for those the MDT keeps for new files).
void check_disks(const Fs &fs);

} // namespace cluster
