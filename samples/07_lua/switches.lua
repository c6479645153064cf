-- Thread 1 flips switches while the others run the code that they guard.
local verbose = shunt.key("verbose")
local done = shunt.key("done")

if thread > 1 then
  local calls, hooked, seen_verbose = 0, 0, 0
  text.on_call(function(name, argument)
    assert(name == "words" and argument == "one two three")
    hooked = hooked + 1
  end)
  repeat
    assert(text.words("one two three") == 3)
    calls = calls + 1
    if verbose() then seen_verbose = seen_verbose + 1 end
  until done()
  print(("thread %d: %d calls, the hook ran in %s, `verbose` was seen %s"):format(
    thread, calls, hooked > 0 and hooked < calls and "some" or hooked == 0 and "none" or "all",
    seen_verbose > 0 and "on" or "only off"))
  return
end

local function flip_and_check()
  -- A key is what it was last set to, for whoever asks next: also on this thread.
  assert(verbose() == false)
  for _ = 1, 1000 do
    shunt.set("verbose", true)
    assert(verbose())
    shunt.set { verbose = false, hooks = true }
    assert(not verbose())
    shunt.set("hooks", false)
  end

  -- Hooks and checks of the host's functions, which cost an instruction each while they are off.
  local names = {}
  text.on_call(function(name) names[#names + 1] = name end)
  text.checksum("a")
  shunt.set("hooks", true)
  assert(text.checksum("a") == 0xe40c292c)
  assert(text.words(" a  bc\n") == 2)
  shunt.set("hooks", false)
  text.words("a")
  assert(table.concat(names, " ") == "checksum words")

  assert(text.words("\xff") == 1)
  shunt.set("strict", true)
  local right, message = pcall(text.words, "\xff")
  assert(not right and message:find("not UTF%-8"), message)
  shunt.set("strict", false)
  assert(text.words("\xff") == 1)

  -- What is wrong is said.
  right, message = pcall(shunt.set, { verbose = 1 })
  assert(not right and message:find("names with booleans"), message)
  right, message = pcall(shunt.key)
  assert(not right and message:find("string expected"), message)

  print("thread 1: flipped `verbose` 2000 times, and hooks and checks on and off")
end

local right, message = xpcall(flip_and_check, debug.traceback)
shunt.set("done", true)  -- also then, or the others would never end
assert(right, message)
