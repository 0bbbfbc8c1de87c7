"""The Lua that answers what is asked of all workers, in one step and without a scan.

See :mod:`.redis_scripts` for the keys, and for the ones that write.
"""

from __future__ import annotations

from django_socket_status.backends.redis_scripts import COMMON

__all__ = ["IS_ONLINE", "READ"]

#: Returns every live report, and how many users there are where that is quick.
READ = (
    COMMON
    + """
local index, kept, prefix, quick = KEYS[1], KEYS[2], ARGV[2], tonumber(ARGV[3])
local since = redis.call('ZRANGEBYSCORE', index, '-inf', '(0', 'WITHSCORES')
local ids = redis.call('ZRANGEBYSCORE', index, '(' .. now, '+inf')
local late = redis.call('ZCOUNT', index, 0, now)
local reports, holders, total, lost = {}, {}, 0, 0
-- A worker that fell silent may have been killed. Or nobody can report: no memory, no
-- disk, a replica, no permission.
if late > 0 and not pcall(verify_writable, prefix) then lost = 1 end
for first = 1, #ids, 1000 do
  local keys = {}
  for position = first, math.min(first + 999, #ids) do
    keys[#keys + 1] = prefix .. ids[position]
  end
  for position, report in ipairs(redis.call('MGET', unpack(keys))) do
    local _, generation, users = head(report)
    if not generation or generation == '' then
      lost, report = 1, false
    elseif users ~= '0' then
      holders[#holders + 1] = {keys[position], generation}
      total = total + users
    end
    reports[#reports + 1] = report
  end
end
local sets, union, counted = {}, -1, false
for _, holder in ipairs(holders) do
  -- Sets of few users are many only where there were many.
  if total > quick or #sets > 2 * quick then break end
  for _, set in ipairs(user_sets(unpack(holder))) do sets[#sets + 1] = set end
end
for first = 1, #sets, 1000 do
  local last = math.min(first + 999, #sets)
  if redis.call('EXISTS', unpack(sets, first, last)) <= last - first then lost = 1 end
end
if #holders < 2 then
  union = total
elseif total <= quick and #sets <= 2 * quick then
  union = #redis.call('SUNION', unpack(sets))
  if #sets > #holders then union = union - 1 end
else
  counted = redis.call('HMGET', kept, 'n', 'next')
end
return {now, since, late, ids, reports, union, counted, lost}
"""
)

#: Returns whether a user is on a live worker: 1 if so, 0 if not; -1 if users were lost,
#: -2 if a worker tells none. And what there is to judge a "no" by.
IS_ONLINE = (
    COMMON
    + """
local index, prefix, user, hash = KEYS[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local since = redis.call('ZRANGEBYSCORE', index, '-inf', '(0', 'WITHSCORES')
local ids = redis.call('ZRANGEBYSCORE', index, '(' .. now, '+inf')
local late = redis.call('ZCOUNT', index, 0, now)
local answer = 0
for _, id in ipairs(ids) do
  local report = redis.call('GET', prefix .. id)
  local _, generation, online = head(report)
  if not generation or generation == '' then
    answer = -1
  elseif online ~= '0' then
    local users = user_set(prefix .. id, generation, hash % parts_of(generation))
    if redis.call('SISMEMBER', users, user) == 1 then
      answer = 1
      break
    end
    if redis.call('EXISTS', users) == 0 then answer = -1 end
  elseif not tells_users(report) then
    answer = -2
  end
end
return {now, since, late, #ids, answer}
"""
)
