-- Keeps ended connections that no report carries.
local most, most_ms, most_bytes = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
attempt(
  keep_ended, KEYS[1], KEYS[2], ARGV[2], ARGV[3], ARGV[4], most, most_ms, most_bytes,
  ARGV[8]
)
return 1
