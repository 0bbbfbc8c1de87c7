-- Returns the time, and the ids of the live workers.
return {now, redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')}
