local check = require("check")

check.equal("rep", ("ab"):rep(3, "-"), "ab-ab-ab")
check.equal("reverse", ("stressed"):reverse(), "desserts")
check.equal("sub", ("hello"):sub(-3, -2), "ll")
check.equal("find", select(2, ("a.b.c"):find(".b", 1, true)), 3)
check.equal("match", ("key = value"):match("^(%w+)%s*=%s*(%w+)$"), "key")
check.equal("balanced", ("f(a(b)c)d"):match("%b()"), "(a(b)c)")
check.equal("frontier", ("THE (quick) fox"):find("%f[%a]%a+%f[%A]"), 1)
check.equal("gsub", (("hello world"):gsub("o", "0")), "hell0 w0rld")
check.equal("gsub count", select(2, ("hello world"):gsub("o", "0")), 2)
check.equal("gsub with table", (("$name is $age"):gsub("%$(%w+)", { name = "Lua", age = "old" })), "Lua is old")
check.equal("gsub with function", (("1 2 3"):gsub("%d", function(d) return d * 2 end)), "2 4 6")
local count = 0
for _ in ("one two three four"):gmatch("%w+") do count = count + 1 end
check.equal("gmatch", count, 4)

check.equal("format d", ("%5d|%-5d|%05d|%+d"):format(42, 42, 42, 42), "   42|42   |00042|+42")
check.equal("format x", ("%x %X %#x %o"):format(255, 255, 255, 8), "ff FF 0xff 10")
check.equal("format f", ("%.3f %8.2f %-8.1f|"):format(math.pi, math.pi, math.pi), "3.142     3.14 3.1     |")
check.equal("format e", ("%e %.2E"):format(12345.678, 0.00012), "1.234568e+04 1.20E-04")
check.equal("format g", ("%g %g %g"):format(1e20, 0.1, 100000), "1e+20 0.1 100000")
check.equal("format a", ("%a"):format(1.5), "0x1.8p+0")
check.equal("format q", ("%q"):format('a "quoted"\n\0line'), '"a \\"quoted\\"\\\n\\0line"')
check.equal("format s", ("%10s|%-10s|%.2s"):format("right", "left", "cut"), "     right|left      |cu")
check.equal("format c", ("%c%c%c"):format(76, 117, 97), "Lua")

check.equal("pack", string.pack("<i4 >I2 z", -2, 258, "end"), "\xfe\xff\xff\xff\1\2end\0")
check.equal("unpack", string.unpack("<d", string.pack("<d", 0.1)), 0.1)
check.equal("packsize", string.packsize("!8 i1 i8"), 16)

check.equal("utf8.char", utf8.char(76, 228, 8364, 128512), "L\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")
check.equal("utf8.len", utf8.len("L\xc3\xa4\xe2\x82\xac"), 3)
check.equal("utf8.len of broken text", select(2, utf8.len("\xff")), 1)
check.equal("utf8.codepoint", utf8.codepoint("\xe2\x82\xac"), 8364)

check.equal("comparison", "a" < "b" and "Z" < "a" and "" < "a" and "a\0b" > "a\0a", true)
check.equal("tostring", tostring(10) .. tostring(-0.0) .. tostring(1e15) .. tostring(2 ^ 53), "10-0.01e+159.007199254741e+15")
check.equal("tonumber", tonumber("0x1p4"), 16.0)
check.equal("tonumber with a base", tonumber("zz", 36), 1295)
check.equal("tonumber of no number", tonumber("1e"), nil)
check.equal("concat of numbers", 1 .. 2.5, "12.5")

-- CRC-32 of "123456789" is 0xcbf43926 (the check value of its definition).
local function crc32(text)
  local crc = 0xffffffff
  for i = 1, #text do
    crc = crc ~ text:byte(i)
    for _ = 1, 8 do
      crc = (crc >> 1) ~ (0xedb88320 & -(crc & 1))
    end
  end
  return crc ~ 0xffffffff
end
check.equal("crc32", crc32("123456789"), 0xcbf43926)

-- SHA-256 of "abc" and of the empty text (FIPS 180-4).
local function sha256(text)
  local primes, n = {}, 2
  while #primes < 64 do
    local is_prime = true
    for _, p in ipairs(primes) do
      if n % p == 0 then is_prime = false break end
    end
    if is_prime then primes[#primes + 1] = n end
    n = n + 1
  end
  local function fraction(x) return math.floor((x % 1) * 4294967296.0) end
  local k, h = {}, {}
  for i = 1, 64 do k[i] = fraction(primes[i] ^ (1 / 3)) end
  for i = 1, 8 do h[i] = fraction(primes[i] ^ (1 / 2)) end
  local function rotate(x, by) return ((x >> by) | (x << (32 - by))) & 0xffffffff end
  local padded = text .. "\x80" .. ("\0"):rep((55 - #text) % 64) .. string.pack(">I8", #text * 8)
  for block = 1, #padded, 64 do
    local w = { string.unpack((">" .. ("I4"):rep(16)), padded, block) }
    for i = 17, 64 do
      local a, b = w[i - 15], w[i - 2]
      local s0 = rotate(a, 7) ~ rotate(a, 18) ~ (a >> 3)
      local s1 = rotate(b, 17) ~ rotate(b, 19) ~ (b >> 10)
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) & 0xffffffff
    end
    local v = { table.unpack(h) }
    for i = 1, 64 do
      local a, e = v[1], v[5]
      local t1 = v[8] + (rotate(e, 6) ~ rotate(e, 11) ~ rotate(e, 25)) + ((e & v[6]) ~ (~e & v[7])) + k[i] + w[i]
      local t2 = (rotate(a, 2) ~ rotate(a, 13) ~ rotate(a, 22)) + ((a & v[2]) ~ (a & v[3]) ~ (v[2] & v[3]))
      v = { (t1 + t2) & 0xffffffff, v[1], v[2], v[3], (v[4] + t1) & 0xffffffff, v[5], v[6], v[7] }
    end
    for i = 1, 8 do h[i] = (h[i] + v[i]) & 0xffffffff end
  end
  return (("%08x"):rep(8)):format(table.unpack(h))
end
check.equal("sha256 of abc", sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
check.equal("sha256 of nothing", sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
check.equal("sha256 of two blocks", sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")

-- A long text, built in pieces.
local pieces = {}
for i = 1, 20000 do pieces[i] = ("%d;"):format(i) end
local long = table.concat(pieces)
check.equal("long text", #long, 108894)
check.equal("crc of the long text", crc32(long:sub(1, 10000)), crc32(long:sub(1, 5000) .. long:sub(5001, 10000)))
check.finish("strings")
