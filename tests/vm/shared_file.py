#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Appends to, overwrites and reads files that other clients use in the same way at the same time.

usage: shared_file.py work DIR CLIENT SECONDS   one of the clients, CLIENT being its number
       shared_file.py check DIR CLIENTS         when all have ended: that nothing is missing

What a read may show is what some order of the writes, one after another, would show:

  appended   records of different lengths, written with O_APPEND: each is there whole and once, those of a client in
             the order in which it wrote them, and a client sees at once what it wrote itself.
  replaced   one write() covers all of it, across stripes and not on page borders. Each part of it that lies within one
             stripe is from one write, and what a client sees of another never gets older.
"""
import os
import random
import struct
import sys
import time
import zlib

HEADER = struct.Struct('<4sIIII')  # magic, client, sequence number, length of the payload, CRC of the payload
MAGIC = b'Rec1'
STRIPE = 64 << 10
START, LENGTH = STRIPE - 5000, 2 * STRIPE + 777
STAMP = struct.Struct('<II')  # client, sequence number


def wrong(text):
    sys.exit(f'FAIL: {text}')


def record(client, sequence, rng):
    payload = rng.randbytes(rng.choice((0, 1, 100, 4096, 9000, 70000)))
    return HEADER.pack(MAGIC, client, sequence, len(payload), zlib.crc32(payload)) + payload


class Appended:
    """The file of records: what this client has read of it so far, and its own part in it."""

    def __init__(self, path, client=0):
        self.client, self.written = client, 0
        self.writer = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) if client else None
        self.reader = os.open(path, os.O_RDONLY)
        self.position, self.last = 0, {}

    def append(self, rng):
        data = record(self.client, self.written + 1, rng)
        if (done := os.write(self.writer, data)) != len(data):
            wrong(f'an append of {len(data)} bytes wrote {done}')
        self.written += 1

    def read(self):
        """Everything that was appended since the last read."""
        while True:
            data = os.pread(self.reader, 8 << 20, self.position)
            at = 0
            while at < len(data):
                at += self.take(data, at)
            self.position += len(data)
            if not data:
                break
        if self.client and self.last.get(self.client, 0) != self.written:
            wrong(f'{self.written} records were written here, and {self.last.get(self.client, 0)} can be read')

    def take(self, data, at):
        where = f'appended, at {self.position + at}'
        if len(data) - at < HEADER.size:
            wrong(f'{where}: a record is cut')
        magic, client, sequence, length, crc = HEADER.unpack_from(data, at)
        if magic != MAGIC:
            wrong(f'{where}: no record, but {data[at:at + 32].hex()}')
        payload = data[at + HEADER.size:at + HEADER.size + length]
        if len(payload) != length or zlib.crc32(payload) != crc:
            wrong(f'{where}: record {sequence} of client {client} is damaged')
        if sequence != self.last.get(client, 0) + 1:
            wrong(f'{where}: record {sequence} of client {client} follows its {self.last.get(client, 0)}')
        self.last[client] = sequence
        return HEADER.size + length


class Replaced:
    """The region that everybody replaces."""

    def __init__(self, path, client):
        self.client, self.written = client, 0
        self.file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self.parts, at = [], START
        while at < START + LENGTH:
            end = min((at // STRIPE + 1) * STRIPE, START + LENGTH)
            self.parts.append((at - START, end - START))
            at = end
        self.seen = [{} for _ in self.parts]

    @staticmethod
    def image(client, sequence):
        return (STAMP.pack(client, sequence) * (LENGTH // STAMP.size + 1))[:LENGTH]

    def write(self):
        self.written += 1
        if os.pwrite(self.file, self.image(self.client, self.written), START) != LENGTH:
            wrong('a write was cut')

    def read(self):
        data = os.pread(self.file, LENGTH, START)
        if not data:
            return
        if len(data) != LENGTH:
            # Only before the first write has ended: its stripes become visible one after another.
            if any(self.seen):
                wrong(f'{len(data)} of {LENGTH} bytes can be read')
            return
        for (begin, end), seen in zip(self.parts, self.seen):
            aligned = begin + -begin % STAMP.size
            stamp = STAMP.unpack_from(data, aligned)
            if stamp == (0, 0) and not seen:
                continue
            if data[begin:end] != self.image(*stamp)[begin:end]:
                wrong(f'bytes {begin} to {end} of what was replaced are from different writes; one is {stamp}')
            if stamp[1] < seen.get(stamp[0], 0):
                wrong(f'write {stamp[1]} of client {stamp[0]} is seen after its {seen[stamp[0]]}')
            seen[stamp[0]] = stamp[1]


def work(folder, client, seconds):
    rng = random.Random(client)
    appended, replaced = Appended(f'{folder}/appended', client), Replaced(f'{folder}/replaced', client)
    actions = (lambda: appended.append(rng), appended.read, replaced.write, replaced.read)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rng.choice(actions)()
    appended.read()
    with open(f'{folder}/ended-{client}', 'w', encoding='ascii') as note:
        print(appended.written, replaced.written, file=note)
    print(f'client {client}: {appended.written} records appended, {replaced.written} times replaced; others: ' +
          ', '.join(f'{n} records of client {c}' for c, n in appended.last.items() if c != client))


def check(folder, clients):
    appended = Appended(f'{folder}/appended')
    appended.read()
    for client in range(1, clients + 1):
        with open(f'{folder}/ended-{client}', encoding='ascii') as note:
            written = int(note.read().split()[0])
        if not written or appended.last.get(client, 0) != written:
            wrong(f'client {client} appended {written} records; there are {appended.last.get(client, 0)}')
    size = os.stat(f'{folder}/appended').st_size
    if size != appended.position:
        wrong(f'size {size}, but {appended.position} bytes can be read')
    print(f'{sum(appended.last.values())} records of {clients} clients, {size} bytes: each whole, once and in order')


if __name__ == '__main__':
    if sys.argv[1] == 'work':
        work(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
    else:
        check(sys.argv[2], int(sys.argv[3]))
