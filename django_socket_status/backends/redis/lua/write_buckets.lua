-- Keeps buckets of the history, and, in the first key, what the sampler leaves for the
-- next one. Each other key is the ring of a bucket, a sorted set of texts. Its arguments
-- are the number, how many buckets the ring keeps, and the text.
local idle = ARGV[2]
local carry = ARGV[3]

local function write_bucket(key, number, keep, text)
  local there = redis.call('ZRANGEBYSCORE', key, number, '+inf', 'WITHSCORES')
  -- The clock went back: a newer bucket stays.
  if #there > 0 and tonumber(there[#there]) > tonumber(number) then return end
  if #there > 0 then redis.call('ZREM', key, there[1]) end
  redis.call('ZADD', key, number, number .. ':' .. text)
  if #there == 0 then
    local more = redis.call('ZCOUNT', key, '-inf', '+inf') - keep
    if more > 0 then
      local limit = math.min(more, 1000)
      local old = redis.call('ZRANGEBYSCORE', key, '-inf', '+inf', 'LIMIT', 0, limit)
      redis.call('ZREM', key, unpack(old))
    end
  end
  redis.call('PEXPIRE', key, idle)
end

redis.call('SET', KEYS[1], carry, 'PX', idle)
for position = 2, #KEYS do
  local at = 3 * position - 2
  local number, keep, text = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2]
  attempt(write_bucket, KEYS[position], number, keep, text)
end
return 1
