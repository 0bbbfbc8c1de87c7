-- Forgets a worker. Its sequence number `last`, if it is known, stays for a while, so
-- that a late report cannot revive it.
local function forget_worker(
  index, report, witness, worker_id, last, generation, keep, last_keep
)
  redis.call('ZREM', index, worker_id)
  if redis.call('ZCOUNT', index, 0, '+inf') == 0 and redis.call('EXISTS', index) == 1 then
    -- The last worker. From now on, a missing index does not mean that one is missing.
    redis.call('SET', witness, now .. ':' .. now, 'PX', last_keep)
  end
  if not last then return end
  if generation and generation ~= '' then
    local prefix = report .. ':' .. generation .. ':'
    local sets = user_sets(report, generation)
    local marks, oldest = prefix .. 'marks', prefix .. 'oldest'
    redis.call('UNLINK', report .. ':who', marks, oldest, unpack(sets))
  end
  redis.call('SET', report, last .. '::0:0:', 'PX', keep)
end
