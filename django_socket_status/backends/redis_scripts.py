"""The Lua that Redis runs for the redis backend: each script is one step for everybody.

These are the ones that write; :mod:`.redis_questions` has those that only read.

All keys of a deployment start with ``{prefix}:``, so that a Redis Cluster keeps them in
one slot:

==================================  ====================================================
``{prefix}:workers``                sorted set: worker id, by the end of its lease in
                                    milliseconds of the server's clock; and, below
                                    zero, since when this index exists, and since when
                                    somebody reports again to whom nobody could
``{prefix}:<id>``                   the report: ``sequence:generation:users:at:counts``
``{prefix}:<id>:who``               hash: ``w`` identity, ``p`` places
``{prefix}:<id>:<g>:users``         set of user ids; where there are many, several sets
                                    ``...:users:<part>``, each with a byte besides
                                    that is no user: see :mod:`.redis_parts`
``{prefix}:<id>:<g>:marks``         hash: what each bucket holds, see
                                    :mod:`.redis_buckets`
``{prefix}:<id>:<g>:<bucket>``      hash: number of a connection to its record
``{prefix}:users``                  hash: a union of users that took long to count
==================================  ====================================================

A generation ``<g>`` is the sequence number of the full report that began it, and
``.<n>`` where users are in several parts. Whatever is of an older one is read by
nobody, and ends by itself, as every key does.

Time is the server's, ``TIME``: a worker's clock may be wrong. Effects are replicated,
not scripts, so that a script may write what depends on it (the default since Redis 5).
"""

from __future__ import annotations

__all__ = ["COMMON", "GOODBYE", "report_script"]

#: What every script begins with.
COMMON = """
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Changes nothing, and fails whenever writing does: on a replica, without memory,
-- without permission. Later in a script, some writes would be done and others not.
local function verify_writable(key)
  redis.call('SETRANGE', key, 0, '')
end

-- Sequence, generation and number of users of a report.
local function head(report)
  if report then return string.match(report, '^(%d+):([%d.]*):(%d+):') end
end

-- In how many sets the users of a generation are.
local function parts_of(generation)
  return tonumber(string.match(generation, '%.(%d+)$') or 1)
end

local function user_set(start, generation, part)
  local set = start .. ':' .. generation .. ':users'
  if parts_of(generation) == 1 then return set end
  return set .. ':' .. part
end

local function user_sets(start, generation)
  local sets = {}
  for part = 1, parts_of(generation) do
    sets[part] = user_set(start, generation, part - 1)
  end
  return sets
end

-- Whether it is of a worker that keeps details.
local function tells_users(report)
  local packed = string.match(report, '^%d+:[%d.]*:%d+:%d+:(.*)$')
  local read, counts = pcall(cmsgpack.unpack, packed)
  return read and type(counts) == 'table' and counts[3]
end
"""

