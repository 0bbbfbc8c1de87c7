"""What goes wrong with what is in Redis, and with its time."""

from __future__ import annotations

import contextlib
import math
import random
import re
from collections.abc import Sequence
from typing import Any

import msgpack

from tests.soak.stores import RedisStore

#: What is in place of the packed counts of a report, or of the generation.
COUNTS: Sequence[Any] = (
    {"async_room": "many"},
    {"async_room": math.nan},
    {"async_room": -7},
    {"async_room": 1.5},
    {"async_room": 2**60},
    ["async_room"],
    "something else",
)
GENERATIONS = (b"1.9999999", b"1.1", b"..", b"-1", b"x", b"9" * 19)

REPORT = re.compile(rb"(\d+):([\d.]*):(\d+):(\d+):(.*)", re.DOTALL)

#: Makes each time in the keys later: as if the clock of the server were set back.
SHIFT = """
local shift = tonumber(ARGV[1])
local function later(at) return string.format('%.0f', at + shift) end
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  -- The history is numbered, and not timed.
  if kind == 'zset' and not string.find(key, ':ring:') then
    local all = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    for at = 1, #all, 2 do
      local score = tonumber(all[at + 1])
      if score < 0 then score = score - shift else score = score + shift end
      redis.call('ZADD', key, string.format('%.0f', score), all[at])
    end
  elseif kind == 'string' then
    local old = redis.call('GET', key)
    local head, at, rest = string.match(old, '^(%d+:[%d.]*:%d+:)(%d+)(:.*)$')
    local from, till = string.match(old, '^(%d+):(%d+)$')
    if head then
      redis.call('SET', key, head .. later(at) .. rest, 'KEEPTTL')
    elseif from then
      redis.call('SET', key, later(from) .. ':' .. later(till), 'KEEPTTL')
    end
  end
end
"""
HOUR_MS = 3_600_000


def damaged(report: bytes, rng: random.Random) -> bytes:
    """Return a report with something in it that no worker writes."""
    found = REPORT.fullmatch(report)
    if found is None or rng.random() < 0.2:
        return rng.choice([b"", b"something else", rng.randbytes(50)])
    sequence, generation, users, at, packed = found.groups()
    if rng.random() < 0.5:
        generation = rng.choice(GENERATIONS)
    else:
        packed = msgpack.packb([True, 0, True, rng.choice(COUNTS)])
    return b":".join([sequence, generation, users, at, packed])


def reports_damaged(store: RedisStore, rng: random.Random, seconds: float) -> None:
    with contextlib.closing(store.server.client(decode_responses=False)) as client:
        for key in sorted(client.scan_iter(count=1000, _type="string")):
            report = client.get(key)
            if report is not None and REPORT.fullmatch(report):
                client.set(key, damaged(report, rng), keepttl=True)


def totals_damaged(store: RedisStore, rng: random.Random, seconds: float) -> None:
    """Write over the base or over the counters of a worker."""
    admin = store.server.admin
    for key in admin.keys("*:totals"):
        value = rng.choice(["", "something else", "7:4:{}", "1:2:{}"])
        admin.hset(key, rng.choice(sorted(admin.hkeys(key))), value)


def clock_set_back(store: RedisStore, rng: random.Random, seconds: float) -> None:
    store.server.admin.eval(SHIFT, 0, rng.randint(1, HOUR_MS))


def clock_set_forward(store: RedisStore, rng: random.Random, seconds: float) -> None:
    store.server.admin.eval(SHIFT, 0, -rng.randint(1, HOUR_MS))


def index_expired(store: RedisStore, rng: random.Random, seconds: float) -> None:
    """End the index of workers, with the note of the last report or without it."""
    keys = store.server.admin.keys("*:workers")
    if rng.random() < 0.5:
        keys += store.server.admin.keys("*:until")
    for key in keys:
        store.server.admin.pexpire(key, 1)
