-- Forgets workers whose lease is from before the clock was set back.
forget_future(KEYS[1], ARGV[2])