_REPORT = (
    COMMON
    + """
local index, report, who = KEYS[1], KEYS[2], KEYS[3]
local id, sequence, full, generation = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local lease, keep, index_keep = tonumber(ARGV[6]), ARGV[7], ARGV[8]
local forget, counts, had_marks, replaces = ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local latest = tonumber(ARGV[13])
local prefix = report .. ':' .. generation .. ':'
local users, marks = user_sets(report, generation), prefix .. 'marks'
local at = 14

-- Calls with the first and the last position of a section, a thousand at a time.
local function take(call)
  local last = at + ARGV[at]
  for first = at + 1, last, 1000 do
    call(first, math.min(first + 999, last))
  end
  at = last + 1
end

-- Not all until the same moment: a large set takes its time to be freed. Returns
-- whether each was there.
local function keep_users()
  local there = true
  for part, set in ipairs(users) do
    if redis.call('PEXPIRE', set, keep + (part - 1) * 100) == 0 then there = false end
  end
  return there
end

verify_writable(report)
-- It was long on its way: whoever sent it has given it up, or is dead by now.
if latest and now > latest then return 0 end
local known, known_generation, known_users = head(redis.call('GET', report))
local before = tonumber(known)
if full == '1' then
  if before and sequence <= before then return 0 end
  if before and known_generation ~= '' then
    local old = report .. ':' .. known_generation .. ':'
    redis.call('UNLINK', old .. 'marks', unpack(user_sets(report, known_generation)))
  end
else
  if before ~= sequence - 1 or known_generation ~= generation then return 0 end
  if redis.call('PEXPIRE', who, keep) == 0 then return 0 end
  -- One that is alone is gone while nobody is in it.
  if not keep_users() and (known_users ~= '0' or #users > 1) then return 0 end
  if had_marks == '1' and redis.call('EXISTS', marks) == 0 then return 0 end
end

local lost = false
take(function(first, last)
  for position = first, last do
    if redis.call('PEXPIRE', prefix .. ARGV[position], keep) == 0 then lost = true end
  end
end)
if lost then return 0 end
if full == '1' and #users > 1 then
  for _, set in ipairs(users) do redis.call('SADD', set, '\\255') end
end
local online = 0
if full ~= '1' then online = tonumber(known_users) end
local function take_users(command, sign)
  take(function(first, last)
    for position = first, last do
      local part, some = unpack(cmsgpack.unpack(ARGV[position]))
      online = online + sign * redis.call(command, users[part + 1], unpack(some))
    end
  end)
end
take_users('SREM', -1)
take_users('SADD', 1)
take(function(first, last)
  local keys = {}
  for position = first, last do keys[#keys + 1] = prefix .. ARGV[position] end
  redis.call('UNLINK', unpack(keys))
  redis.call('HDEL', marks, unpack(ARGV, first, last))
end)
take(function(first, last)
  for position = first, last do
    local number, closed, opened = unpack(cmsgpack.unpack(ARGV[position]))
    local bucket = prefix .. number
    if #closed > 0 then redis.call('HDEL', bucket, unpack(closed)) end
    if #opened > 0 then redis.call('HSET', bucket, unpack(opened)) end
    redis.call('PEXPIRE', bucket, keep)
  end
end)
take(function(first, last) redis.call('HSET', marks, unpack(ARGV, first, last)) end)
take(function(first, last) redis.call('HSET', who, unpack(ARGV, first, last)) end)
-- Only now: they may have been empty, and so gone, for a moment.
if full == '1' or #users == 1 then keep_users() end
local last = keep
if #users > 1 then last = keep + #users * 100 end
redis.call('PEXPIRE', marks, last)
if full == '1' then redis.call('PEXPIRE', who, keep) end

local text = table.concat({ARGV[3], generation, online, now, counts}, ':')
redis.call('SET', report, text, 'PX', keep)
if redis.call('EXISTS', index) == 0 then
  local since = 'first'
  if before or replaces == '1' then since = 'again' end
  redis.call('ZADD', index, -now, since)
elseif redis.call('ZCOUNT', index, '(' .. now, '+inf') == 0
    and redis.call('ZCOUNT', index, 0, now) > 0 then
  -- Nobody could report for a lease: the others are about to, as after a loss.
  redis.call('ZADD', index, -now, 'silent')
end
redis.call('ZADD', index, now + lease, id)
-- Not while those who could not report for longer than that are about to.
if now + tonumber(redis.call('ZSCORE', index, 'silent') or 0) >= lease then
  redis.call('ZREMRANGEBYSCORE', index, 0, now - forget)
end
redis.call('PEXPIRE', index, index_keep)
return now
"""
)


def report_script(prefix: str) -> str:
    """Return what takes a report: the time if it was taken, 0 if it continues nothing.

    Each prefix has a text of its own, so that a server that knows it has been reported
    to under this prefix, also when its keys were flushed since.
    """
    return f"-- {prefix!a}{_REPORT}"


#: Forgets a worker, unless it has reported since. Its sequence stays for a while, so
#: that no late report revives it.
GOODBYE = (
    COMMON
    + """
local index, report = KEYS[1], KEYS[2]
local id, sent, keep = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local known, generation = head(redis.call('GET', report))
if known and sent and tonumber(known) > sent then return 0 end
redis.call('ZREM', index, id)
if not known and not sent then return 0 end
if known and generation ~= '' then
  local marks = report .. ':' .. generation .. ':marks'
  redis.call('UNLINK', report .. ':who', marks, unpack(user_sets(report, generation)))
end
local last = math.max(tonumber(known) or 0, sent or 0)
redis.call('SET', report, last .. '::0:0:', 'PX', keep)
return 1
"""
)
