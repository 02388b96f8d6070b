"""What staging does in one step inside Redis.

Keys below the prefix: `upload:{token}` and `image:{id}` hold bytes, `facts:{id}` is a hash beside an image, `gone:{id}` outlives it by a
day. `sizes` is a hash from the names of the first two to their bytes, with their sum as `total`; `ledger` is a sorted set of the same
names by the time they expire at, in milliseconds. Redis forgets expired keys by itself and tells nobody, so the ledger says whose bytes to
give back. Every entry is set to what it is, never counted up: lost data corrects itself at the next step, and the sum is never negative.
"""

# A script that takes bytes in is refused when the memory is used up; the others must work then, above all those that free some.
_REFUSED_WHEN_FULL = "#!lua\n"
_ALWAYS = "#!lua flags=allow-oom\n"

_COMMON = """
local prefix = KEYS[1]
local sizes, ledger = prefix .. 'sizes', prefix .. 'ledger'
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function account(name, size)
    local before = tonumber(redis.call('HGET', sizes, name) or 0)
    if size == 0 then redis.call('HDEL', sizes, name) else redis.call('HSET', sizes, name, size) end
    redis.call('HINCRBY', sizes, 'total', size - before)
    return before
end

local function keep_until(name, time)
    redis.call('ZADD', ledger, time, name)
    redis.call('PEXPIREAT', prefix .. name, time)
end

local function forget(name)
    redis.call('DEL', prefix .. name)
    redis.call('ZREM', ledger, name)
    return account(name, 0)
end

-- At most a thousand at a time, so that nobody waits for long: the next call goes on.
local function release_expired()
    local names = redis.call('ZRANGEBYSCORE', ledger, '-inf', now, 'LIMIT', 0, 1000)
    local bytes = 0
    for _, name in ipairs(names) do bytes = bytes + forget(name) end
    return #names, bytes
end
"""

# prefix | token, life -> nothing
CREATE = (
    _REFUSED_WHEN_FULL
    + _COMMON
    + """
local name = 'upload:' .. ARGV[1]
redis.call('SET', prefix .. name, '')
keep_until(name, now + ARGV[2])
"""
)

# prefix | token, offset, chunk, budget, life -> what happened, where the upload ends
APPEND = (
    _REFUSED_WHEN_FULL
    + _COMMON
    + """
local name, offset, chunk = 'upload:' .. ARGV[1], tonumber(ARGV[2]), ARGV[3]
if redis.call('EXISTS', prefix .. name) == 0 then return {'missing', 0} end
local size = redis.call('STRLEN', prefix .. name)
if size ~= offset then return {'offset', size} end
release_expired()
local total = tonumber(redis.call('HGET', sizes, 'total') or 0)
if total + #chunk > tonumber(ARGV[4]) then return {'full', size} end
redis.call('APPEND', prefix .. name, chunk)
account(name, size + #chunk)
keep_until(name, now + ARGV[5])
return {'done', size + #chunk}
"""
)

# prefix | token, image id, sha256, facts, ttl, memory of the expired -> size in bytes, time of expiry; size -1 when there is no such upload
FINISH = (
    _ALWAYS
    + _COMMON
    + """
local upload, image = 'upload:' .. ARGV[1], 'image:' .. ARGV[2]
local facts, gone = prefix .. 'facts:' .. ARGV[2], prefix .. 'gone:' .. ARGV[2]
if redis.call('EXISTS', prefix .. upload) == 0 then return {-1, 0} end
local size, expires = redis.call('STRLEN', prefix .. upload), now + ARGV[5]
redis.call('RENAME', prefix .. upload, prefix .. image)
forget(upload)
account(image, size)
keep_until(image, expires)
redis.call('DEL', facts)
redis.call('HSET', facts, 'bytes', size, 'sha256', ARGV[3], 'facts', ARGV[4], 'expires', expires, 'transferred', 0)
redis.call('PEXPIREAT', facts, expires)
redis.call('SET', gone, 1, 'PXAT', expires + ARGV[6])
return {size, expires}
"""
)

# prefix | name -> how many there were
DROP = (
    _ALWAYS
    + _COMMON
    + """
local found = redis.call('EXISTS', prefix .. 'upload:' .. ARGV[1], prefix .. 'image:' .. ARGV[1])
forget('upload:' .. ARGV[1])
forget('image:' .. ARGV[1])
redis.call('DEL', prefix .. 'facts:' .. ARGV[1], prefix .. 'gone:' .. ARGV[1])
return found
"""
)

# prefix | image id -> nothing
MARK = (
    _ALWAYS
    + _COMMON
    + """
local facts = prefix .. 'facts:' .. ARGV[1]
if redis.call('EXISTS', facts) == 1 then redis.call('HSET', facts, 'transferred', 1) end
"""
)

# prefix | -> how many expired, their bytes
RELEASE = (
    _ALWAYS
    + _COMMON
    + """
local number, bytes = release_expired()
return {number, bytes}
"""
)

# prefix | names of `sizes` -> how many were transferred, how many were lost, the bytes of both
PURGE = (
    _ALWAYS
    + _COMMON
    + """
local transferred, lost, bytes = 0, 0, 0
for _, name in ipairs(ARGV) do
    local id = string.match(name, '^image:(.*)')
    if redis.call('EXISTS', prefix .. name) == 0 then
        lost, bytes = lost + 1, bytes + forget(name)
    elseif id and redis.call('HGET', prefix .. 'facts:' .. id, 'transferred') == '1' then
        redis.call('DEL', prefix .. 'facts:' .. id, prefix .. 'gone:' .. id)
        transferred, bytes = transferred + 1, bytes + forget(name)
    end
end
return {transferred, lost, bytes}
"""
)

ALL = (CREATE, APPEND, FINISH, DROP, MARK, RELEASE, PURGE)
