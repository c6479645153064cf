local check = require("check")

local file = io.open("lua-test.txt", "w")
check.equal("write", file:write("first line\n", 42, " ", 1.5, "\n", "0x10 end\n"), file)
check.equal("close", file:close(), true)
check.equal("type", io.type(file), "closed file")

file = io.open("lua-test.txt", "r")
check.equal("line", file:read("l"), "first line")
local a, b = file:read("n", "n")
check.equal("integer", a, 42)
check.equal("float", b, 1.5)
check.equal("rest of the line", file:read("L"), "\n")
check.equal("hexadecimal", file:read("n"), 16)
check.equal("characters", file:read(4), " end")
check.equal("position", file:seek("cur"), 26)
check.equal("size", file:seek("end"), 27)
check.equal("end", file:read("l"), nil)
check.equal("everything", #(file:seek("set", 0) == 0 and file:read("a")), 27)
check.equal("nothing left", file:read("a"), "")
file:close()

file = io.open("lua-test.txt", "a+")
file:write("appended")
file:seek("set", 0)
local lines = {}
for line in file:lines() do lines[#lines + 1] = line end
check.equal("lines", #lines, 4)
check.equal("appended", lines[4], "appended")
file:close()

file = io.open("lua-test.txt", "r+b")
file:seek("set", 6)
file:write("LINE")
file:seek("set", 0)
check.equal("overwritten", file:read("l"), "first LINE")
file:setvbuf("full", 16)
file:close()

-- 256 KiB of all byte values through small buffers.
local bytes = {}
for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
local block = table.concat(bytes)
file = io.open("lua-test.bin", "wb")
for _ = 1, 1024 do file:write(block) end
file:close()
file = io.open("lua-test.bin", "rb")
local whole = true
for i = 1, 1024 do whole = whole and file:read(256) == block end
check.equal("binary", whole, true)
check.equal("binary end", file:read(1), nil)
file:close()

check.equal("rename", os.rename("lua-test.bin", "lua-test.moved"), true)
check.equal("old name", (io.open("lua-test.bin")), nil)
check.equal("remove", os.remove("lua-test.moved"), true)
check.equal("remove again", (os.remove("lua-test.moved")), nil)
check.equal("remove the other", os.remove("lua-test.txt"), true)

local nothing, message, code = io.open("no/such/file")
check.equal("missing file", nothing, nil)
check.equal("message", message, "no/such/file: No such file or directory")
check.that("code", math.type(code) == "integer")

check.equal("epoch", os.date("!%Y-%m-%d %H:%M:%S", 0), "1970-01-01 00:00:00")
check.equal("date", os.date("!%A %d %B %Y", 86400 * 365), "Friday 01 January 1971")
check.equal("day of the year", os.date("!*t", 1709164800).yday, 60)  -- 29 February 2024
check.that("time", os.time() > 1700000000)
check.that("clock", os.clock() >= 0)
check.equal("difftime", os.difftime(10, 4), 6.0)
check.equal("getenv", os.getenv("NO_SUCH_VARIABLE"), nil)
check.equal("arguments", #arg .. arg[1] .. arg[2], "2onetwo words")
io.stdout:write("written to stdout\n")
io.stderr:write("")
check.finish("files")
