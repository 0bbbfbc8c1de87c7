-- Returns every live report, and the number of users if it is quick to count.
local index, witness, kept = KEYS[1], KEYS[2], KEYS[3]
local prefix, quick = ARGV[2], tonumber(ARGV[3])
local state, ids = index_state(index, witness)
local reports, holders, total, lost = {}, {}, 0, 0
-- A worker whose lease ended was killed, or no worker can write: no memory, no disk, a
-- replica, no permission.
if state[3] > 0 and not pcall(verify_writable, prefix) then lost = 1 end
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
  -- Few users are in many sets only if there were many users before.
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
  local members = redis.pcall('SUNION', unpack(sets))
  union = #members
  if #sets > #holders then union = union - 1 end
  -- One of the keys is not a set.
  if members.err then lost, union = 1, total end
else
  counted = redis.pcall('HMGET', kept, 'n', 'next')
  if counted.err then counted = false end
end
return {state, ids, reports, union, counted, lost}
