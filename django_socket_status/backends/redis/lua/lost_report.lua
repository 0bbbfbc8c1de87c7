-- Returns what a worker reported last, if its lease has ended.
local index, report = KEYS[1], KEYS[2]
local until_at = redis.call('ZSCORE', index, ARGV[2])
if until_at and tonumber(until_at) > now then return false end
return redis.call('GET', report)
