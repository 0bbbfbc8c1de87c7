-- Removes all counters if a field that is damaged, or missing, still is. Then the next
-- report with counters begins a new epoch.
if (redis.call('HGET', KEYS[1], ARGV[2]) or '') ~= ARGV[3] then return 0 end
return redis.call('UNLINK', KEYS[1])
