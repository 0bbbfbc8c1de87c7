-- Returns the time, the ids of the live workers, and what the last sampler left.
local index, carry = KEYS[1], KEYS[2]
local left = redis.pcall('GET', carry)
-- The next sampler replaces what is damaged.
if type(left) ~= 'string' then left = false end
return {now, redis.call('ZRANGEBYSCORE', index, '(' .. now, '+inf'), left}
